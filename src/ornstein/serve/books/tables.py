"""The tables. ``migrations`` makes them; a test holds the two together.

What belongs to a request goes with it when it is deleted. `key` is no foreign key: requests of a server without keys
have the name "local", and a key can be erased while sums of what it cost stay.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

NAMES = {"ix": "ix_%(column_0_label)s", "uq": "uq_%(table_name)s_%(column_0_name)s",
         "fk": "fk_%(table_name)s_%(column_0_name)s", "pk": "pk_%(table_name)s"}  # fmt: skip


class Moment(TypeDecorator[datetime]):
    """A time with its zone; SQLite has none, so it is kept in UTC there."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(DeclarativeBase):
    """Base of all."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {datetime: Moment, dict[str, Any]: JSON}  # noqa: RUF012  # SQLAlchemy reads it


class RequestRow(Table):
    """A request; `words` is what history is searched in, `server` who works on it."""

    __tablename__ = "requests"
    __table_args__ = (Index("ix_requests_history", "key", "created", "id"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(16))
    prompt: Mapped[str | None] = mapped_column(Text)
    prompt_hash: Mapped[str | None] = mapped_column(String(64))
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    words: Mapped[str] = mapped_column(Text)
    count: Mapped[int]
    created: Mapped[datetime] = mapped_column(index=True)
    day: Mapped[str] = mapped_column(String(10), index=True)
    server: Mapped[str] = mapped_column(String(255))
    outcome: Mapped[str] = mapped_column(String(16), index=True)
    finished: Mapped[datetime | None]
    made: Mapped[int] = mapped_column(default=0)
    evaluations: Mapped[int] = mapped_column(BigInteger, default=0)
    waited: Mapped[float] = mapped_column(default=0.0)
    computed: Mapped[float] = mapped_column(default=0.0)
    guarded: Mapped[float] = mapped_column(default=0.0)
    joules: Mapped[float] = mapped_column(default=0.0)
    measured: Mapped[bool] = mapped_column(default=False)
    price: Mapped[float] = mapped_column(default=0.0)
    currency: Mapped[str] = mapped_column(String(8), default="")
    outputs: Mapped[list[OutputRow]] = relationship(order_by="OutputRow.place", passive_deletes=True)
    decisions: Mapped[list[DecisionRow]] = relationship(order_by="DecisionRow.id", passive_deletes=True)


class OutputRow(Table):
    """A picture that went out; `place` counts within its request."""

    __tablename__ = "outputs"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    request: Mapped[str] = mapped_column(ForeignKey("requests.id", ondelete="CASCADE"), index=True)
    place: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    format: Mapped[str] = mapped_column(String(16))
    width: Mapped[int]
    height: Mapped[int]
    seed: Mapped[int] = mapped_column(BigInteger)
    record: Mapped[dict[str, Any]] = mapped_column(JSON)


class DecisionRow(Table):
    """A decision about a request, or about one of its outputs."""

    __tablename__ = "decisions"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    request: Mapped[str] = mapped_column(ForeignKey("requests.id", ondelete="CASCADE"), index=True)
    output: Mapped[str | None] = mapped_column(ForeignKey("outputs.id", ondelete="CASCADE"), index=True)
    stage: Mapped[str] = mapped_column(String(16))
    action: Mapped[str] = mapped_column(String(16))
    decision: Mapped[dict[str, Any]] = mapped_column(JSON)


class SumRow(Table):
    """What requests that are gone had cost, without whose they were: a line for each removal, day and model."""

    __tablename__ = "costs"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    day: Mapped[str] = mapped_column(String(10), index=True)
    model: Mapped[str] = mapped_column(String(200))
    requests: Mapped[int] = mapped_column(BigInteger)
    pictures: Mapped[int] = mapped_column(BigInteger)
    evaluations: Mapped[int] = mapped_column(BigInteger)
    waited: Mapped[float]
    computed: Mapped[float]
    guarded: Mapped[float]
    joules: Mapped[float]
    measured: Mapped[float]
    price: Mapped[float]
    currency: Mapped[str] = mapped_column(String(8))


class ReplyRow(Table):
    """An idempotency token (as its sha256) and what was replied; status None while it is worked on."""

    __tablename__ = "replies"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    token: Mapped[str] = mapped_column(String(64), primary_key=True)
    body: Mapped[str] = mapped_column(String(64))
    request: Mapped[str | None] = mapped_column(String(64), index=True)
    server: Mapped[str] = mapped_column(String(255))
    created: Mapped[datetime] = mapped_column(index=True)
    status: Mapped[int | None]
    reply: Mapped[bytes | None] = mapped_column(LargeBinary)


class KeyRow(Table):
    """An API key; of its secret only the sha256 and the first characters."""

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(16))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[str] = mapped_column(String(100))
    limits: Mapped[dict[str, Any]] = mapped_column(JSON)
    created: Mapped[datetime]
    expires: Mapped[datetime | None]
    revoked: Mapped[datetime | None]


class SettingRow(Table):
    """What servers on these books share, by name."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
