"""Sums of what requests cost; those of requests that are gone stay, without whose they were."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import case, func, literal, select, union_all
from sqlalchemy.orm import Session

from ornstein.errors import UsageError, nearest
from ornstein.serve.books.tables import RequestRow, SumRow
from ornstein.serve.books.values import Axis, CostLine

AXES: tuple[Axis, ...] = ("day", "key", "model")
SUMS = ("requests", "pictures", "evaluations", "waited", "computed", "guarded", "joules", "measured", "price")
COUNTS = ("requests", "pictures", "evaluations")
SPENT = ("evaluations", "waited", "computed", "guarded", "joules", "price")  # alike in rows and sums


def lines(
    session: Session,
    since: datetime | None,
    until: datetime | None,
    by: Collection[Axis],
    key: str | None = None,
) -> list[CostLine]:
    """Sums for each value of the axes, in their order. Raises UsageError: an unknown axis."""
    for axis in by:
        if axis not in AXES:
            raise UsageError(f"costs are told by {', '.join(AXES)}{nearest(axis, AXES)}")
    split = [axis for axis in AXES if axis in by]
    both = union_all(_ended(), _gone()).subquery()
    groups = [both.c[axis] for axis in (*split, "currency")]
    query = (
        select(*groups, *(func.sum(both.c[name]).label(name) for name in SUMS))
        .group_by(*groups)
        .order_by(*groups)
    )
    if key is not None:
        query = query.where(both.c.key == key)
    if since is not None:
        query = query.where(both.c.day >= since.astimezone(UTC).date().isoformat())
    if until is not None:
        query = query.where(both.c.day < until.astimezone(UTC).date().isoformat())
    return [_line(row) for row in session.execute(query).mappings()]


def keep_sums(session: Session, which: Any) -> None:
    """Add up requests that are about to go, by day and model."""
    grouped = [RequestRow.day, RequestRow.model, RequestRow.currency]
    ended = (*_columns(), *grouped)
    query = select(*ended).where(which, RequestRow.currency != "").group_by(*grouped)
    session.add_all(SumRow(**row) for row in session.execute(query).mappings())


def _line(row: Any) -> CostLine:
    sums: dict[str, Any] = {name: (int if name in COUNTS else float)(row[name]) for name in SUMS}
    return CostLine(**{axis: row.get(axis) for axis in AXES}, **sums, currency=row["currency"])


def _columns() -> list[Any]:
    measured = case((RequestRow.measured, RequestRow.joules), else_=0.0)
    return [
        func.count().label("requests"), func.sum(RequestRow.made).label("pictures"),
        func.sum(measured).label("measured"),
        *(func.sum(getattr(RequestRow, name)).label(name) for name in SPENT),
    ]  # fmt: skip


def _ended() -> Any:
    """Of requests that are in the books and have ended: those have a currency."""
    axes = [getattr(RequestRow, axis) for axis in AXES]
    return (
        select(*axes, RequestRow.currency, *_ordered(_columns()))
        .where(RequestRow.currency != "")
        .group_by(*axes, RequestRow.currency)
    )


def _gone() -> Any:
    columns = [getattr(SumRow, name).label(name) for name in SUMS]
    return select(SumRow.day, literal("").label("key"), SumRow.model, SumRow.currency, *columns)


def _ordered(columns: list[Any]) -> list[Any]:
    named = {column.name: column for column in columns}
    return [named[name] for name in SUMS]
