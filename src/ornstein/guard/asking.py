"""The prompt's stage for whole requests: what passes, what is changed, what a person has to decide."""

from __future__ import annotations

from collections.abc import Sequence

from ornstein.condition.parts import Phrase
from ornstein.guard.bias import quotas as stratified
from ornstein.guard.decision import Decision, RefusedError, strictest
from ornstein.guard.policy import Policy
from ornstein.guard.prompts.filter import PromptFilter
from ornstein.guard.review import Reviews
from ornstein.prompts import parts_of, said
from ornstein.request import Request

Checked = tuple[Request, tuple[Decision, ...]]
"""A request as the policy lets it pass, and what was decided about it."""


class PromptChecks:
    """The prompt's stage of one policy. Raises as ``PromptFilter``."""

    def __init__(self, policy: Policy, reviews: Reviews) -> None:
        self.policy, self.reviews = policy, reviews
        self.filter = PromptFilter(policy.prompt)

    def check(self, asked: Sequence[Request], *, quotas: bool = True) -> list[Checked]:
        """What becomes of each request, in their order; nothing is refused yet. Raises CheckerError."""
        known: dict[Request, Checked] = {}
        out: list[Checked] = []
        for request in asked:
            plain = request.model_copy(update={"seed": 0})
            if plain not in known:
                known[plain] = self._read(plain)
            passed, decisions = known[plain]
            out.append((passed.model_copy(update={"seed": request.seed}), decisions))
        return self._with_quotas(out) if quotas else out

    def refuse(self, asked: Sequence[Request], checked: Sequence[Checked], model: str) -> None:
        """Raise RefusedError for the first request that is refused, or held and not permitted to `model`."""
        prompts = list(dict.fromkeys(request.prompt for request in asked))
        for request, (_, decisions) in zip(asked, checked, strict=True):
            number = f"prompt {prompts.index(request.prompt) + 1} of {len(prompts)}: " if prompts[1:] else ""
            told = f"{request.prompt}\n{request.negative}" if request.negative else request.prompt
            self.settle(told, decisions, model, number)

    def settle(self, told: str, decisions: tuple[Decision, ...], model: str, number: str = "") -> None:
        """Raise RefusedError where what was told is refused, or held and not permitted to `model`."""
        action = strictest(decisions)
        if action == "deny":
            raise refusal(self.policy, decisions, number)
        if action == "review" and not self.reviews.permitted(self.policy.hash, model, told):
            case = self.reviews.hold_prompt(self.policy.hash, model, told, decisions)
            raise RefusedError(
                f"{number}held for review as {case.id}: a person decides by `ornstein review show {case.id}`",
                decisions,
                case.id,
            )

    def refused(
        self, asked: Sequence[Request], checked: Sequence[Checked], model: str
    ) -> list[RefusedError | None]:
        """What ``refuse`` would raise for each request alone; None for one that passes."""
        out: list[RefusedError | None] = []
        for request, outcome in zip(asked, checked, strict=True):
            try:
                self.refuse([request], [outcome], model)
                out.append(None)
            except RefusedError as error:
                out.append(error)
        return out

    def _read(self, request: Request) -> Checked:
        """One request: its prompt whole, and each thing that a composed one says in turn."""
        prompt, decisions = self.filter.check(request.prompt)
        if request.compose:
            decisions += tuple(
                decision
                for part in parts_of(request.asks)
                for phrase in said(part, request.steps)
                for decision in self.filter.check(phrase.text if isinstance(phrase, Phrase) else phrase)[1]
            )
        negative = request.negative
        if request.guidance < 1 and negative:  # then the picture is drawn towards it
            negative, more = self.filter.check(negative)
            decisions += more
        changed = {"prompt": prompt, "negative": negative}
        return Request.model_validate(request.model_dump() | changed), tuple(dict.fromkeys(decisions))

    def _with_quotas(self, checked: list[Checked]) -> list[Checked]:
        quotas = self.policy.quotas
        if not quotas:
            return checked
        asked = [request.prompt for request, _ in checked], [request.seed for request, _ in checked]
        revised, told = stratified.apply(quotas, *asked), stratified.decisions(quotas, *asked)
        return [
            (request.model_copy(update={"prompt": prompt}) if prompt else request, decisions + more)
            for (request, decisions), prompt, more in zip(checked, revised, told, strict=True)
        ]


def refusal(policy: Policy, decisions: Sequence[Decision], what: str = "") -> RefusedError:
    """The error that tells which rule of a policy decided."""
    decided = next(decision for decision in decisions if decision.action == strictest(decisions))
    return RefusedError(
        f"refused: {what}{decided.reason} (rule {decided.rule}, policy {policy.name} {policy.hash[:10]})",
        tuple(decisions),
    )
