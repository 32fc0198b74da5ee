"""Text by masked diffusion: what a model of text is made of, and three that can be named."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from ornstein.codec.tokens import TokenCodec
from ornstein.config import Config, changes
from ornstein.data import licences
from ornstein.net.dit import TransformerConfig
from ornstein.net.sequence import SequenceConfig
from ornstein.process.masked import Masked
from ornstein.recipes.recipe import OptimiserSection, Stage, TrainedRecipe, TrainingSection


class TextData(Config):
    """Where the text is: a pack (``ornstein data fetch kjv``), and the licences that may be trained on."""

    pack: str
    licences: tuple[str, ...] = tuple(sorted(licences.DEFAULT))


class TextProcess(Config):
    """How text is destroyed: `block` tokens at a time are hidden by the path, given those before them."""

    path: Masked = Masked()
    block: int = Field(default=4, ge=1, le=4096)


class TextObjective(Config):
    """What is minimised: the bound on likelihood of the tokens that are not given.

    Attributes:
        infill: share of the rows in which spans of later text are given, so that holes before them can be filled.
        growth: share of the run in which blocks grow, by doubling, from one token to the recipe's: the next token is
            learned soonest, and what is learned of it serves the others.
        smaller: share of the steps after that in which blocks are smaller, so that one network writes in any.
    """

    infill: float = Field(default=0.25, ge=0, le=1)
    growth: float = Field(default=0.4, ge=0, le=1)
    smaller: float = Field(default=0.5, ge=0, le=1)


class TextSampling(Config):
    """Defaults of ``generate``.

    Attributes:
        sampler: name of a method. steps: of a block. block: tokens generated together, given those before.
        length: tokens of a text that has no holes. temperature: of the draws; 1 is the model's own law.
        single: whether a text ends with the passage that its prompt began.
    """

    sampler: str = "unmask"
    steps: int = Field(default=4, ge=1)
    block: int = Field(default=4, ge=1)
    length: int = Field(default=96, ge=2)
    temperature: float = Field(default=1.0, gt=0, le=10)
    single: bool = False


class TextRecipe(TrainedRecipe):
    """Everything that makes a model of text the model it is."""

    kind: Literal["text"] = "text"
    data: TextData
    codec: TokenCodec = TokenCodec()
    network: SequenceConfig = SequenceConfig()
    process: TextProcess = TextProcess()
    objective: TextObjective = TextObjective()
    sampling: TextSampling = TextSampling()

    @model_validator(mode="after")
    def _fits(self) -> TextRecipe:
        for size in (self.sampling.length, *(stage.size for stage in self.training.stages)):
            if size > self.network.context:
                raise ValueError(f"{size} tokens are more than the context of {self.network.context}")
        return self

    @property
    def identity(self) -> list[Any]:
        """As of ``TrainedRecipe``."""
        return [changes(part) for part in (self.codec, self.network, self.process)]

    @property
    def items(self) -> str:
        """As of ``TrainedRecipe``."""
        return "passages"

    @property
    def extent(self) -> str:
        """As of ``TrainedRecipe``."""
        return f"{self.network.context} tokens"

    @property
    def summary(self) -> str:
        """As of ``TrainedRecipe``."""
        return "writes text: it goes on from a prompt, and fills holes in one"

    @property
    def use(self) -> str:
        """As of ``TrainedRecipe``."""
        return (
            "Text in the manner of what it learned from, for experiments and play. Not for statements of fact: what "
            "it writes is true only by chance."
        )

    @property
    def limits(self) -> tuple[str, ...]:
        """As of ``TrainedRecipe``."""
        return (
            f"A text has at most {self.network.context} tokens.",
            "It knows the words and turns of its training text and no others.",
            "Some of what it writes repeats training text; long copies are found by the index of the bundle.",
        )


def kjv() -> TextRecipe:
    """The King James Bible: 25 minutes on one core."""
    return TextRecipe(
        name="kjv",
        data=TextData(pack="data/kjv"),
        optimiser=OptimiserSection(muon=6e-3, adamw=4e-3, warmup=1_000, decay=0.6, weight_decay=0.05),
        training=TrainingSection(
            samples=60_000, stages=(Stage(size=128, batch=16),), ema=(2_000, 8_000), stored="bfloat16",
            prompts=("In the beginning", "And the LORD said unto Moses,"),
        ),
        # a token at a time and a little cold it reads best; docs/text.md measures the others
        sampling=TextSampling(block=1, steps=1, temperature=0.7),
    )  # fmt: skip


def gcide() -> TextRecipe:
    """A dictionary: a headword and a colon steer what is defined. Its licence has to be allowed by name."""
    return kjv().model_copy(
        update={
            "name": "gcide", "data": TextData(pack="data/gcide"),
            "network": SequenceConfig(transformer=TransformerConfig(width=256, depth=6, heads=4, axes=1)),
            "training": TrainingSection(
                samples=60_000, stages=(Stage(size=128, batch=32),), ema=(2_000, 8_000), stored="bfloat16",
                prompts=("violin:",),
            ),
            "sampling": TextSampling(block=1, steps=1, temperature=0.7, single=True),
        }
    )  # fmt: skip


def text() -> TextRecipe:
    """Your own text: what ``ornstein train FILE.txt`` starts from."""
    return kjv().model_copy(update={"name": "text", "data": TextData(pack="data/text")})
