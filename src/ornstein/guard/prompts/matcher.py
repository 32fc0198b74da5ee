"""All terms at once, in a trie, along every reading of a prompt.

Each symbol is looked at once, and of the ways to reach a node of the trie only the clearest is kept: time is bounded by
symbols times nodes, whatever the prompt, and for ordinary prompts hardly any node is alive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ornstein.errors import UsageError
from ornstein.guard.prompts.glyphs import LEET, SEEN
from ornstein.guard.prompts.normalise import Symbol, Way, words

SHORTEST_BACKWARDS = 4  # letters; shorter words read backwards are other words

_Trace = tuple[int, int, int]
"""How much was seen on the way to a node, and the part of the prompt that it took."""


class Match(NamedTuple):
    """A term in a prompt.

    Attributes:
        owner: whose term. term: in plain letters. start, end: the part of the prompt, `end` not included.
        backwards: read from right to left.
    """

    owner: str
    term: str
    start: int
    end: int
    backwards: bool


class Matcher:
    """Terms of several owners.

    A term is found as whole words. Repeated letters count once; of what is matched, more than half must be there to see
    (``glyphs.SEEN``).

    Args:
        terms: (term, owner). Case, marks and signs in a term do not count.

    Raises:
        UsageError: a term has neither letters nor digits.
    """

    def __init__(self, terms: Iterable[tuple[str, str]]) -> None:
        self._children: list[dict[str, int]] = [{}]
        self._letters = [""]
        self._ends: list[tuple[str, tuple[str, ...]] | None] = [None]
        for text, owner in terms:
            if not (term := words(text)):
                raise UsageError(
                    f"{text!r} has neither letters nor digits, so no prompt could be held against it"
                )
            self._add(term, owner)

    def find(self, ways: Sequence[Way]) -> list[Match]:
        """Every term in any of a prompt's readings, each place once, in the order of places."""
        found = {
            (match.owner, match.term, match.start, match.end): match
            for way in reversed(ways)  # so that the prompt as typed has the last word
            for match in self._walk(way.symbols, way.backwards)
        }
        return sorted(found.values(), key=lambda match: (match.start, match.end, match.term))

    def _add(self, term: str, owner: str) -> None:
        node = 0
        for letter in term:
            child = self._children[node].get(letter)
            if child is None:
                child = self._children[node][letter] = len(self._children)
                self._children.append({})
                self._letters.append("" if letter.isdigit() else letter)  # 22 is not 2
                self._ends.append(None)
            node = child
        _, owners = self._ends[node] or (term, ())
        if owner not in owners:
            self._ends[node] = (term, (*owners, owner))

    def _walk(self, symbols: list[Symbol], backwards: bool) -> Iterator[Match]:
        children, letters, ends = self._children, self._letters, self._ends
        shortest = SHORTEST_BACKWARDS if backwards else 1
        alive: dict[int, _Trace] = {}
        for readings, skip, opens, closes, start, end in symbols:
            arrived = dict(alive) if skip else {}
            for letter, weight in readings:
                if opens and (child := children[0].get(letter)):
                    _reach(arrived, child, (weight, start, end))
                for node, (seen, first, last) in alive.items():
                    span = min(first, start), max(last, end)
                    if weight == SEEN and letter == letters[node]:
                        _reach(arrived, node, (seen, *span))
                    if child := children[node].get(letter):
                        _reach(arrived, child, (seen + weight, *span))
            alive = arrived
            for node, (seen, first, last) in alive.items() if closes else ():
                term, owners = ends[node] or ("", ())
                if seen > LEET * len(term) and len(term) >= shortest:
                    yield from (Match(owner, term, first, last, backwards) for owner in owners)


def _reach(arrived: dict[int, _Trace], node: int, trace: _Trace) -> None:
    """Keep the clearest way to a node; of equals the one that began last."""
    if node not in arrived or arrived[node][0] <= trace[0]:
        arrived[node] = trace
