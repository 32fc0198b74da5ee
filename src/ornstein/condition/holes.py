"""Text with holes: ``In the beginning [MASK*20] earth`` says what stands before and after twenty tokens to be found."""

from __future__ import annotations

import re

from ornstein.errors import UsageError

_MARK = re.compile(r"\[MASK[^\[\]]*\]?")
_HOLE = re.compile(r"\[MASK(?:\*(\d{1,6}))?\]")


def parse(prompt: str) -> list[str | int]:
    """What a prompt says, in order: text, and for each hole how many tokens it has.

    ``[MASK]`` is one token, ``[MASK*20]`` twenty. A space before a hole is left to the hole, since tokens begin with
    their space. Text that is empty is left out.

    Raises:
        UsageError: a hole that is not written so, or of no tokens.
    """
    parts: list[str | int] = []
    end = 0
    for mark in _MARK.finditer(prompt):
        if (hole := _HOLE.fullmatch(mark[0])) is None or (hole[1] is not None and int(hole[1]) == 0):
            raise UsageError(f"{mark[0][:40]!r} is no hole: write [MASK], or [MASK*20] for twenty tokens")
        parts += [prompt[end : mark.start()].removesuffix(" "), int(hole[1] or 1)]
        end = mark.end()
    return [part for part in (*parts, prompt[end:]) if part != ""]
