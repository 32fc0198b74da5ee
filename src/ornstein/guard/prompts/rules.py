"""The policy's word rules, compiled into one matcher, and what they find in a prompt."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from ornstein.guard.decision import Finding
from ornstein.guard.policy import PromptStage, Words
from ornstein.guard.prompts.lists import HARMLESS, shipped
from ornstein.guard.prompts.matcher import Match, Matcher
from ornstein.guard.prompts.normalise import Way, words

LONGEST_SHOWN = 200  # characters of a match that a finding keeps


class Found(NamedTuple):
    """What a rule found, and the part of the prompt, `end` not included, where it stands."""

    rule: Words
    finding: Finding
    start: int
    end: int


class Rules:
    """Rules with the words and lists they name.

    What lies inside a phrase of the policy's `allow` is let pass; inside a shipped harmless phrase too, unless a rule
    names that very phrase.

    Raises:
        UsageError: a rule names a list that does not exist.
    """

    def __init__(self, stage: PromptStage) -> None:
        self._rules = {rule.id: rule for rule in stage.rules}
        self._matcher = Matcher(_terms(stage))

    def find(self, prompt: str, ways: list[Way]) -> list[Found]:
        """What the rules find in a prompt, of which `ways` are the readings, in the order of places."""
        return [
            Found(
                self._rules[match.owner[1:]], finding(prompt, match, match.owner[1:]), match.start, match.end
            )
            for match in unmasked(prompt, self._matcher.find(ways))
        ]


_ALLOW, _HARMLESS, _RULE = "+", "~", "-"  # of owners: a rule's id follows the last


def _terms(stage: PromptStage) -> Iterator[tuple[str, str]]:
    for rule in stage.rules:
        for term in (*rule.words, *(term for name in rule.lists for term in shipped(name))):
            yield from spellings(term, _RULE + rule.id)
    yield from ((phrase, _ALLOW) for phrase in stage.allow)
    yield from harmless()


def harmless() -> Iterator[tuple[str, str]]:
    """The shipped harmless phrases as terms of a matcher whose matches go through ``unmasked``."""
    return ((phrase, _HARMLESS) for phrase in shipped(HARMLESS))


def spellings(term: str, owner: str) -> Iterator[tuple[str, str]]:
    """A term, and if it has several words, these written as one."""
    yield term, owner
    yield words(term).replace(" ", ""), owner


def unmasked(prompt: str, matches: Sequence[Match]) -> list[Match]:
    """The matches that do not lie inside an allowed or harmless phrase, which must stand there plainly to count."""
    hits = [match for match in matches if match.owner not in (_ALLOW, _HARMLESS)]
    if not hits:
        return []
    named = {hit[1:4] for hit in hits}
    masks = [m for m in matches if m.owner == _ALLOW or (m.owner == _HARMLESS and m[1:4] not in named)]
    masks = sorted((m for m in masks if _is_plain(prompt, m)), key=lambda mask: mask.start)
    starts = [mask.start for mask in masks]
    reached = list(accumulate((mask.end for mask in masks), max))  # how far masks that begin up to here reach
    return [hit for hit in hits if not (k := bisect_right(starts, hit.start)) or reached[k - 1] < hit.end]


def finding(prompt: str, match: Match, label: str) -> Finding:
    """A match as a finding of the checker "words"."""
    where = prompt[match.start : min(match.end, match.start + LONGEST_SHOWN)]
    return Finding(checker="words", label=label, score=1, where=where.encode(errors="replace").decode())


def _is_plain(prompt: str, match: Match) -> bool:
    if match.backwards or match.end - match.start > 3 * len(match.term) + 3:  # spelled apart, and no more
        return False
    return words(prompt[match.start : match.end]) in (match.term, " ".join(match.term))
