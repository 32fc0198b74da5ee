"""The prompt stage as one: what no policy can allow, then the policy's rules, then its checkers."""

from __future__ import annotations

import math

from ornstein.errors import OrnsteinError, UsageError
from ornstein.guard.decision import Action, CheckerError, Decision, Finding, strictest
from ornstein.guard.policy import PromptStage, Threshold
from ornstein.guard.prompts.classifier import PromptChecker, checker
from ornstein.guard.prompts.forbidden import REASONS, forbidden
from ornstein.guard.prompts.normalise import plain, ways
from ornstein.guard.prompts.rules import Found, Rules

LONGEST = (
    4_000  # characters; encoders read fewer, and the worst that can be made of these takes a second to check
)


class PromptFilter:
    """A policy's prompt stage, ready to check prompts.

    Raises:
        UsageError: an unknown list, checker or label. CheckerError: a checker is not installed or cannot be loaded.
    """

    def __init__(self, stage: PromptStage) -> None:
        self._rules = Rules(stage)
        self._checkers = [(threshold, _load(threshold)) for threshold in stage.checkers]

    def check(self, prompt: str) -> tuple[str, tuple[Decision, ...]]:
        """The prompt to use, transformed or as it was, and what was decided; no decision where nothing was found.

        First what no policy can allow, with the rule "forbidden"; then one decision a rule, as they occur; then the
        checkers', which are not asked about a prompt that is denied already.

        Raises:
            CheckerError: a checker broke down; the prompt was not checked.
        """
        if unreadable := _unreadable(prompt):
            return prompt, (unreadable,)
        readings = ways(prompt)
        used, ruled = self._rule(prompt, self._rules.find(prompt, readings))
        decisions = [_forbidden(found) for found in forbidden(prompt, readings)] + ruled
        for threshold, loaded in self._checkers if strictest(decisions) != "deny" else ():
            decisions += _score(threshold, loaded, plain(prompt))
        return used, tuple(decisions)

    def _rule(self, prompt: str, found: list[Found]) -> tuple[str, list[Decision]]:
        """What the rules make of the prompt, and what they decide."""
        if not found:
            return prompt, []
        used = _replaced(prompt, [each for each in found if each.rule.action == "transform"])
        left = {each.rule.id for each in self._rules.find(used, ways(used))} if used != prompt else set()
        first = {each.rule.id: each for each in reversed(found)}
        decisions = [_ruled(each, used, each.rule.id in left) for each in reversed(first.values())]
        return used, decisions


def _unreadable(prompt: str) -> Decision | None:
    if len(prompt) > LONGEST:
        reason = f"the prompt is longer than {LONGEST:,} characters: shorten it"
        return Decision(stage="prompt", action="deny", rule="unreadable", reason=reason)
    if any("\ud800" <= character <= "\udfff" for character in prompt):
        reason = "the prompt is not well-formed text: it holds halves of characters"
        return Decision(stage="prompt", action="deny", rule="unreadable", reason=reason)
    return None


def _forbidden(found: Finding) -> Decision:
    return Decision(
        stage="prompt", action="deny", rule="forbidden", reason=REASONS[found.label], finding=found
    )


def _ruled(found: Found, used: str, remains: bool) -> Decision:
    """A rule's decision; where something of it is left after replacing, the prompt is denied."""
    rule = found.rule
    changed = rule.action == "transform" and not remains
    action = "deny" if rule.action == "transform" and remains else rule.action
    return Decision(
        stage="prompt", action=action, rule=rule.id, reason=rule.reason, finding=found.finding,
        changed=used if changed else None,
    )  # fmt: skip


def _replaced(prompt: str, found: list[Found]) -> str:
    """The prompt with each part that was found replaced; of parts that overlap, the first and longest is."""
    done, pieces = 0, []
    for each in sorted(found, key=lambda each: (each.start, -each.end)):
        if each.start >= done:
            pieces += [prompt[done : each.start], each.rule.replace or ""]
        done = max(done, each.end)
    return "".join([*pieces, prompt[done:]])


def _load(threshold: Threshold) -> PromptChecker:
    try:
        return checker(threshold.checker)
    except UsageError:
        raise
    except OrnsteinError as error:
        raise CheckerError(str(error)) from error
    except Exception as error:
        raise CheckerError(f"the prompt checker {threshold.checker} cannot be loaded: {error}") from error


def _score(threshold: Threshold, loaded: PromptChecker, text: str) -> list[Decision]:
    try:
        score = loaded.scores([text])[0][threshold.label]
        if not (math.isfinite(score) and 0 <= score <= 1):
            raise ValueError(f"a score of {score}")
    except Exception as error:
        raise CheckerError(
            f"the prompt checker {threshold.checker} broke down, and nothing passes unchecked: {type(error).__name__}"
        ) from error
    action = _action(threshold, score)
    if action == "allow":
        return []
    found = Finding(checker=threshold.checker, label=threshold.label, score=score)
    rule = f"{threshold.checker}-{threshold.label}"
    return [Decision(stage="prompt", action=action, rule=rule, reason=threshold.reason, finding=found)]


def _action(threshold: Threshold, score: float) -> Action:
    if threshold.deny is not None and score >= threshold.deny:
        return "deny"
    return "review" if threshold.review is not None and score >= threshold.review else "allow"
