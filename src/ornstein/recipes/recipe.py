"""What a model is made of and how it was trained, as plain frozen data. Stored in every checkpoint and bundle."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ornstein.codec.pixels import PixelCodec
from ornstein.config import Config, changes
from ornstein.data import licences
from ornstein.denoise.algebra import TargetName
from ornstein.errors import UsageError
from ornstein.guide.rules import RuleSetting, Straight
from ornstein.guide.schedules import Constant, ScheduleSetting
from ornstein.net.backbone import BackboneConfig
from ornstein.net.patched import PatchedConfig
from ornstein.process.gaussian import Flow, GaussianPath
from ornstein.process.times import LogitNormal, ShiftedGrid, TimeGrid, TimeLaw
from ornstein.sample.fitted import FITTED, Fit


class DataSection(Config):
    """Where the training pictures are and how they are drawn.

    Attributes:
        pack: folder of a packed set (``ornstein data fetch`` or ``ornstein data pack``).
        draw: "concept-first" draws concept, then style, then variant; "uniform" draws rows.
        captions: weight of each caption form of an item, in the pack's order.
        augment: largest random move of a picture along each axis, as a share of its side; it is scaled by up to twice
            that. 0 trains on the pictures as they are.
        licences: SPDX identifiers that may be trained on; any other is refused by name.
    """

    pack: str
    draw: Literal["concept-first", "uniform"] = "uniform"
    captions: tuple[float, ...] = (1.0,)
    augment: float = Field(default=0.0, ge=0, le=0.25)
    licences: tuple[str, ...] = tuple(sorted(licences.DEFAULT))


class TextCondition(Config):
    """Prompts as token states of all-MiniLM-L6-v2, cut to `length` tokens."""

    kind: Literal["text"] = "text"
    length: int = Field(default=16, ge=2, le=256)


class ClassesCondition(Config):
    """Class names, in the order of the training set."""

    kind: Literal["classes"] = "classes"
    names: tuple[str, ...]


class ProcessSection(Config):
    """How data is destroyed and what the network is asked."""

    path: GaussianPath = Flow()
    target: TargetName = "x"


class ObjectiveSection(Config):
    """What is minimised.

    Attributes:
        times: law of the noise levels trained at.
        weight: in which quantity the squared error counts: x, eps, v or flow.
        cap: largest weight, so that nearly clean rows cannot dominate.
        dropout: share of rows trained with the null condition, for guidance.
    """

    times: TimeLaw = LogitNormal(mean=0.6, deviation=0.9)
    weight: Literal["x", "eps", "v", "flow"] = "flow"
    cap: float = Field(default=400.0, gt=0)
    dropout: float = Field(default=0.1, ge=0, lt=1)


class OptimiserSection(Config):
    """Muon for hidden matrices, AdamW for the rest.

    Attributes:
        muon: learning rate of the matrices (RMS-matched, so on the scale of AdamW's); 0 trains them with AdamW.
        adamw: learning rate of everything else.
        warmup: samples over which both rise from zero.
        decay: share of the run at whose end both have fallen linearly to zero.
        clip: largest norm of the gradient.
    """

    muon: float = Field(default=2e-3, ge=0)
    adamw: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: int = Field(default=10_000, ge=0)
    decay: float = Field(default=0.5, ge=0, le=1)
    clip: float = Field(default=1.0, gt=0)


class Stage(Config):
    """A part of a run at one resolution: `share` of all samples, `batch` pictures a step.

    Attributes:
        times: law of the noise levels in this part; None leaves it to the objective. What a picture shows is learned at
            high noise and its texture at low noise, so a last stage that leans to low noise sharpens.
    """

    size: int = Field(default=64, ge=8)
    batch: int = Field(default=128, ge=1)
    share: float = Field(default=1.0, gt=0)
    times: TimeLaw | None = None


class TrainingSection(Config):
    """How long and in what portions.

    Attributes:
        samples: pictures seen in all.
        start: bundle (name or folder) whose weights the run starts from; None for fresh ones.
        stages: resolutions in order (progressive growing); shares are relative.
        accumulate: parts a batch is split into to save memory.
        ema: half-lives of the averaged weights in samples; the first is what the bundle ships.
        stored: dtype of the bundle's weights; bfloat16 halves the file.
        compile: compile the network where the run is long enough to repay it.
        checkpoint_seconds: time between checkpoints. sample_samples: pictures seen between sample grids.
        prompts: what the sample grids show.
    """

    seed: int = Field(default=0, ge=0)
    samples: int = Field(default=600_000, ge=1)
    start: str | None = None
    stages: tuple[Stage, ...] = (Stage(),)
    accumulate: int = Field(default=1, ge=1)
    ema: tuple[int, int] = (20_000, 60_000)
    stored: Literal["float32", "bfloat16"] = "float32"
    compile: bool = True
    checkpoint_seconds: float = Field(default=300.0, gt=0)
    sample_samples: int = Field(default=50_000, ge=1)
    prompts: tuple[str, ...] = ()


class SamplingSection(Config):
    """Defaults of ``generate``.

    Attributes:
        sampler: name of a method. steps: steps of it.
        guidance: scale; 1 is off. interval: times (low, high) within which it acts.
        rule: what becomes of the guesses with and without the prompt. schedule: of the scale over time.
        grid: which times are visited. size: side of the picture.
        fits: samplers of few evaluations that were fitted to this network.
    """

    sampler: str = "dpmpp-2m"
    steps: int = Field(default=20, ge=1)
    guidance: float = Field(default=3.0, ge=0)
    interval: tuple[float, float] = (0.1, 0.95)
    rule: RuleSetting = Straight()
    schedule: ScheduleSetting = Constant()
    grid: TimeGrid = ShiftedGrid(shift=1.0)
    size: int = 64
    fits: tuple[Fit, ...] = ()

    def method(self, wanted: str | None, steps: int, guidance: float) -> str:
        """Name of the sampler for a picture: what is asked for, else a fit made for just this, else the default.

        Raises:
            UsageError: a fit is asked for, and there is none of so many steps, or it is not known.
        """
        mine = [fit for fit in self.fits if fit.evaluations == steps]
        if wanted is None:
            made = [fit.name for fit in mine if fit.guidance == guidance]
            return made[-1] if made else self.sampler
        if wanted == FITTED and mine:
            return min(mine, key=lambda fit: abs(fit.guidance - guidance)).name
        if wanted.startswith(FITTED) and wanted not in [fit.name for fit in mine]:
            counts = ", ".join(str(fit.evaluations) for fit in self.fits)
            raise UsageError(
                f"this model has no sampler {wanted!r} of {steps} steps"
                + (f"; its fitted ones have {counts}" if counts else "; make one with `ornstein fit`")
            )
        return wanted


class TrainedRecipe(Config):
    """What the recipe of everything that is trained here has.

    A kind of data adds its own sections, and says of itself what follows.
    """

    name: str
    optimiser: OptimiserSection = OptimiserSection()
    training: TrainingSection = TrainingSection()

    @property
    def identity(self) -> list[Any]:
        """What the output of its weights depends on, as plain values: part of a bundle's fingerprint."""
        raise NotImplementedError

    @property
    def items(self) -> str:
        """What the data is made of: pictures, rows, passages."""
        raise NotImplementedError

    @property
    def extent(self) -> str:
        """How large what it makes is, shortly."""
        raise NotImplementedError

    @property
    def summary(self) -> str:
        """What the model makes, and from what: the end of "A diffusion model that …"."""
        raise NotImplementedError

    @property
    def use(self) -> str:
        """What it is meant for, and what not."""
        raise NotImplementedError

    @property
    def limits(self) -> tuple[str, ...]:
        """What it cannot do, a sentence each."""
        raise NotImplementedError


class Recipe(TrainedRecipe):
    """Everything that makes a model of pictures the model it is."""

    data: DataSection
    condition: Annotated[TextCondition | ClassesCondition, Field(discriminator="kind")]
    codec: PixelCodec = PixelCodec()
    network: BackboneConfig = PatchedConfig()
    process: ProcessSection = ProcessSection()
    objective: ObjectiveSection = ObjectiveSection()
    sampling: SamplingSection = SamplingSection()

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        multiple, axes = self.network.multiple, len(self.codec.shape(0)) - 1
        if self.network.axes != axes:
            raise ValueError(f"a network of {self.network.axes} axes cannot see samples of {axes}")
        for size in (self.sampling.size, *(stage.size for stage in self.training.stages)):
            if size % multiple:
                raise ValueError(f"size {size} is not a multiple of {multiple}, as the network needs")
        return self

    @property
    def identity(self) -> list[Any]:
        return identity(self)

    @property
    def items(self) -> str:
        return "pictures"

    @property
    def extent(self) -> str:
        return f"{self.sampling.size} px"

    @property
    def summary(self) -> str:
        kind = "RGBA pictures with transparency" if self.codec.channels == 4 else "grey pictures"
        steered = "a short English text" if self.condition.kind == "text" else "a class name"
        side = self.sampling.size
        return f"makes {kind} of {side} x {side} pixels from {steered}"

    @property
    def use(self) -> str:
        return (
            f"Small pictures of the kinds that the training data shows, at {self.sampling.size} pixels, and a "
            "starting point for fine-tuning. It is not meant for likenesses of people, for text in pictures, or for "
            "pictures that are to be taken as records of real events."
        )

    @property
    def limits(self) -> tuple[str, ...]:
        sizes = sorted({stage.size for stage in self.training.stages})
        trained = " and ".join(str(size) for size in sizes)
        if self.condition.kind == "text":
            told = f"Prompts are read in English and cut to {self.condition.length} tokens."
        else:
            told = f"It knows {len(self.condition.names)} classes and nothing else."
        return f"Trained at {trained} pixels; other sizes are asked of it at the user's risk.", told


def identity(recipe: Any) -> list[Any]:
    """The same of a recipe of pictures, ours or a published one's."""
    asked = [changes(part) for part in (recipe.condition, recipe.codec, recipe.network, recipe.process)]
    return [asked, [changes(recipe.sampling.grid), recipe.sampling.interval]]
