"""YAML that people write for us: a mapping of plain values, nothing built from it, nothing repeated, nothing huge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ornstein.errors import OrnsteinError

LARGEST = 1 << 20  # bytes; ours have a few thousand


def read(path: Path, what: str) -> dict[str, Any]:
    """The mapping that a file holds.

    Args:
        path: of the file.
        what: it is called in errors: "policy".

    Raises:
        OrnsteinError: no such file, larger than 1 MB, no YAML, a key that stands twice, an alias, or no mapping.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise OrnsteinError(f"{path} is larger than any {what}: it is something else")
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Strict)  # noqa: S506 - a safe loader
    except OSError as error:
        raise OrnsteinError(f"cannot read the {what} {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise OrnsteinError(f"the {what} {path} is not readable YAML: {one_line(error)}") from error
    if not isinstance(values, dict):
        raise OrnsteinError(f"the {what} {path} is not what a {what} is: a mapping is expected")
    return values


def one_line(error: Exception) -> str:
    """What an error says, in at most 200 characters."""
    return " ".join(str(error).split())[:200]


class _Strict(yaml.SafeLoader):
    """YAML's safe loader, without keys that stand twice, and without aliases: nine lines of those fill a memory."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(None, None, "aliases are not read: write the value out", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
