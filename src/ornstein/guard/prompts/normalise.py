"""From a prompt as typed to the ways in which it can be read.

A way of reading is a row of symbols, each of which says what letters it may be, whether it may be passed over, whether
a word may begin or end at it, and where in the prompt it stands. Nothing is decided here: the matcher follows every
reading at once. So no word is lost by a wrong guess, and a match is found again in the prompt as typed.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple
from urllib.parse import unquote

from ornstein.guard.prompts.glyphs import LETTERS, SEEN, VOWELS, Reading, read

SPACE: Reading = ((" ", SEEN),)
FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")  # letters and signs without ink
_APOSTROPHES = ("'", "’")
_SHORTENED = frozenset("stdm")  # what follows one: a pen's ink

_OVERRIDES = re.compile("[\u202d\u202e]")
_ESCAPE = re.compile(
    r"&#?\w{1,31};|(?:%[0-9a-f]{2})+|\\u\{?[0-9a-f]{4,6}\}?|\\x[0-9a-f]{2}|U\+[0-9a-f]{4,5}"
    r"|<[!/]?[a-z-][^<>]{0,60}>"  # a tag or a comment
    r"|(?<=\w):\d(?:\.\d{1,3})?(?=[)\]])",  # the weight in (word:1.2)
    re.IGNORECASE,
)
_DRAWN = {
    "|\\/|": "m", "|v|": "m", "\\/\\/": "w", "|\\|": "n", "/\\/": "n", "|_|": "u", "(_)": "u", "\\_/": "u", "\\/": "v",
    "/\\": "a", "/-\\": "a", "|)": "d", "|]": "d", "[)": "d", "|>": "p", "|-|": "h", "]-[": "h", "|<": "k", "|3": "b",
    "()": "o", "[]": "o", "<>": "o", "|=": "f", "|_": "l", "><": "x", "}{": "x", "[-": "e", "[=": "e", "ph": "f",
    "rn": "m", "vv": "w",
}  # fmt: skip
_DRAWING = re.compile(
    "|".join(re.escape(drawn) for drawn in sorted(_DRAWN, key=len, reverse=True)), re.IGNORECASE
)
_TURNED = dict(zip("ɐqɔpǝɟƃɓɥᴉıɾʞʃןɯuodbɹsʇnʌʍxʎz", "abcdefgghiijkllmnopqrstuvwxyz", strict=True))
_TURNS = re.compile("[" + "".join(c for c in _TURNED if not c.isascii()) + "]")


class Symbol(NamedTuple):
    """One place in a reading.

    Attributes:
        readings: letters it may be; a blank for a place between words.
        skip: it may be passed over. opens, closes: a word may begin, may end with it.
        start, end: the part of the prompt that it stands for.
    """

    readings: Reading
    skip: bool
    opens: bool
    closes: bool
    start: int
    end: int


class Way(NamedTuple):
    """One way to read a prompt; `backwards`: from right to left."""

    symbols: list[Symbol]
    backwards: bool = False


class Mark(NamedTuple):
    """A character and the part of the prompt, from `start` to before `end`, that it stands for."""

    character: str
    start: int
    end: int


def ways(prompt: str) -> list[Way]:
    """Every way to read a prompt, as typed first."""
    typed = [Mark(character, place, place + 1) for place, character in enumerate(prompt)]
    decoded = _decode(typed)
    return [way for marks in ([typed] if decoded == typed else [typed, decoded]) for way in _ways(marks)]


def _ways(marks: list[Mark]) -> Iterator[Way]:
    text = _text(marks)
    forward = symbols(marks)
    yield Way(forward)
    yield Way([s._replace(opens=s.closes, closes=s.opens) for s in reversed(forward)], backwards=True)
    if _DRAWING.search(text):
        yield Way(symbols(_replace(marks, _DRAWING, lambda drawn: _DRAWN[drawn[0].lower()])))
    if _OVERRIDES.search(text):
        yield Way(symbols(_shown(marks)))
    if _TURNS.search(text):
        yield Way(
            symbols([m._replace(character=_TURNED.get(m.character, m.character)) for m in reversed(marks)])
        )


def plain(prompt: str) -> str:
    """The likeliest reading as text: lower-case letters, digits, signs, single spaces; nothing invisible.

    What is plain stays as it is.
    """
    found: list[str] = []
    for character in prompt:
        if _is_ghost(character) or _is_blank(character):
            found.append("" if _is_ghost(character) else " ")
        elif letters := [reading[0] for reading in read(character)]:
            found.extend(letter if seen == SEEN else character for letter, seen in letters)
        else:
            found.append(character if unicodedata.category(character)[0] in "PS" else " ")
    return " ".join("".join(found).split())


def words(text: str) -> str:
    """The plain words alone, signs left out: "Gore-Tex" is gore tex."""
    return " ".join("".join(c if c.isalnum() else " " for c in plain(text)).split())


def symbols(marks: list[Mark]) -> list[Symbol]:
    """One reading: every character by itself, then what its neighbours make of it."""
    places = list(_places(marks))
    inked = [place for place in places if not place.ghost]
    runs = [_Run(gap, list(group)) for gap, group in groupby(inked, lambda place: place.gap)]
    _guess(runs)
    _spell(runs)
    _bound(inked)
    return [
        Symbol((*p.readings, *SPACE) if p.gap else p.readings, p.skip, p.opens, p.closes, p.start, p.end)
        for p in places
    ]


@dataclass(slots=True)
class _Place:
    """A symbol in the making. A gap may lie between words; a ghost cannot be seen; a break begins another word."""

    character: str
    readings: Reading
    start: int
    end: int
    gap: bool = False
    skip: bool = False
    ghost: bool = False
    breaks: bool = False
    opens: bool = False
    closes: bool = False


class _Run(NamedTuple):
    """Gaps, or the places between two gaps."""

    gap: bool
    places: list[_Place]


def _places(marks: list[Mark]) -> Iterator[_Place]:
    previous, foreign = " ", False
    for character, start, end in marks:
        if _is_ghost(character):  # tags and letters set above others are read, and may also be nothing
            for reading in read(character):
                yield _Place(character, reading, start, end, skip=True, ghost=True, opens=True, closes=True)
            continue
        letters = () if _is_blank(character) else read(character)
        # digits, a capital after a small letter, and scripts that set no blanks begin another word
        breaks = (
            foreign
            or previous.isdigit() != character.isdigit()
            or (previous.islower() and character.isupper())
        )
        for reading in letters:
            sign, foreign = reading[0][1] != SEEN, not reading[0][0].isascii()
            yield _Place(character, reading, start, end, sign, sign, breaks=breaks or foreign)
            breaks = False
        if not letters:
            yield _Place(character, (), start, end, gap=True, skip=character != " ")
        previous = character


def _guess(runs: list[_Run]) -> None:
    """Let a sign inside a word stand for the vowel that it hides, and a star for any letter; up to three in a row."""
    for k, (gap, group) in enumerate(runs):
        if gap and 0 < k < len(runs) - 1 and len(group) <= 3:
            if any(_is_blank(place.character) for place in group):
                continue
            if _text(group) in _APOSTROPHES:
                group[0].skip = not (len(runs[k - 1][1]) > 1 and _text(runs[k + 1][1]).lower() in _SHORTENED)
                continue
            for place in group:
                place.readings += LETTERS if place.character == "*" else VOWELS


def _spell(runs: list[_Run]) -> None:
    """Let the blanks be passed over where letters stand alone: three or more, of which an outer one may be longer."""
    alone = {k: len(group) == 1 for k, (gap, group) in enumerate(runs) if not gap}
    for k, (gap, group) in enumerate(runs):
        left, right = alone.get(k - 1), alone.get(k + 1)
        if gap and ((left and (right or alone.get(k - 3))) or (right and alone.get(k + 3))):
            for place in group:
                place.skip = True


def _bound(places: list[_Place]) -> None:
    """Say where words may begin and end."""
    for k, place in enumerate(places):
        place.opens = k == 0 or places[k - 1].gap or place.breaks
        place.closes = k == len(places) - 1 or places[k + 1].gap or places[k + 1].breaks


def _is_ghost(character: str) -> bool:
    return unicodedata.category(character) in {"Mn", "Me", "Mc", "Cf"}


def _is_blank(character: str) -> bool:
    return character.isspace() or character in FILLERS


def _text(marks: Sequence[Mark | _Place]) -> str:
    return "".join(mark.character for mark in marks)


def _replace(marks: list[Mark], pattern: re.Pattern[str], of: Callable[[re.Match[str]], str]) -> list[Mark]:
    """What a pattern finds, replaced; each new character stands for all that it replaces."""
    found: list[Mark] = []
    done = 0
    for match in pattern.finditer(_text(marks)):
        found += marks[done : match.start()]
        done = match.end()
        found += [Mark(character, marks[match.start()].start, marks[done - 1].end) for character in of(match)]
    return found + marks[done:]


def _decode(marks: list[Mark]) -> list[Mark]:
    """Escapes of web pages and programs as what they stand for, also where they are escaped again."""
    for _ in range(3):
        if not _ESCAPE.search(_text(marks)):
            break
        marks = _replace(marks, _ESCAPE, _unescaped)
    return marks


def _unescaped(match: re.Match[str]) -> str:
    found = match[0]
    if found[0] == "&":
        return html.unescape(found)
    if found[0] == "%":
        return unquote(found, errors="replace")
    if found[0] in "<:":
        return ""
    code = int(found[2:].strip("{}"), 16)
    return chr(code) if code <= 0x10FFFF else found


def _shown(marks: list[Mark]) -> list[Mark]:
    """The order in which a screen shows them: what stands under a right-to-left override, turned round (UAX 9, X4)."""
    rows: list[list[Mark]] = [[]]
    turned = [False]
    for mark in marks:
        if mark.character in "\u202a\u202b\u202d\u202e" and len(rows) < 61:
            rows.append([])
            turned.append(mark.character == "\u202e")
        elif mark.character in "\u202c\n\u2029" and len(rows) > 1:
            _close(rows, turned)
            rows[-1] += [mark] if mark.character != "\u202c" else []
        else:
            rows[-1].append(mark)
    while len(rows) > 1:
        _close(rows, turned)
    return rows[0]


def _close(rows: list[list[Mark]], turned: list[bool]) -> None:
    row = rows.pop()
    rows[-1] += row[::-1] if turned.pop() else row
