"""A model of text: it goes on from a prompt, and fills holes in one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, cast

import torch
from jaxtyping import Int
from pydantic import AfterValidator, BeforeValidator, Field
from torch import Tensor, nn

from ornstein.bundle import SOURCES
from ornstein.codec.tokens import START
from ornstein.condition.holes import parse
from ornstein.config import Config
from ornstein.data.copies import LONG, Copies, Span
from ornstein.denoise.posterior import Denoiser
from ornstein.denoise.product import FieldsDenoiser, FieldsNetwork
from ornstein.drawing import NOTHING, Spent
from ornstein.errors import UsageError
from ornstein.fields_model import AutocastFields, FieldsModel
from ornstein.net.sequence import Order, SequenceNetwork
from ornstein.process.masked import MASK, Masked
from ornstein.recipes.text import TextRecipe
from ornstein.record import ModelName, Platform
from ornstein.request import MAX_SEED, Progress
from ornstein.sample.blocks import block_grid, row_grids
from ornstein.sample.loop import trajectory
from ornstein.sample.registry import find_token_method
from ornstein.writing import Blockwise, ranks_of

ROWS = 32  # texts of one batch


def _said(text: str) -> str:
    """Raise ValueError for a prompt of nothing, or of bytes that are no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the prompt holds bytes that are no text: give it in UTF-8") from None
    if not text.strip():
        raise ValueError("the prompt is empty: say how the text begins, or leave a hole such as [MASK*20]")
    return text


def _method(name: str) -> str:
    find_token_method(name)
    return name


class TextRequest(Config):
    """One text.

    Attributes:
        prompt: what stands already, with holes or without. seed: of the draws.
        length: tokens in all, of a prompt without holes; the prompt's are among them.
        steps: of a block. sampler: name of a method. block: tokens generated together, given those before.
        temperature: of the draws; 1 is the model's own law.
    """

    prompt: Annotated[str, Field(max_length=20_000), BeforeValidator(_said)]
    seed: int = Field(ge=0, le=MAX_SEED)
    length: int = Field(ge=1)
    steps: int = Field(ge=1, le=4096)
    sampler: Annotated[str, AfterValidator(_method)]
    block: int = Field(ge=1, le=4096)
    temperature: float = Field(gt=0, le=10)


class TextRecord(Config):
    """How a text was made: the same model makes it again.

    Attributes:
        rows: of the batch; numbers may depend on its shape. row: this text's.
    """

    kind: Literal["text"] = "text"
    version: Literal[1] = 1
    request: TextRequest
    model: ModelName
    platform: Platform
    rows: int = Field(default=1, ge=1)
    row: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class TextOutput:
    """A text.

    Attributes:
        text: the prompt, with its holes filled or gone on from. tokens: that were generated.
        record: how it was made. spent: what it took; evaluations count passes of the network.
    """

    text: str
    tokens: int
    record: TextRecord
    spent: Spent = NOTHING


class TextModel(FieldsModel):
    """A generator of text; everything else as of ``FieldsModel``."""

    recipe: TextRecipe
    network: SequenceNetwork
    _index: Copies | None = None

    @staticmethod
    def build(recipe: TextRecipe) -> nn.Module:
        """As of ``FieldsModel``."""
        return recipe.network.build(recipe.codec.categories)

    @property
    def paths(self) -> Masked:
        """As of ``FieldsModel``: of the tokens."""
        return self.recipe.process.path

    def denoiser(
        self, network: Callable[..., Tensor] | None = None, dtype: torch.dtype | None = None
    ) -> Denoiser:
        """As of ``FieldsModel``, by the weights as they are trained; its condition is an ``Order``."""
        return FieldsDenoiser(
            AutocastFields(self.network if network is None else network, dtype or self.dtype), self.paths
        )

    def generate(
        self,
        prompt: str,
        n: int = 1,
        seed: int = 0,
        *,
        length: int | None = None,
        steps: int | None = None,
        sampler: str | None = None,
        block: int | None = None,
        temperature: float | None = None,
        progress: Progress = lambda done, of: None,
    ) -> list[TextOutput]:
        """Write `n` texts.

        Args:
            prompt: what stands already; ``[MASK*20]`` is a hole of twenty tokens, and where there is none, the text
                goes on after the prompt.
            n: how many texts.
            seed: of the first; the next count up.
            length: tokens in all, of a prompt without holes. As everything below, the recipe's where None.
            steps: of a block.
            sampler: name of a method (``sample.registry.TOKEN_METHODS``).
            block: tokens generated together.
            temperature: of the draws.
            progress: told (steps done, steps in all).

        Raises:
            UsageError: an argument out of range, a hole that cannot be read, or more tokens than the context.
        """
        from ornstein.config import parse as checked

        section = self.recipe.sampling
        values = {
            "prompt": prompt, "seed": seed, "length": length or section.length, "steps": steps or section.steps,
            "sampler": sampler or section.sampler, "block": block or section.block,
            "temperature": temperature or section.temperature,
        }  # fmt: skip
        if n < 1:
            raise UsageError(f"at least one text must be asked for, not {n}")
        return self.make(
            [checked(TextRequest, {**values, "seed": seed + k}) for k in range(n)], progress=progress
        )

    def make(
        self, asked: Sequence[TextRequest], *, progress: Progress = lambda done, of: None
    ) -> list[TextOutput]:
        """The texts of requests that differ in nothing but the seed, in their order.

        Raises:
            UsageError: they differ in more, or this model cannot do it; before anything runs.
        """
        first = asked[0]
        if any(one.model_copy(update={"seed": first.seed}) != first for one in asked):
            raise UsageError("texts are made together where their requests differ in the seed alone")
        x = self.tokens(first.prompt, first.length)
        outputs: list[TextOutput] = []
        for begin in range(0, len(asked), ROWS):
            rows, started = asked[begin : begin + ROWS], time.perf_counter()
            found, evaluations = self._run(x, rows, progress)
            spent = Spent(evaluations=evaluations, computed=(time.perf_counter() - started) / len(rows))
            for row, (request, tokens) in enumerate(zip(rows, found, strict=True)):
                outputs.append(
                    TextOutput(
                        self._text(x, tokens), int((x == MASK).sum()), self._record(request, len(rows), row), spent
                    )
                )  # fmt: skip
        return outputs

    def replay(self, record: TextRecord) -> TextOutput:
        """Make a text again from its record.

        Raises:
            UsageError: it was made by another model.
        """
        if self.bundle is None or record.model.fingerprint != self.bundle.fingerprint:
            raise UsageError(
                f"this text was made by another model: {record.model.name!r}, not {self.recipe.name!r}"
            )
        request = record.request
        # neighbours never matter, only how many there are
        made = self.make([request] * record.rows)[record.row]
        return replace(made, record=record)

    def copied(self, text: str, prompt: str = "", words: int = LONG) -> list[Span]:
        """The spans of at least `words` words, 8 or more, that a text shares with the training text as they are.

        What the prompt says itself does not count. A bundle without an index of its training text finds none.

        Raises:
            OrnsteinError: an index that is damaged.
        """
        if self._index is None and self.bundle is not None and SOURCES in self.bundle.facts.files:
            file = self.bundle.folder / SOURCES
            self._index = Copies.load(file.read_bytes(), str(file))
        found = self._index.spans(text, words) if self._index else []
        return [span for span in found if text[span.start : span.end] not in prompt]

    def tokens(self, prompt: str, length: int) -> Int[Tensor, " tokens"]:
        """A prompt as token numbers after the start, ``MASK`` in its holes, or up to `length` tokens where it has none.

        Raises:
            UsageError: a hole that cannot be read, nothing to write, or more tokens than the context.
        """
        parts, codec = parse(prompt), self.recipe.codec
        open_end = not any(isinstance(part, int) for part in parts)
        context, found = self.recipe.network.context, [START]
        if (asked := sum(part for part in parts if isinstance(part, int))) >= context:
            raise UsageError(
                f"holes of {asked:,} tokens are longer than the context of {context}: make them smaller"
            )
        for part in parts:
            found += [MASK] * part if isinstance(part, int) else codec.encode(part)
        if open_end and parts:
            found = [START, *codec.encode(prompt.rstrip(" "))]
        if open_end and length <= len(found) <= context:
            raise UsageError(
                f"the prompt has {len(found)} tokens with the start, the text shall have {length}: "
                "ask for a greater length"
            )
        if open_end:
            found += [MASK] * (length - len(found))
        if len(found) > context:
            raise UsageError(
                f"the text has {len(found):,} tokens with its start, more than the context of {context}"
            )
        return torch.tensor(found, dtype=torch.long, device="cpu")

    @torch.inference_mode()
    def _run(
        self, x: Int[Tensor, " tokens"], rows: Sequence[TextRequest], progress: Progress
    ) -> tuple[Int[Tensor, "rows tokens"], int]:
        """The tokens of one batch, and how often the network was evaluated."""
        request, given = rows[0], x != MASK
        method = find_token_method(request.sampler)
        ranks = ranks_of(given, request.block)
        times = block_grid(len(x), request.block, request.steps * int(ranks.max()), given)
        seeds = [row.seed for row in rows]
        shown = given.expand(len(rows), -1)
        grids = row_grids(method, self.paths, times.expand(len(rows), -1, -1), shown, seeds)
        writer = Blockwise(self.network, ranks, request.temperature)
        denoiser = FieldsDenoiser(cast(FieldsNetwork, writer), self.paths)
        states = trajectory(
            method, denoiser, self.paths, x.expand(len(rows), -1).to(self.device), grids,
            Order(ranks.expand(len(rows), -1)), seeds,
        )  # fmt: skip
        last = x.expand(len(rows), -1)
        for state in states:
            assert isinstance(state.x, Tensor)
            last = state.x
            progress(state.step, state.steps)
        return last.cpu(), writer.evaluations

    def _text(self, x: Int[Tensor, " tokens"], made: Int[Tensor, " tokens"]) -> str:
        """The text; where the recipe says so, no further than the passage that the prompt began."""
        text = self.recipe.codec.decode(made.tolist())
        if self.recipe.sampling.single and int(x[-1]) == MASK:
            said = len(self.recipe.codec.decode([token for token in x.tolist() if token != MASK]))
            return text[:said] + text[said:].partition("\n")[0]
        return text

    def _record(self, request: TextRequest, rows: int, row: int) -> TextRecord:
        name = ModelName(name=self.recipe.name, fingerprint=self.bundle and self.bundle.fingerprint)
        return TextRecord(
            request=request, model=name, platform=Platform.here(self.device), rows=rows, row=row
        )
