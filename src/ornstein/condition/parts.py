"""A composed prompt once read: parts, weighed words and turns, and what they say in each step."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TypeAlias

SPECIAL = "()[]|:\\"
"""Marks of the syntax; a backslash before one makes it plain text."""


@dataclass(frozen=True)
class Phrase:
    """Text whose words count differently.

    Attributes:
        text: without any marks.
        weights: (start, end, weight) of stretches of characters, in order, apart; what is in none counts 1.
    """

    text: str
    weights: tuple[tuple[int, int, float], ...] = ()


@dataclass(frozen=True)
class Words:
    """Plain text."""

    text: str

    def __str__(self) -> str:
        text = "".join(f"\\{character}" if character in SPECIAL else character for character in self.text)
        return re.sub(r"(?<!\S)(AND|NOT)(?!\S)", r"\\\1", text)


@dataclass(frozen=True)
class Weighted:
    """Words that count `weight` times."""

    inside: Text
    weight: float

    def __str__(self) -> str:
        return f"({_join(self.inside)}:{_decimal(self.weight)})"


@dataclass(frozen=True)
class Turns:
    """Texts that take turns."""

    options: tuple[Text, ...]

    def __str__(self) -> str:
        return f"[{'|'.join(_join(option) for option in self.options)}]"


Text: TypeAlias = tuple[Words | Weighted | Turns, ...]


@dataclass(frozen=True)
class Part:
    """What is asked for together with the other parts.

    Attributes:
        text: of it. weight: how much it counts; below 0 the picture is led away from it.
    """

    text: Text
    weight: float = 1.0

    def __str__(self) -> str:
        weight = "" if abs(self.weight) == 1 else f":{_decimal(abs(self.weight))}"
        return f"{'NOT ' * (math.copysign(1, self.weight) < 0)}{_join(self.text)}{weight}"

    def at(self, step: int) -> Phrase:
        """What it says in a step, counted from 0."""
        pieces = [(text, weight) for text, weight in _said(self.text, step, 1.0) if text]
        whole, end = "", 0
        weights: list[tuple[int, int, float]] = []
        for text, weight in pieces:
            start, end = end, end + len(text)
            whole += text
            if weights and weights[-1][1:] == (start, weight):
                weights[-1] = weights[-1][0], end, weight
            elif weight != 1:
                weights.append((start, end, weight))
        return _trimmed(whole, weights)

    @property
    def period(self) -> int:
        """Steps after which it says the same again."""
        return _period(self.text)


def _join(text: Text) -> str:
    return "".join(str(piece) for piece in text)


def _decimal(number: float) -> str:
    """A number as the syntax reads it, without an exponent, and the same float when read."""
    text = repr(number)
    return f"{number:.20f}".rstrip("0") if "e" in text else text.removesuffix(".0")


def _said(text: Text, step: int, weight: float) -> list[tuple[str, float]]:
    """The words said in a step, each stretch with its weight."""
    said: list[tuple[str, float]] = []
    for piece in text:
        if isinstance(piece, Words):
            said.append((piece.text, weight))
        elif isinstance(piece, Weighted):
            said += _said(piece.inside, step, weight * piece.weight)
        else:  # an inner turn goes on each time its outer one comes round
            round_, option = divmod(step, len(piece.options))
            said += _said(piece.options[option], round_, weight)
    return said


def _period(text: Text) -> int:
    inner = [1]
    for piece in text:
        if isinstance(piece, Weighted):
            inner.append(_period(piece.inside))
        elif isinstance(piece, Turns):
            inner.append(len(piece.options) * math.lcm(*(_period(option) for option in piece.options)))
    return math.lcm(*inner)


def _trimmed(text: str, weights: list[tuple[int, int, float]]) -> Phrase:
    """Runs of white space made one space and none at the ends, as in every prompt; weights move along."""
    kept = [k for k, mark in enumerate(text) if not (mark == " " and (k == 0 or text[k - 1] == " "))]
    if kept and text[kept[-1]] == " ":
        kept.pop()
    place = {k: new for new, k in enumerate(kept)}
    moved: list[tuple[int, int, float]] = []
    for start, end, weight in weights:
        inside = [place[k] for k in range(start, end) if k in place]
        if inside:
            moved.append((inside[0], inside[-1] + 1, weight))
    return Phrase("".join(text[k] for k in kept), tuple(moved))
