"""One line of the log, and the hashes that chain it to the line before.

    commitment = sha256(salt || payload)                      what is personal is chained by this alone
    hash       = sha256(entry without payload, salt, hash and seal; it holds `previous`)
    seal       = HMAC-SHA256(key, "seal" || hash)             who has no key cannot forge a line

Erasing takes away payload and salt: the chain still holds, and without the salt no guess can be tried on what is left.
The chain is that of Schneier & Kelsey 1999, "Secure audit logs to support computer forensics", section 3, without its
evolving key. Every line is canonical JSON, so every changed byte shows.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from ornstein.config import Config
from ornstein.guard.decision import Decision
from ornstein.guard.policy import Records

if TYPE_CHECKING:
    from ornstein.request import Request

Kind = Literal["start", "request", "outcome", "erasure", "retention", "repair"]
Said = Literal["request", "outcome"]
"""What a guard tells; the other kinds the log writes about itself."""

GENESIS = "0" * 64  # stands before the first entry
LONGEST = 10_000  # characters kept of a prompt
NOT_CHAINED = ("payload", "salt", "hash", "seal")
DIGEST = re.compile(r"[0-9a-f]{64}")
_HEX = r"^[0-9a-f]{64}$"
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"


class Settings(Config):
    """How something was asked for, without what tells it apart from others: that is personal (``Payload``).

    Attributes:
        guidance: None for what has none.
        size: of a picture its side in pixels, of a text its tokens, of a table its rows.
    """

    sampler: str
    steps: int
    guidance: float | None = None
    size: int
    model: str | None = Field(pattern=_HEX)

    @classmethod
    def of(cls, request: Request, fingerprint: str | None) -> Settings:
        """Those of a request to the model with this fingerprint."""
        names = ("sampler", "steps", "guidance", "size")
        return cls(model=fingerprint, **{name: getattr(request, name) for name in names})


class Event(Config):
    """What a guard tells the log, in clear; the policy decides what of it is kept.

    Attributes:
        kind: request before anything is made, outcome after. request: an id, the same in both.
        prompt, negative, seed: of one picture. inputs: sha256 of the pictures that a request brings.
        settings: see there. policy: its hash. decisions: in the order they were taken.
        outputs: sha256 of the files written. seconds: that it took. note: for people, without personal data.
    """

    kind: Said
    request: str = Field(min_length=1, max_length=64)
    prompt: str | None = None
    negative: str = ""
    seed: int | None = None
    inputs: tuple[str, ...] = ()
    settings: Settings | None = None
    policy: str | None = Field(default=None, pattern=_HEX)
    decisions: tuple[Decision, ...] = ()
    outputs: tuple[str, ...] = ()
    seconds: float | None = None
    note: str = Field(default="", max_length=500)

    @field_validator("prompt", "negative", mode="before")
    @classmethod
    def _storable(cls, text: Any) -> Any:
        """Refused prompts are logged too, so this takes any text: lone surrogates are spelled out, too long is cut."""
        return text.encode("utf-8", "backslashreplace").decode()[:LONGEST] if isinstance(text, str) else text


class Payload(Config):
    """What may be personal: kept as the policy says, and only until it is erased.

    Attributes:
        prompt, negative: in clear. prompt_hash, negative_hash: keyed hashes of them, in their place.
        seed: with it a guess of the prompt could be tried by making the picture again.
        inputs: sha256 of pictures that the request brought. decisions: with the words they are about, in clear.
    """

    prompt: str | None = None
    prompt_hash: str | None = None
    negative: str | None = None
    negative_hash: str | None = None
    seed: int | None = None
    inputs: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()


class Removed(Config):
    """What an erasure or retention entry took away.

    Attributes:
        payloads: first and last sequence numbers of runs of entries that lost their payload.
        through: entries up to this number are gone as a whole; 0 for none.
    """

    payloads: tuple[tuple[int, int], ...] = ()
    through: int = Field(default=0, ge=0)


class Entry(Config):
    """One line. `time` is what the clock read, in UTC; the order is `sequence`'s."""

    sequence: int = Field(ge=1)
    time: str = Field(pattern=_TIME)
    kind: Kind
    request: str | None = None
    settings: Settings | None = None
    policy: str | None = None
    decisions: tuple[Decision, ...] = ()
    outputs: tuple[str, ...] = ()
    seconds: float | None = None
    note: str = ""
    removed: Removed | None = None
    commitment: str | None = Field(default=None, pattern=_HEX)
    previous: str = Field(pattern=_HEX)
    payload: Payload | None = None
    salt: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    hash: str = Field(pattern=_HEX)
    seal: str = Field(pattern=_HEX)


def now() -> datetime:
    """The clock's reading, in UTC."""
    return datetime.now(UTC)


def stamp(time: datetime) -> str:
    """A time as entries have it, in milliseconds; such texts sort as their times do."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def canonical(values: Any) -> bytes:
    """The one JSON text of plain values: sorted keys, no spaces, ASCII, no newline."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def plain(config: Config) -> dict[str, Any]:
    """What a configuration says beyond its defaults, so that fields of later versions leave old lines as they are."""
    return config.model_dump(mode="json", exclude_defaults=True)


def chained(values: Mapping[str, Any]) -> str:
    """The hash of an entry given as plain values."""
    return hashlib.sha256(canonical({k: v for k, v in values.items() if k not in NOT_CHAINED})).hexdigest()


def commitment(salt: str, payload: Any) -> str:
    """What stands in the chain for a payload given as plain values."""
    return hashlib.sha256(salt.encode() + canonical(payload)).hexdigest()


def seal(key: bytes, what: str, text: str) -> str:
    """HMAC-SHA256 of a text under the log's key, for one use of it: "seal", "head" or "prompt"."""
    return hmac.new(key, f"{what}\0{text}".encode(), hashlib.sha256).hexdigest()


def hash_prompt(key: bytes, prompt: str) -> str:
    """The keyed hash that stands for a prompt; runs of white space count as one space."""
    return seal(key, "prompt", " ".join(prompt.split()))


def entry_values(event: Event, kept: Records, key: bytes) -> dict[str, Any]:
    """What an event leaves in the log, as plain values of ``Entry`` that are not chained yet."""
    payload = plain(_payload(event, kept, key))
    bare = tuple(_without_words(decision) for decision in event.decisions)
    told = event.model_copy(update={"decisions": bare})
    values = {name: value for name, value in plain(told).items() if name in Entry.model_fields}
    if payload:
        salt = secrets.token_hex(16)
        values |= {"payload": payload, "salt": salt, "commitment": commitment(salt, payload)}
    return values


def _payload(event: Event, kept: Records, key: bytes) -> Payload:
    common = Payload(seed=event.seed, inputs=event.inputs)
    if kept.prompts == "none" or event.prompt is None:
        return common
    texts = {"prompt": event.prompt, "negative": event.negative or None}
    if kept.prompts == "hash":
        hashed = {f"{name}_hash": hash_prompt(key, text) for name, text in texts.items() if text}
        return common.model_copy(update=hashed)
    telling = tuple(decision for decision in event.decisions if decision != _without_words(decision))
    return common.model_copy(update={**texts, "decisions": telling})


def _without_words(decision: Decision) -> Decision:
    """A decision without what may repeat the prompt: the words it is about, and what took their place."""
    finding = decision.finding and decision.finding.model_copy(update={"where": ""})
    return decision.model_copy(update={"finding": finding, "changed": None})
