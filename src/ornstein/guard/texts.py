"""A model of text behind a policy: prompts are asked, texts are read, copies of training text are held back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ornstein.config import parse
from ornstein.drawing import NOTHING, Spent
from ornstein.errors import UsageError
from ornstein.guard.credentials.claim import Claim
from ornstein.guard.decision import Decision, Finding, RefusedError, strictest, told
from ornstein.guard.fields import FieldsGuard
from ornstein.guard.policy import Policy
from ornstein.guard.prompts.filter import LONGEST
from ornstein.guard.prompts.forbidden import REASONS, forbidden
from ornstein.guard.prompts.normalise import ways
from ornstein.guard.publish import File
from ornstein.guard.records.entry import Event, Said
from ornstein.request import Progress
from ornstein.rng import stream
from ornstein.texts import TextModel, TextOutput, TextRequest

COPIED = "it repeats a long span of the training text word for word"
REDRAWN = 2**32  # seeds of a second try lie below


@dataclass(frozen=True)
class TextAnswer:
    """What became of one request.

    Attributes:
        id: of the call, as records name it. asked: as it came.
        output: the text; None where it was held back.
        decisions: all that was decided, at every stage; what was changed stands in them and is to be disclosed.
        spent: on this text, all tries together.
    """

    id: str
    asked: TextRequest
    output: TextOutput | None
    decisions: tuple[Decision, ...]
    spent: Spent = NOTHING

    @property
    def told(self) -> tuple[str, ...]:
        """What the one who asked is to be told: a line for each change, and why there is no text."""
        return told(self.decisions)


class GuardedTexts(FieldsGuard):
    """A model of text that asks its policy first, reads what it wrote, and signs what goes out; as ``Guarded``.

    A text that the policy would have a person review is held back: what cannot be seen at a glance is made again, not
    released.
    """

    makes = "texts"

    def __init__(self, model: TextModel, policy: Policy | None = None) -> None:
        super().__init__(model, policy)
        self.model = model

    def warm(self) -> Spent:
        """Write a text that nobody sees: what is loaded at first use is loaded."""
        (output,) = self.model.generate("[MASK*4] a", 1, steps=1)
        self._read(output)
        return output.spent

    def requests(
        self,
        prompt: str,
        n: int,
        seed: int,
        *,
        length: int | None = None,
        steps: int | None = None,
        sampler: str | None = None,
        block: int | None = None,
        temperature: float | None = None,
    ) -> list[TextRequest]:
        """Requests for `n` texts, everything as of ``TextModel.generate``. Raises UsageError."""
        section = self.model.recipe.sampling
        values = {
            "prompt": prompt, "length": length or section.length, "steps": steps or section.steps,
            "sampler": sampler or section.sampler, "block": block or section.block,
            "temperature": temperature or section.temperature,
        }  # fmt: skip
        if n < 1:
            raise UsageError(f"at least one text must be asked for, not {n}")
        return [parse(TextRequest, {**values, "seed": seed + k}) for k in range(n)]

    def make(
        self, asked: Sequence[TextRequest], *, progress: Progress = lambda done, of: None
    ) -> list[TextAnswer]:
        """The answers to requests that differ in nothing but the seed, in their order.

        Raises:
            RefusedError: the policy refuses the prompt, or holds it for review; nothing was made.
            CheckerError: a check broke down. UsageError: as ``TextModel.make``.
        """
        call, began = uuid.uuid4().hex, time.perf_counter()
        self.model.tokens(asked[0].prompt, asked[0].length)  # what cannot be followed is not put on record
        prompt, before = self.ask(asked[0].prompt, self._event("request", call, asked[0]))
        share = Spent(guarded=(time.perf_counter() - began) / len(asked))
        outputs = self.model.make([_of(request, prompt) for request in asked], progress=progress)
        answers = [
            self._settled(TextAnswer(call, request, output, before, output.spent + share))
            for request, output in zip(asked, outputs, strict=True)
        ]
        self.write_down([self._outcome(answer) for answer in answers if answer.output is None])
        return answers

    def files(self, answers: Sequence[TextAnswer]) -> list[File]:
        """The files of texts that go out, in UTF-8, each with its credential beside it. Raises OrnsteinError."""
        going = [(answer, answer.output) for answer in answers if answer.output is not None]
        return [self._file(answer, output) for answer, output in going]

    def document(self, answers: Sequence[TextAnswer], data: bytes) -> File:
        """One file that holds several texts that go out; its credential tells how the first was made."""
        going = [(answer, answer.output) for answer in answers if answer.output is not None]
        event = self._outcome(going[0][0])
        note = f"{len(going)} texts in one file" if going[1:] else ""
        return self.publish(data, self._claim(going[0][1]), event.model_copy(update={"note": note}))

    def _file(self, answer: TextAnswer, output: TextOutput) -> File:
        return self.publish(f"{output.text}\n".encode(), self._claim(output), self._outcome(answer))

    def _claim(self, output: TextOutput) -> Claim:
        asked = output.record.request
        return self.claim(asked.seed, asked.sampler, asked.steps, output.spent.evaluations, asked.prompt)

    def _settled(self, answer: TextAnswer) -> TextAnswer:
        """Read a text; write a copy again with other seeds, as often as the policy says."""
        copies, output = self.policy.output.copies, answer.output
        assert output is not None
        decisions, spent = answer.decisions, answer.spent
        for attempt in range((copies.tries if copies else 0) + 1):
            began = time.perf_counter()
            found = self._read(output)
            spent += Spent(guarded=time.perf_counter() - began)
            action = strictest(found)
            if action != "transform" or copies is None or attempt == copies.tries:
                kept = output if action == "allow" else None
                return replace(answer, output=kept, decisions=(*decisions, *found), spent=spent)
            request = output.record.request
            seed = int(stream("drawn again", answer.asked.seed, attempt).integers(REDRAWN))
            changed = f"seed {request.seed} became {seed}"
            decisions += tuple(one.model_copy(update={"changed": changed}) for one in found)
            (output,) = self.model.make([request.model_copy(update={"seed": seed})])
            spent += output.spent
        raise AssertionError("the last try returns")

    def _read(self, output: TextOutput) -> tuple[Decision, ...]:
        """What is decided of a text: what no policy can allow, and copies."""
        text, copies = output.text, self.policy.output.copies
        parts = (text[start : start + LONGEST] for start in range(0, len(text), LONGEST // 2))
        found = {one.label: one for part in parts for one in forbidden(part, ways(part))}
        decisions = [
            Decision(stage="output", action="deny", rule="forbidden", reason=REASONS[label], finding=one)
            for label, one in found.items()
        ]
        if copies and (spans := self.model.copied(text, output.record.request.prompt)):
            longest = max(spans, key=lambda span: span.words)
            finding = Finding(
                checker="copies", label=f"{longest.words} words", where=text[longest.start : longest.end]
            )
            decisions.append(
                Decision(stage="output", action=copies.action, rule="copies", reason=COPIED, finding=finding)
            )
        return tuple(decisions)

    def _event(self, kind: Said, call: str, request: TextRequest) -> Event:
        return self.event(kind, call, request.seed, request.sampler, request.steps, request.length)

    def _outcome(self, answer: TextAnswer) -> Event:
        event = self._event("outcome", answer.id, answer.asked)
        seconds = answer.spent.computed + answer.spent.guarded
        return event.model_copy(
            update={"prompt": answer.asked.prompt, "decisions": answer.decisions, "seconds": seconds}
        )


def held_back(answers: Sequence[TextAnswer]) -> RefusedError:
    """The error that tells what was held back of answers of which at least one was."""
    kept = [answer for answer in answers if answer.output is None]
    count = "the text was" if len(answers) == 1 else f"{len(kept)} of {len(answers)} texts were"
    return RefusedError(f"{count} held back: {kept[0].told[-1]}", kept[0].decisions)


def _of(request: TextRequest, prompt: str) -> TextRequest:
    """The request with the prompt as the policy lets it pass."""
    return request if prompt == request.prompt else request.model_copy(update={"prompt": prompt})
