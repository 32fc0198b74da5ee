"""The policy's word rules, compiled into one matcher, and what they find in a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def unmasked(prompt: str, matches: Iterable[Match]) -> list[Match]:
    """The matches that do not lie inside an allowed or harmless phrase, which must stand there plainly to count."""
    masks = [m for m in matches if m.owner in (_ALLOW, _HARMLESS) and _is_plain(prompt, m)]

    def masked(match: Match) -> bool:
        return any(
            mask.start <= match.start and match.end <= mask.end
            and (mask.owner == _ALLOW or mask.term != match.term)
            for mask in masks
        )  # fmt: skip

    return [match for match in matches if match.owner not in (_ALLOW, _HARMLESS) and not masked(match)]


def finding(prompt: str, match: Match, label: str) -> Finding:
    """A match as a finding of the checker "words"."""
    where = prompt[match.start : min(match.end, match.start + LONGEST_SHOWN)]
    return Finding(checker="words", label=label, score=1, where=where.encode(errors="replace").decode())


def _is_plain(prompt: str, match: Match) -> bool:
    said = words(prompt[match.start : match.end])
    return not match.backwards and said in (match.term, " ".join(match.term))
