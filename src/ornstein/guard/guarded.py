"""A model behind a policy: what the command line and the server generate through."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ornstein.control.source import Source
from ornstein.drawing import Drawer, Previews, Spent
from ornstein.guard.answer import Answer, held_back
from ornstein.guard.asking import Checked, PromptChecks, refusal
from ornstein.guard.credentials.claim import Claim
from ornstein.guard.decision import Decision, RefusedError, strictest
from ornstein.guard.outputs import OutputChecks
from ornstein.guard.pictures.filter import PictureFilter
from ornstein.guard.policy import Policy
from ornstein.guard.publish import File, Publisher
from ornstein.guard.records.entry import Event, Said, Settings
from ornstein.guard.records.log import RecordLog
from ornstein.guard.review import Reviews
from ornstein.guard.work import Check, Work
from ornstein.model import Model
from ornstein.output import FileForm, Output, file_form, refuse_existing, write
from ornstein.record import Record
from ornstein.request import Progress, Request, requests
from ornstein.rng import stream

REDRAWN = 2**32  # seeds of a second try lie below


class Guarded:
    """A model that asks its policy first, looks at what it made, and signs what goes out.

    Everything that the policy names is loaded here, so that a part that is missing refuses before anything runs.

    Args:
        model: any.
        policy: None for the one in force (``Policy.find``).

    Raises:
        OrnsteinError: a policy, key, certificate or index that cannot be used. MissingExtraError, CheckerError: a check
            whose package is not installed.
    """

    makes = "pictures"

    def __init__(self, model: Model, policy: Policy | None = None) -> None:
        self.model, self.policy = model, policy or Policy.find()
        self.reviews = Reviews()
        self.prompts = PromptChecks(self.policy, self.reviews)
        self.inputs = PictureFilter(self.policy.input.checkers, "input")
        self.outputs = OutputChecks(self.policy.output, model)
        self.publisher = Publisher(self.policy)
        self._name = model.bundle.fingerprint if model.bundle else model.recipe.name  # as permits know it
        self.records = RecordLog.open(None, self.policy.records) if self.policy.records else None

    def generate(
        self,
        prompts: str | Sequence[str],
        seeds: int | Sequence[int] | None = None,
        n: int = 1,
        *,
        negative: str | Sequence[str] = "",
        progress: Progress = lambda done, of: None,
        **settings: Any,
    ) -> list[Answer]:
        """As ``Model.generate``, with an answer in place of each picture.

        Raises:
            RefusedError: the policy refuses a prompt, or holds it for review; nothing was made.
            CheckerError: a check broke down; nothing goes out unchecked. UsageError: as ``Model.generate``.
        """
        asked = requests(prompts, n, seeds, negative, self.model.recipe.sampling, **settings)
        return self.make(asked, progress=progress)

    def make(
        self,
        asked: Sequence[Request],
        *,
        sources: Sequence[Source | None] = (),
        progress: Progress = lambda done, of: None,
        previews: Previews | None = None,
        draw: Drawer | None = None,
        check: Check | None = None,
    ) -> list[Answer]:
        """The answers to requests that are spelled out, in their order. Raises as ``generate``.

        Args:
            asked: what to make.
            sources: what each picture is made from, None for noise alone; they are looked at first. () for none at all.
            progress: told (steps done, steps in all). What it raises stops the work.
            previews: shown on the way, each after it was looked at as finished pictures are, or not at all.
            draw: in place of ``Model.make``.
            check: in place of ``OutputChecks.check``.
        """
        started, name = time.perf_counter(), uuid.uuid4().hex
        given = list(sources) or [None] * len(asked)
        if any(given):
            self.model.refuse_sources(asked, given)
            self.look_at(np.stack([source.picture for source in given if source]))
        checked = self._ask(asked, name)
        work = Work(draw or self.model.make, check or self.outputs.check, given)
        asking = (time.perf_counter() - started) / max(len(asked), 1)
        made = self._draw(work, range(len(asked)), [request for request, _ in checked], progress, previews)
        found = self._look(work, checked, made)
        seconds = (time.perf_counter() - started) / max(len(asked), 1)
        answers = [
            replace(
                self._answer(name, request, output, before + after, seconds, source),
                spent=output.spent + Spent(guarded=asking),
            )
            for request, (_, before), (output, after), source in zip(
                asked, checked, found, given, strict=True
            )
        ]
        self._write_down([self._outcome(answer) for answer in answers if answer.output is None])
        return answers

    def sift(self, asked: Sequence[Request]) -> list[RefusedError | None]:
        """For each request None where it may be made, else why not, which is then on record: ``make`` refuses a whole
        call for one of its requests, bulk work leaves that one out. Raises CheckerError: a check broke down.
        """
        name, checked = uuid.uuid4().hex, self.prompts.check(asked)
        found = self.prompts.refused(asked, checked, self._name)
        told = zip(asked, checked, found, strict=True)
        self._write_down([self._event("request", name, one, seen) for one, (_, seen), why in told if why])
        return found

    def files(self, answers: Sequence[Answer], form: FileForm) -> list[File]:
        """The files of pictures that go out, signed; they are on record before anybody has them.

        Raises:
            OrnsteinError: they cannot be signed, or cannot be put on record.
        """
        made = [
            self.publisher.file(answer.output, form, answer.source)
            for answer in answers
            if answer.output is not None
        ]
        going = [answer for answer in answers if answer.output is not None]
        self._write_down(
            [self._outcome(answer, file.sha256, file.note) for answer, file in zip(going, made, strict=True)]
        )
        return made

    def sheet(self, answers: Sequence[Answer], form: FileForm, columns: int | None = None) -> File:
        """One file of several pictures that go out, side by side. Raises as ``files``."""
        going = [answer for answer in answers if answer.output is not None]
        file = self.publisher.sheet([answer.output for answer in going if answer.output], form, columns)
        self._write_down([self._outcome(going[0], file.sha256, f"{len(going)} pictures side by side")])
        return file

    def derived(self, answer: Answer, data: bytes, note: str) -> bytes:
        """Another file that shows an answer's picture, signed and on record under a note. Raises as ``files``."""
        assert answer.output is not None
        file = self.publisher.sign(data, answer.output.record, answer.source)
        self._write_down([self._outcome(answer, file.sha256, note)])
        return file.data

    def preview(
        self, picture: np.ndarray, asked: Request, form: FileForm, share: float, source: Source | None = None
    ) -> bytes:
        """The file of a picture on its way, signed as what it is; only what comes of it is put on record.

        Args:
            picture: uint8 (H, W, C), premultiplied, which was looked at.
            asked: what it will be.
            form: of the file.
            share: of the steps that are done.
            source: that it is made from.

        Raises:
            OrnsteinError: it cannot be signed.
        """
        record = self._told(self.model.record([asked], 0, source), self.publisher.marks(asked), picture)
        return self.publisher.preview(picture, form, record, share, source)

    def edited(self, data: bytes, claim: Claim, parent: bytes) -> bytes:
        """A file made from another, signed with that one as its ingredient, and on record. Raises as ``files``."""
        file = self.publisher.edited(data, claim, parent)
        event = Event(
            kind="outcome", request=uuid.uuid4().hex, policy=self.policy.hash, outputs=(file.sha256,),
            note="made from a picture that was brought",
        )  # fmt: skip
        self._write_down([event])
        return file.data

    def save(
        self, answer: Answer, path: str | Path, background: str | None = None, force: bool = False
    ) -> Path:
        """As ``Output.save``, signed and on record.

        Raises:
            RefusedError: the picture was held back. UsageError, OrnsteinError: as ``Output.save``; or it cannot be
                signed.
        """
        if answer.output is None:
            raise held_back([answer])
        path = Path(path)
        form = file_form(path, background, answer.output.array.shape[-1])
        refuse_existing(path, force)
        write(path, self.files([answer], form)[0].data, force)
        return path

    def replay(self, record: Record, source: Source | None = None) -> Answer:
        """As ``Model.replay``, for a prompt that this policy lets pass unchanged; pictures are looked at again.

        Raises:
            RefusedError: it does not. OrnsteinError: another model, or another watermark's key.
        """
        started, name = time.perf_counter(), uuid.uuid4().hex
        if source is not None:
            self.look_at(source.picture[None])
        ((request, decisions),) = self._ask([record.request], name, quotas=False)
        if request != record.request:
            raise RefusedError("this policy would change the prompt of this picture: it cannot be made again")
        output = self.model.replay(record, self.publisher.imprint_of(record), source)
        (seen,) = self.outputs.check([output.array])
        return self._answer(name, request, output, decisions + seen, time.perf_counter() - started, source)

    def permit(self, prompts: Sequence[str]) -> None:
        """Check prompts of work that draws nothing new; they pass unchanged or not at all.

        Raises:
            RefusedError: one is refused, would be changed, or waits for a person. CheckerError: a check broke down.
        """
        told = [prompt for prompt in prompts if prompt]
        asked = requests(told, 1, 0, "", self.model.recipe.sampling) if told else []
        for request, (passed, decisions) in zip(
            asked, self._ask(asked, uuid.uuid4().hex, quotas=False), strict=True
        ):
            if passed != request:
                raise refusal(self.policy, decisions)

    def look_at(self, pictures: np.ndarray) -> None:
        """Check pictures that a request brings, uint8 (B, H, W, C) premultiplied.

        Raises:
            RefusedError: one of them is refused, or needs a person's judgement. CheckerError: a check broke down.
        """
        found = self.inputs.check(pictures)
        name = uuid.uuid4().hex
        self._write_down(
            [
                Event(
                    kind="request", request=name, policy=self.policy.hash, decisions=decisions,
                    inputs=(hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest(),),
                )
                for picture, decisions in zip(pictures, found, strict=True)
            ]
        )  # fmt: skip
        for k, decisions in enumerate(found):
            if strictest(decisions) in ("deny", "review"):
                raise refusal(self.policy, decisions, f"picture {k + 1}: " if len(pictures) > 1 else "")

    def _ask(self, asked: Sequence[Request], name: str, quotas: bool = True) -> list[Checked]:
        """The requests as they pass: on record before anything is made. Raises RefusedError."""
        checked = self.prompts.check(asked, quotas=quotas)
        self._write_down(
            [
                self._event("request", name, request, decisions)
                for request, (_, decisions) in zip(asked, checked, strict=True)
            ]
        )
        self.prompts.refuse(asked, checked, self._name)
        return checked

    def _draw(
        self,
        work: Work,
        places: Sequence[int],
        asked: Sequence[Request],
        progress: Progress = lambda done, of: None,
        previews: Previews | None = None,
    ) -> list[Output]:
        """The pictures at some places of the call, marked where the sampler lets a mark live."""
        outputs: dict[int, Output] = {}
        groups: dict[bool, list[int]] = {}
        for k, request in enumerate(asked):
            groups.setdefault(self.publisher.marks(request), []).append(k)
        total = sum(asked[k].steps for k in range(len(asked)))
        done = 0
        for marked, group in groups.items():
            imprint = self.publisher.imprint if marked else None
            sources = [work.sources[places[k]] for k in group]
            made = work.draw(
                [asked[k] for k in group],
                sources=sources if any(sources) else (),
                imprint=imprint,
                progress=lambda step, of, before=done: progress(min(before + step, total), total),
                previews=previews and work.checked(previews, [places[k] for k in group]),
            )
            done += sum(asked[k].steps for k in group)
            for k, output in zip(group, made, strict=True):
                outputs[k] = replace(output, record=self._told(output.record, marked, output.array))
        return [outputs[k] for k in range(len(asked))]

    def _told(self, record: Record, marked: bool, picture: np.ndarray) -> Record:
        """With the policy and the marks of a picture (H, W, C) on it."""
        mark = self.publisher.mark(record.request.seed) if marked else None
        known = {"policy": self.policy.hash, "mark": mark, "second": self.publisher.second_of(picture)}
        return record.model_copy(update=known)

    def _look(
        self, work: Work, checked: Sequence[Checked], outputs: list[Output]
    ) -> list[tuple[Output, tuple[Decision, ...]]]:
        """Check pictures; draw copies again with other seeds, as often as the policy says."""
        outputs, found = work.look(outputs)
        copies = self.policy.output.copies
        for attempt in range(copies.tries if copies else 0):
            again = [
                k for k, decisions in enumerate(found) if strictest(_unsettled(decisions)) == "transform"
            ]
            if not again:
                break
            drawn = self._draw(work, again, [_redrawn(checked[k][0], attempt) for k in again])
            made, seen = work.look(drawn)
            for k, output, decisions in zip(again, made, seen, strict=True):
                changed = f"seed {checked[k][0].seed} became {output.record.request.seed}"
                settled = [d.model_copy(update={"changed": changed}) for d in _unsettled(found[k])]
                outputs[k] = replace(output, spent=outputs[k].spent + output.spent)
                found[k] = (*settled, *decisions)
        return list(zip(outputs, found, strict=True))

    def _answer(
        self,
        name: str,
        asked: Request,
        output: Output,
        decisions: tuple[Decision, ...],
        seconds: float,
        source: Source | None = None,
    ) -> Answer:
        action, spent = strictest(_unsettled(decisions)), output.spent
        if action == "allow":
            return Answer(name, asked, output, decisions, None, seconds, spent, source)
        case = None
        if action == "review":
            file = self.publisher.plain(output, FileForm(), source)
            case = self.reviews.hold_picture(self.policy.hash, output.record, file, decisions).id
        return Answer(name, asked, None, decisions, case, seconds, spent, source)

    def _write_down(self, events: Sequence[Event]) -> None:
        """Put it on record; where that fails nothing goes on. Raises OrnsteinError."""
        if self.records is not None and events:
            self.records.extend(events)

    def _event(self, kind: Said, name: str, request: Request, decisions: tuple[Decision, ...]) -> Event:
        return Event(
            kind=kind, request=name, prompt=request.prompt, negative=request.negative, seed=request.seed,
            settings=Settings.of(request, self.model.bundle and self.model.bundle.fingerprint),
            policy=self.policy.hash, decisions=decisions,
        )  # fmt: skip

    def _outcome(self, answer: Answer, digest: str = "", note: str = "") -> Event:
        event = self._event("outcome", answer.id, answer.asked, answer.decisions)
        outputs = (digest,) if digest else ()
        return event.model_copy(update={"outputs": outputs, "seconds": answer.seconds, "note": note})


def _unsettled(decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    """What was decided of the picture that is there now; what led to drawing it again is settled."""
    return tuple(
        decision for decision in decisions if decision.stage == "output" and decision.changed is None
    )


def _redrawn(request: Request, attempt: int) -> Request:
    """The request with another seed, which follows from its own."""
    seed = int(stream("drawn again", request.seed, attempt).integers(REDRAWN))
    return request.model_copy(update={"seed": seed})
