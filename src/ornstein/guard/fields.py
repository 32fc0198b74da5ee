"""What guards of anything but pictures share: the policy's prompt stage, records, and a credential beside the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ornstein.guard.asking import PromptChecks
from ornstein.guard.credentials.claim import Claim
from ornstein.guard.decision import Decision
from ornstein.guard.policy import Policy
from ornstein.guard.publish import File, Publisher
from ornstein.guard.records.entry import Event, Said, Settings
from ornstein.guard.records.log import RecordLog
from ornstein.guard.review import Reviews


class FieldsGuard:
    """A model of fields behind a policy; a subclass says what is asked of it and what is looked for in what it made.

    Args:
        model: of the subclass's kind.
        policy: None for the one in force (``Policy.find``).

    Raises:
        OrnsteinError: a policy, key or certificate that cannot be used. MissingExtraError, CheckerError: a check whose
            package is not installed.
    """

    def __init__(self, model: Any, policy: Policy | None = None) -> None:
        self.policy = policy or Policy.find()
        self.prompts = PromptChecks(self.policy, Reviews())
        self.publisher = Publisher(self.policy)
        self.records = RecordLog.open(None, self.policy.records) if self.policy.records else None
        self.name = model.recipe.name
        self.fingerprint = model.bundle and model.bundle.fingerprint

    def ask(self, told: str, event: Event) -> tuple[str, tuple[Decision, ...]]:
        """What a prompt becomes, and what was decided of it: on record before anything is made.

        Args:
            told: the prompt.
            event: what is put on record besides it and its decisions.

        Raises:
            RefusedError: it is refused, or held for review. CheckerError: a check broke down.
        """
        passed, decisions = self.prompts.filter.check(told)
        self.write_down([event.model_copy(update={"prompt": told, "decisions": decisions})])
        self.prompts.settle(told, decisions, self.fingerprint or self.name)
        return passed, decisions

    def publish(self, data: bytes, claim: Claim, event: Event) -> File:
        """A file as it goes out, its credential beside it; it is on record before anybody has it.

        Raises:
            OrnsteinError: it cannot be signed, or cannot be put on record.
        """
        made = self.publisher.beside(data, claim)
        self.write_down(
            [event.model_copy(update={"outputs": (made.sha256,), "note": event.note or made.note})]
        )
        return made

    def write_down(self, events: Sequence[Event]) -> None:
        """Put it on record; where that fails nothing goes on. Raises OrnsteinError."""
        if self.records is not None and events:
            self.records.extend(events)

    def event(self, kind: Said, call: str, seed: int, sampler: str, steps: int, size: int) -> Event:
        """What records keep of a request; prompt, decisions and outputs are added by those who know them."""
        settings = Settings(sampler=sampler, steps=steps, size=size, model=self.fingerprint)
        return Event(kind=kind, request=call, seed=seed, settings=settings, policy=self.policy.hash)

    def claim(
        self, seed: int, sampler: str, steps: int, evaluations: int, prompt: str | None = None
    ) -> Claim:
        """What the credential says."""
        return Claim(
            model=self.name, fingerprint=self.fingerprint, policy=self.policy.hash, sampler=sampler[:100], steps=steps,
            evaluations=evaluations, seed=seed, guidance=1.0, prompt=prompt and prompt[:2000],
        )  # fmt: skip
