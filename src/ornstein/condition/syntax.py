r"""The syntax of composed prompts: parts, weights and turns. Only where it is asked for; other prompts are plain text.

    prompt = ["NOT"] part { ("AND" | "NOT" | "AND NOT") part }
    part   = text [":" number]                 weight of the part; 1 where it is left out
    text   = { words | "(" text ":" number ")" | "[" text "|" text { "|" text } "]" }

``(…:1.3)`` weighs words; ``[…|…]`` takes turns, the next text each step. A backslash makes any character plain: ``\(``,
``\:``, and ``\AND`` for the word. AND and NOT are words of their own, in capitals. Composition by AND and NOT is that
of Liu et al. 2022 (arXiv 2206.01714); the marks are those people know from other programs.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ornstein.condition.parts import SPECIAL, Part, Text, Turns, Weighted, Words
from ornstein.errors import UsageError

MAX_PARTS = 8  # each is one more row for the network, in every step
MAX_DEPTH = 8  # of brackets
MAX_WEIGHT = 10.0

_KEYWORD = re.compile(r"(AND|NOT)(?!\S)")
_WEIGHT = re.compile(r"\s*([^\s()\[\]|:\\]*)\s*")
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20}")


@lru_cache(maxsize=4096)
def parse(prompt: str) -> tuple[Part, ...]:
    """The parts of a composed prompt.

    Raises:
        UsageError: in one line, with the place of the first character that cannot be meant, counted from 1.
    """
    return _Reader(prompt).prompt()


class _Reader:
    """One method for each rule of the grammar; `place` is the next character to read."""

    def __init__(self, source: str) -> None:
        self.source, self.place = source, 0

    def prompt(self) -> tuple[Part, ...]:
        parts = [self.part(-1.0 if self.keyword("NOT") else 1.0)]
        while self.place < len(self.source):
            if len(parts) == MAX_PARTS:
                raise self.wrong(f"more than {MAX_PARTS} parts")
            both = self.keyword("AND")
            parts.append(self.part(-1.0 if self.keyword("NOT") or not both else 1.0))
        return tuple(parts)

    def part(self, sign: float) -> Part:
        start = self.place
        text = self.text(0)
        colon = self.place if self.next() == ":" else None
        weight = 1.0 if colon is None else self.weight()
        if self.place < len(self.source) and not self.at_keyword():
            ending = r"a part's weight stands at its end; write \: for a colon"
            raise self.wrong(self.unexpected()) if colon is None else self.wrong(ending, colon)
        if _may_be_empty(text):
            raise self.wrong("this part is empty, or may be in some turn", start)
        if _heaviest(text) > MAX_WEIGHT:
            raise self.wrong(f"weights inside one another come to more than {MAX_WEIGHT:g}", start)
        return Part(_stripped(text), sign * weight)

    def text(self, depth: int) -> Text:
        """Up to a mark that ends it, or a keyword; inside brackets a keyword is a mistake."""
        pieces: list[Words | Weighted | Turns] = []
        while self.place < len(self.source) and self.next() not in ")]|:":
            if self.at_keyword():
                if depth:
                    raise self.wrong(
                        f"{self.source[self.place :][:3]} stands between parts, not inside brackets"
                    )
                break
            if self.next() not in "([":
                pieces.append(self.words())
                continue
            if depth == MAX_DEPTH:
                raise self.wrong(f"brackets inside one another more than {MAX_DEPTH} times")
            pieces.append(self.weighted(depth + 1) if self.next() == "(" else self.turns(depth + 1))
        return tuple(pieces)

    def words(self) -> Words:
        read: list[str] = []
        while self.place < len(self.source) and not self.at_keyword():
            if self.next() == "\\":
                self.place += 1
                if self.place == len(self.source):
                    raise self.wrong(r"nothing follows '\'; write \\ for a backslash", self.place - 1)
            elif self.next() in SPECIAL:
                break
            read.append(self.source[self.place])
            self.place += 1
        return Words("".join(read))

    def weighted(self, depth: int) -> Weighted:
        start = self.place
        self.place += 1
        inside = self.text(depth)
        if self.next() not in ("", ":", ")"):
            raise self.wrong(self.unexpected())
        if self.next() != ":":
            raise self.wrong(r"'(' needs a weight and ')', as in (word:1.3); write \( for a bracket", start)
        weight = self.weight()
        if self.next() != ")":
            raise self.wrong("'(' is never closed", start)
        self.place += 1
        return Weighted(inside, weight)

    def turns(self, depth: int) -> Turns:
        start = self.place
        options: list[Text] = []
        while not options or self.next() == "|":
            self.place += 1
            options.append(self.text(depth))
        if self.next() not in ("", "]"):
            raise self.wrong(self.unexpected())
        if self.next() == "":
            raise self.wrong("'[' is never closed", start)
        if len(options) == 1:
            raise self.wrong(r"'[' needs a choice, as in [cat|dog]; write \[ for a bracket", start)
        self.place += 1
        return Turns(tuple(options))

    def weight(self) -> float:
        start = self.place
        found = _WEIGHT.match(self.source, start + 1)
        assert found is not None
        if not _NUMBER.fullmatch(found[1]) or float(found[1]) > MAX_WEIGHT:
            what = f"{found[1][:20]!r} is no weight" if found[1] else "':' needs a weight"
            raise self.wrong(rf"{what}: a number from 0 to {MAX_WEIGHT:g}; write \: for a colon", start)
        self.place = found.end()
        return float(found[1])

    def next(self) -> str:
        """The next character, empty at the end."""
        return self.source[self.place : self.place + 1]

    def at_keyword(self) -> bool:
        """Whether AND or NOT comes next, as a word of its own."""
        first = self.place == 0 or self.source[self.place - 1].isspace()
        return first and _KEYWORD.match(self.source, self.place) is not None

    def keyword(self, word: str) -> bool:
        """Read a keyword and the space around it, if it comes next."""
        rest = self.source[self.place :]
        space = len(rest) - len(rest.lstrip())
        if not rest.lstrip().startswith(word) or not _KEYWORD.match(rest, space):
            return False
        self.place = len(self.source) - len(rest[space + len(word) :].lstrip())
        return True

    def unexpected(self) -> str:
        mark = self.next()
        hint = {
            "|": r"'|' stands in [cat|dog] only; write \| for a bar",
            ":": r"a weight stands in (word:1.3) or at a part's end; write \: for a colon",
        }
        return hint.get(mark, rf"{mark!r} is not expected here; write \{mark} for the character itself")

    def wrong(self, what: str, place: int | None = None) -> UsageError:
        return UsageError(
            f"composed prompt, character {(self.place if place is None else place) + 1}: {what}"
        )


def _stripped(text: Text) -> Text:
    """Without the white space that stands around a part."""
    pieces = list(text)
    if pieces and isinstance(pieces[0], Words):
        pieces[0] = Words(pieces[0].text.lstrip())
    if pieces and isinstance(pieces[-1], Words):
        pieces[-1] = Words(pieces[-1].text.rstrip())
    return tuple(piece for piece in pieces if piece != Words(""))


def _may_be_empty(text: Text) -> bool:
    """Whether there may be a step in which nothing is said."""
    return all(
        not piece.text.strip()
        if isinstance(piece, Words)
        else _may_be_empty(piece.inside)
        if isinstance(piece, Weighted)
        else any(_may_be_empty(option) for option in piece.options)
        for piece in text
    )


def _heaviest(text: Text) -> float:
    """The largest weight of any words."""
    found = [1.0]
    for piece in text:
        if isinstance(piece, Weighted):
            found.append(piece.weight * _heaviest(piece.inside))
        elif isinstance(piece, Turns):
            found += [_heaviest(option) for option in piece.options]
    return max(found)
