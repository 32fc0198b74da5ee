"""One network call of what many pictures ask at a moment: rows of a kind are stacked, and their answers handed back."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ornstein.condition.tokens import Tokens
from ornstein.denoise.bucketed import Bucketed
from ornstein.denoise.precondition import Network

LENGTHS = 4
"""Of prompts, a multiple: oneDNN keeps what it made for a shape, and every length in every bucket would be one."""


@dataclass(frozen=True)
class Told:
    """Conditions as the tensors that a network is given, rows first; any model's network takes them so."""

    tensors: tuple[Tensor, ...]

    def select(self, rows: Tensor) -> Told:
        """Pick rows."""
        return Told(tuple(tensor[rows.to(tensor.device)] for tensor in self.tensors))


@dataclass(eq=False)
class Evaluation:
    """What a picture asks of the network, and what it is answered.

    Attributes:
        z: (rows, *shape) of unit variance. logsnr: (rows,). condition: has rows as its ``tensors``.
        most: rows that a call of this kind may have.
        alone: the picture's own network, where it cannot share a call: one that remembers what it computed.
        answer: shaped like `z`; the error where the call failed. seconds: this picture's share of the call.
    """

    z: Tensor
    logsnr: Tensor
    condition: Any
    most: int
    alone: Network | None = None
    answer: Tensor | Exception | None = None
    seconds: float = 0.0

    @property
    def kind(self) -> Hashable:
        """Evaluations of one kind fit in one tensor."""
        if self.alone is not None:
            return id(self)
        parts = (self.z, self.logsnr, *self.condition.tensors)
        return self.most, *((part.shape[1:], part.dtype) for part in parts)


@dataclass(frozen=True)
class Tick:
    """One call of the network.

    Attributes:
        rows: that were asked for. bucket: rows that were computed. seconds: that it took of the whole machine.
    """

    rows: int
    bucket: int
    seconds: float


def answer(
    asked: Sequence[Evaluation],
    network: Callable[[int], Bucketed],
    watch: Callable[[Tick], None],
    part: float = 1.0,
) -> None:
    """Answer evaluations in as few calls as there are kinds; a call that fails fails only those that are in it.

    Args:
        asked: in any order.
        network: for calls of so many rows at most.
        watch: told of every call.
        part: of the machine, that the calls have.
    """
    kinds: dict[Hashable, list[Evaluation]] = {}
    for evaluation in asked:
        kinds.setdefault(evaluation.kind, []).append(evaluation)
    for alike in kinds.values():
        started = time.perf_counter()
        try:
            bucket = _answer(alike, network(alike[0].most))
        except Exception as error:  # whatever a network raises: those who asked are told
            for evaluation in alike:
                evaluation.answer = error
            continue
        seconds = part * (time.perf_counter() - started)
        rows = sum(len(evaluation.z) for evaluation in alike)
        for evaluation in alike:
            evaluation.seconds = seconds * len(evaluation.z) / rows
        watch(Tick(rows, bucket, seconds))


def _answer(alike: Sequence[Evaluation], network: Bucketed) -> int:
    """Call the network once for all; returns of how many rows it was."""
    first = alike[0]
    if first.alone is not None:
        first.answer = first.alone(first.z, first.logsnr, first.condition)
        return len(first.z)
    z = torch.cat([evaluation.z for evaluation in alike])
    logsnr = torch.cat([evaluation.logsnr for evaluation in alike])
    made = network(z, logsnr, _told(alike, network))
    for evaluation, part in zip(alike, made.split([len(e.z) for e in alike]), strict=True):
        evaluation.answer = part
    return sum(bucket for _, bucket in network.calls(len(z)))


def _told(alike: Sequence[Evaluation], network: Bucketed) -> Told:
    """The conditions of all. On a processor padding that nobody needs is left out, which changes no bit of bfloat16
    (``docs/engine.md``); not where there is one bucket, since there no product ever has another shape.
    """
    columns = zip(*(evaluation.condition.tensors for evaluation in alike), strict=True)
    tensors = tuple(torch.cat(column) for column in columns)
    free = len(network.sizes) > 1 and tensors and tensors[0].device.type == "cpu"
    if free and isinstance(alike[0].condition, Tokens):
        tensors = Tokens(*tensors).trimmed(LENGTHS).tensors
    return Told(tensors)
