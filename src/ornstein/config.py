"""Typed, frozen configuration: unknown keys are refused and the nearest known key is named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from ornstein.errors import UsageError, nearest

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """Base of every configuration section: immutable, closed, and finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


def parse(kind: type[C], values: Mapping[str, Any]) -> C:
    """Build `kind` from plain values.

    Raises:
        UsageError: in one line, with the dotted path of the first bad key and the nearest known key.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise UsageError(complaint(kind, error.errors()[0])) from None


def override(config: C, settings: Sequence[str]) -> C:
    """Return `config` with each ``path=value`` applied; values are read as JSON, else as text.

    Raises:
        UsageError: for a setting without ``=``, an unknown path, or a value that does not fit.
    """
    values = config.model_dump(mode="json")
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set takes path=value, not {setting!r}")
        *parents, leaf = path.split(".")
        section = _section(values, parents)
        value = _read(text)
        if (
            leaf == "kind" and section.get("kind") != value
        ):  # another variant has other keys: keep only the choice
            section.clear()
        section[leaf] = value
    return parse(type(config), values)


def from_text(value: Any) -> Any:
    """What a variant's short text says, as its values: ``kind:name=value,name=value``; anything else as it is.

    Raises:
        ValueError: a name without a value.
    """
    if not isinstance(value, str):
        return value
    kind, colon, rest = value.partition(":")
    pairs = [pair.partition("=") for pair in rest.split(",")] if colon else []
    for name, equals, _ in pairs:
        if not equals:
            raise ValueError(f"write {kind}:name=value, not {name!r} alone")
    return {"kind": kind.strip(), **{name.strip(): _read(text) for name, _, text in pairs}}


def as_text(config: Config) -> str:
    """The short text of a variant, of what it says beyond its defaults; ``from_text`` reads it."""
    said = changes(config)
    rest = ",".join(f"{name}={json.dumps(value)}" for name, value in said.items() if name != "kind")
    return f"{said['kind']}:{rest}" if rest else said["kind"]


def changes(config: Config) -> dict[str, Any]:
    """What a configuration says beyond its defaults, sections within sections; a ``kind`` is always said."""
    return {
        name: _changed(value)
        for name, value in config
        if name == "kind" or value != type(config).model_fields[name].default
    }


def _changed(value: Any) -> Any:
    """``changes`` of a section and of each section in a list of them; anything else as it is."""
    if isinstance(value, Config):
        return changes(value)
    return tuple(_changed(item) for item in value) if isinstance(value, tuple) else value


def _section(values: Any, parents: Sequence[str]) -> dict[str, Any]:
    """The mapping that `parents` lead to."""
    for depth, name in enumerate([*parents, None]):
        if not isinstance(values, dict):
            raise UsageError(f"{'.'.join(parents[:depth])!r} is a value, not a section; set it whole")
        if name is None:
            break
        if name not in values:
            raise UsageError(f"unknown key {'.'.join(parents[: depth + 1])!r}{nearest(name, values)}")
        values = values[name]
    return values


def complaint(kind: type[Config], error: Any) -> str:
    """One of pydantic's errors in one line: what is wrong, where, and the nearest name that would be right."""
    where, what = [str(part) for part in error["loc"]], error["type"]
    path = ".".join(where)
    if what == "extra_forbidden":
        return f"unknown key {path!r}{nearest(where[-1], set(_siblings(kind, error['loc'])))}"
    if what == "union_tag_invalid":
        known = [name.strip("' ") for name in error["ctx"]["expected_tags"].split(",")]
        return f"unknown {path}.kind {error['ctx']['tag']!r}{nearest(error['ctx']['tag'], known)}"
    message = error["msg"].removeprefix("Value error, ")
    got = "" if isinstance(error["input"], dict) else f" (got {error['input']!r})"
    return f"{path}: {message}{got}" if path else message


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _siblings(kind: type[BaseModel], location: tuple[int | str, ...]) -> Iterator[str]:
    """Names of the fields that stand beside the key at `location`, through nested and tagged sections."""
    sections: list[type[BaseModel]] = [kind]
    for part in location[:-1]:
        found = [
            model for s in sections if part in s.model_fields for model in _models(s.model_fields[str(part)])
        ]
        tagged = [s for s in sections if (f := s.model_fields.get("kind")) is not None and f.default == part]
        sections = found or tagged or sections
    for section in sections:
        yield from section.model_fields


def _models(field: Any) -> Iterator[type[BaseModel]]:
    pending = [field.annotation]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation
        pending.extend(get_args(annotation))
