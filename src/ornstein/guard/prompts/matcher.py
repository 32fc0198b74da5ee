"""All terms at once, in a trie, along every reading of a prompt.

Each symbol is looked at once, and of the ways to reach a node of the trie only the clearest is kept: time is bounded by
symbols times nodes, whatever the prompt, and for ordinary prompts hardly any node is alive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from ornstein.guard.prompts.glyphs import LEET, SEEN
from ornstein.guard.prompts.normalise import Symbol, Way, words

T = TypeVar("T")
SHORTEST_BACKWARDS = 4  # letters; shorter words read backwards are other words


class Match(NamedTuple, Generic[T]):
    """A term in a prompt.

    Attributes:
        owner: whose term. term: in plain letters. start, end: the part of the prompt, `end` not included.
        backwards: read from right to left.
    """

    owner: T
    term: str
    start: int
    end: int
    backwards: bool


class Matcher(Generic[T]):
    """Terms of several owners.

    A term is found as whole words. Repeated letters count once; of what is matched, more than half must be there to see
    (``glyphs.SEEN``).

    Args:
        terms: (term, owner). Case, marks and signs in a term do not count.
    """

    def __init__(self, terms: Iterable[tuple[str, T]]) -> None:
        self._children: list[dict[str, int]] = [{}]
        self._letters = [""]
        self._ends: list[tuple[str, tuple[T, ...]] | None] = [None]
        for text, owner in terms:
            if term := words(text):
                self._add(term, owner)

    def find(self, ways: Sequence[Way]) -> list[Match[T]]:
        """Every term in any of a prompt's readings, each place once, in the order of places."""
        found = {
            (match.owner, match.term, match.start, match.end): match
            for way in reversed(ways)  # so that the prompt as typed has the last word
            for match in self._walk(way.symbols, way.backwards)
        }
        return sorted(found.values(), key=lambda match: (match.start, match.end, match.term))

    def _add(self, term: str, owner: T) -> None:
        node = 0
        for letter in term:
            child = self._children[node].get(letter)
            if child is None:
                child = self._children[node][letter] = len(self._children)
                self._children.append({})
                self._letters.append("" if letter.isdigit() else letter)  # 22 is not 2
                self._ends.append(None)
            node = child
        owners = self._ends[node][1] if (end := self._ends[node]) else ()
        if owner not in owners:
            self._ends[node] = (term, (*owners, owner))

    def _walk(self, symbols: list[Symbol], backwards: bool) -> Iterator[Match[T]]:
        children, letters, ends = self._children, self._letters, self._ends
        alive: dict[
            int, tuple[int, int, int]
        ] = {}  # node -> how much is seen, and the part of the prompt so far
        for readings, skip, opens, closes, start, end in symbols:
            arrived = dict(alive) if skip else {}
            for letter, weight in readings:
                if opens and (child := children[0].get(letter)):
                    if child not in arrived or arrived[child][0] <= weight:
                        arrived[child] = (weight, start, end)
                for node, (seen, first, last) in alive.items():
                    span = min(first, start), max(last, end)
                    if (
                        weight == SEEN
                        and letter == letters[node]
                        and (node not in arrived or arrived[node][0] <= seen)
                    ):
                        arrived[node] = (seen, *span)
                    child = children[node].get(letter)
                    if child and (child not in arrived or arrived[child][0] <= seen + weight):
                        arrived[child] = (seen + weight, *span)
            alive = arrived
            if closes:
                for node, (seen, first, last) in alive.items():
                    if (known := ends[node]) and seen > LEET * len(known[0]):
                        if not backwards or len(known[0]) >= SHORTEST_BACKWARDS:
                            yield from (Match(owner, known[0], first, last, backwards) for owner in known[1])
