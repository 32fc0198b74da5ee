"""What a check found, and what the policy makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from ornstein.config import Config
from ornstein.errors import OrnsteinError

Stage = Literal["prompt", "input", "output", "publish"]
Action = Literal["allow", "transform", "review", "deny"]
ORDER: tuple[Action, ...] = ("allow", "transform", "review", "deny")
"""Mildest first; where several rules speak, the strictest decides."""


class Finding(Config):
    """What one check saw in one prompt or picture, before any policy.

    Attributes:
        checker: that saw it: "words", "profanity", "opennsfw", "copies".
        label: what it saw: a rule's id or a class. score: 0 to 1, how sure; 1 for rules.
        where: the words or the training picture that it is about; never shown where a record keeps no prompts.
    """

    checker: str
    label: str
    score: float = Field(default=1.0, ge=0, le=1)
    where: str = ""


class Decision(Config):
    """What was done about one request at one stage.

    Attributes:
        stage: where. action: what. rule: of the policy that decided; "forbidden" for what no policy can allow.
        reason: for people, in words that repeat nothing of the prompt. finding: None where nothing was found.
        changed: what took the place of the prompt or the seed, where something did: it is disclosed.
    """

    stage: Stage
    action: Action
    rule: str = ""
    reason: str = ""
    finding: Finding | None = None
    changed: str | None = None


def strictest(decisions: Sequence[Decision]) -> Action:
    """The strictest action among them; allow where there is none."""
    return ORDER[max((ORDER.index(decision.action) for decision in decisions), default=0)]


def told(decisions: Sequence[Decision]) -> tuple[str, ...]:
    """What people are to be told of decisions: a line for each that was not to allow."""
    return tuple(
        f"{one.reason} ({one.rule})" + (f": {one.changed}" if one.changed else "")
        for one in decisions
        if one.action != "allow"
    )


class RefusedError(OrnsteinError):
    """The policy refuses, or holds for review, as `case`. Exit code 3."""

    exit_code = 3

    def __init__(self, message: str, decisions: tuple[Decision, ...] = (), case: str | None = None) -> None:
        super().__init__(message)
        self.decisions, self.case = decisions, case


class CheckerError(RefusedError):
    """A check is missing or broke down; nothing passes unchecked. Exit code 3."""
