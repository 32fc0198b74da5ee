"""What goes out with a picture: a mark in its noise, perhaps a second one in its pixels, text, and a signature."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ornstein.control.source import Source
from ornstein.drawing import Imprint
from ornstein.errors import OrnsteinError
from ornstein.guard.credentials.claim import Claim
from ornstein.guard.credentials.signing import Signed, Signer
from ornstein.guard.policy import Policy, Watermark
from ornstein.guard.watermark.code import Shading, marks, read_key
from ornstein.guard.watermark.pattern import Pattern
from ornstein.output import FileForm, Output, encode, grid
from ornstein.record import Mark, Record, Second
from ornstein.request import Request
from ornstein.sample.registry import evaluations

if TYPE_CHECKING:
    from ornstein.guard.watermark.posthoc import Posthoc


BESIDE = ".c2pa"  # after the whole name of the file that a credential lies beside


@dataclass(frozen=True)
class File:
    """A file that may go out.

    Attributes:
        data: its bytes. note: what its owner is to know, such as a stamp that is missing; empty for nothing.
        beside: the credential of a file that has no place for one, as a file of its own (``BESIDE``); else None.
    """

    data: bytes
    note: str = ""
    beside: bytes | None = None

    @property
    def sha256(self) -> str:
        """By which records know it."""
        return hashlib.sha256(self.data).hexdigest()


class Publisher:
    """The publishing stage of one policy.

    Raises:
        OrnsteinError: a key or certificates that cannot be used. MissingExtraError: the second mark's package.
    """

    def __init__(self, policy: Policy) -> None:
        self.stage = policy.publish
        marking = self.stage.watermark
        self.signer = Signer.of(self.stage.credentials) if self.stage.credentials else None
        self.shading = Shading(read_key(marking.key)) if marking else None
        self.second = _second(marking) if marking else None

    def marks(self, request: Request) -> bool:
        """Whether a mark goes into the noise of this request, and stays there."""
        return self.shading is not None and marks(request.sampler)

    @property
    def imprint(self) -> Imprint | None:
        """What puts the mark into noise."""
        return self.shading and self.shading.imprint

    def mark(self, seed: int) -> Mark | None:
        """The mark of a seed, as records name it."""
        return self.shading and self.shading.mark(seed)

    def second_of(self, picture: np.ndarray) -> Second | None:
        """The mark that goes into the pixels of (H, W, C), as records name it; None where it has no room."""
        if self.second is None or not self.second.fits(picture):
            return None
        return Second(
            how="pattern" if isinstance(self.second, Pattern) else "rivagan", key=self.second.fingerprint
        )

    def imprint_of(self, record: Record) -> Imprint | None:
        """What the noise of this record's picture was given; None for a picture without a mark.

        Raises:
            OrnsteinError: another key made the mark.
        """
        if record.mark is None:
            return None
        if self.shading is None or self.shading.mark(record.request.seed) != record.mark:
            raise OrnsteinError(
                f"this picture was marked with another key, {record.mark.key}: name a policy whose watermark has it"
            )
        return self.shading.imprint

    def plain(self, output: Output, form: FileForm, source: Source | None = None) -> bytes:
        """The file before it is signed: a pure function of picture, record, form and source, whose pixels stay where
        they are to stay, without a mark.

        Raises:
            OrnsteinError: another key or another way made the mark in its pixels.
        """
        marked = self._marked(output)
        picture = marked if source is None else source.kept(marked)
        return self.written(replace(output, array=picture), form)

    def written(self, output: Output, form: FileForm) -> bytes:
        """The file, before it is signed, of a picture whose pixels carry their marks already."""
        record = output.record.model_copy(update={"form": form})
        return encode(output.array, form, record if self.stage.prompt else None)

    def _marked(self, output: Output) -> np.ndarray:
        """The picture with the mark that its record names in its pixels."""
        wanted = output.record.second
        if wanted is None:
            return output.array
        if self.second is None or self.second_of(output.array) != wanted:
            raise OrnsteinError(
                f"this picture has a mark in its pixels, {wanted.how} of key {wanted.key}: "
                "name a policy whose watermark has both"
            )
        if isinstance(self.second, Pattern):
            return self.second.embed(output.array)
        return self.second.embed(output.array, output.record.request.seed)

    def file(self, output: Output, form: FileForm, source: Source | None = None) -> File:
        """One picture's file, signed where the policy signs; as edited where it had a source. Raises OrnsteinError."""
        return self.sign(self.plain(output, form, source), output.record, source)

    def sheet(self, outputs: Sequence[Output], form: FileForm, columns: int | None = None) -> File:
        """Several pictures as one file; its credential tells how the first was made."""
        cells = grid([output.array for output in outputs], columns)
        return self.sign(encode(cells, form), outputs[0].record)

    def sign(self, data: bytes, record: Record, source: Source | None = None) -> File:
        """A file as it goes out: signed where the policy signs, as edited where there is a source.

        Raises:
            OrnsteinError: it cannot be signed.
        """
        if self.signer is None:
            return File(data)
        return _file(self.signer.sign(data, _claim(record), _parent(source)))

    def beside(self, data: bytes, claim: Claim) -> File:
        """A file that has no place for a credential, with one beside it, where the policy signs. Raises as ``sign``."""
        if self.signer is None:
            return File(data)
        signed = self.signer.beside(data, claim)
        return File(data, _file(signed).note, signed.data)

    def preview(
        self, picture: np.ndarray, form: FileForm, record: Record, share: float, source: Source | None
    ) -> bytes:
        """The file of a picture (H, W, C) on its way, after a share of its evaluations, signed as just that.

        Finished pictures alone carry a record, a mark in their pixels, the prompt and a stamp.

        Raises:
            OrnsteinError: it cannot be signed.
        """
        data = encode(picture, form)
        if self.signer is None:
            return data
        whole = _claim(record)
        so_far = {"partial": True, "evaluations": round(share * whole.evaluations), "prompt": None}
        return self.signer.sign(data, whole.model_copy(update=so_far), _parent(source), stamp=False).data

    def edited(self, data: bytes, claim: Claim, parent: bytes) -> File:
        """A file that was made from another, signed with that one as its ingredient. Raises OrnsteinError."""
        return _file(self.signer.sign(data, claim, parent)) if self.signer else File(data)


def _claim(record: Record) -> Claim:
    request, brought = record.request, record.source
    steps = request.steps if brought is None else max(1, round(brought.strength * request.steps))
    return Claim.of(record, steps * evaluations(request.sampler))


def _parent(source: Source | None) -> bytes | None:
    """The file of a source, which the credential names."""
    return None if source is None else source.file or encode(source.picture, FileForm())


def _file(signed: Signed) -> File:
    down = signed.stamp == "down"
    return File(signed.data, "the time-stamp service is down: signed without a stamp" if down else "")


def _second(marking: Watermark) -> Pattern | Posthoc | None:
    match marking.also:
        case "pattern":
            return Pattern(read_key(marking.key))
        case "rivagan":
            from ornstein.guard.watermark.posthoc import Posthoc  # loads a network

            return Posthoc(read_key(marking.key))
        case None:
            return None
