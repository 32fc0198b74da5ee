"""What there is to measure: one picture's way from noise step by step, and the denoiser's error by noise level."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ornstein.codec.pixels import PixelCodec
from ornstein.drawing import Imprint
from ornstein.errors import OrnsteinError
from ornstein.evaluate.estimate import Estimate, of_mean
from ornstein.evaluate.sets import real_pictures
from ornstein.guide.classifier_free import Guided
from ornstein.model import Model
from ornstein.process.noise import row_noise
from ornstein.recipes.imported import ImportedRecipe
from ornstein.recipes.recipe import ClassesCondition
from ornstein.request import Request
from ornstein.sample.likelihood import BYTE
from ornstein.train.objective import denoising_loss

PICTURES = 16  # that the error by noise level is measured on
FEW = 4  # of an imported model
LEVELS = tuple(float(level) for level in range(-8, 9))  # logsnr
BYTES, LATENTS = "bytes of 255", "percent of the latents' deviation"


@dataclass(frozen=True)
class Step:
    """One step, from time `t` to `s`. Differences of guesses are root mean squares in the way's `unit`.

    Attributes:
        t: where the guess is asked. s: where the step ends. logsnr: at `t`. alpha: at `t`. sigma: at `t`.
        change: from this guess to the next, or to the finished picture.
        left: from this guess to the finished picture.
        prompt: between the guesses with and without the prompt.
        push: between the guided guess, which the step uses, and the one with the prompt alone.
    """

    t: float
    s: float
    logsnr: float
    alpha: float
    sigma: float
    change: float
    left: float
    prompt: float
    push: float


@dataclass(frozen=True)
class Way:
    """A picture's way from noise.

    Attributes:
        request: what was asked.
        steps: n of them.
        noisy: uint8 (n + 1, H, W, C) premultiplied, x_t at unit variance before each step and at the end.
        guesses: likewise, the guided guesses; the last is the finished picture.
        unit: of differences: bytes of pictures, or of latents a hundredth of what the finished ones deviate by.
    """

    request: Request
    steps: tuple[Step, ...]
    noisy: np.ndarray
    guesses: np.ndarray
    unit: str = BYTES

    @property
    def half(self) -> int:
        """The step from which on guesses are less than half as far from the finished picture as the first one.

        n + 1 where no guess is.
        """
        far = [k for k, step in enumerate(self.steps) if step.left > self.steps[0].left / 2]
        return max(far, default=-1) + 2


@torch.inference_mode()
def way(
    model: Model,
    request: Request,
    progress: Callable[[int, int], None] = lambda done, of: None,
    imprint: Imprint | None = None,
) -> Way:
    """Make the picture of a request as ``Model.make`` does, and ask at each of its times what is guessed there."""
    path = model.recipe.process.path
    grid = model.plan(request.sampler, [request.steps], request.size)[1][0]
    told = model.condition([request.prompt], [request.negative], [request.guidance])
    prompt, nothing = (model.condition([text], [""], [1.0]) for text in (request.prompt, request.negative))
    guided = model.guided(model.denoiser())
    states = model.trajectory(
        [request.prompt], [request.seed], steps=[request.steps], guidance=[request.guidance],
        sampler=request.sampler, negatives=[request.negative], size=request.size, imprint=imprint,
    )  # fmt: skip
    xs: list[Tensor] = []
    for state in states:
        assert isinstance(state.x, Tensor)
        xs.append(state.x)
        progress(state.step, state.steps)
    guesses: list[Tensor] = []
    parts: list[tuple[float, float]] = []
    for x, t in zip(xs[:-1], grid[:-1, None], strict=True):
        time = t.to(x)
        guess = _mean(guided(x, time, told))
        wanted, without = _mean(guided(x, time, prompt)), _mean(guided(x, time, nothing))
        guesses.append(guess)
        parts.append((_apart(wanted, without), _apart(guess, wanted)))
    guesses.append(xs[-1])
    unit, size = _unit(model, xs[-1])
    c = path(grid)
    steps = tuple(
        Step(
            float(grid[k]), float(grid[k + 1]), float(c.logsnr[k]), float(c.alpha[k]), float(c.sigma[k]),
            *(apart * size for apart in (_apart(here, there), _apart(here, xs[-1]), *parts[k])),
        )
        for k, (here, there) in enumerate(pairwise(guesses))
    )  # fmt: skip
    scales = c.scale.to(xs[0])
    noisy = torch.cat([x / scale for x, scale in zip(xs, scales, strict=True)])
    pictures = model.decode(torch.cat([noisy, *guesses]), model.dtype)
    return Way(request, steps, pictures[: len(xs)], pictures[len(xs) :], unit)


def _mean(posterior: object) -> Tensor:
    mean = getattr(posterior, "mean", None)
    assert isinstance(mean, Tensor)
    return mean


def _apart(one: Tensor, other: Tensor) -> float:
    """Root mean square difference of two samples."""
    return float((one - other).square().mean().sqrt())


def _unit(model: Model, finished: Tensor) -> tuple[str, float]:
    """In what differences are told, and how much of it is a difference of 1 between samples."""
    codec = model.recipe.codec
    if isinstance(codec, PixelCodec):
        return BYTES, BYTE * codec.deviation
    return LATENTS, 100 / float(finished.square().mean().sqrt())


@dataclass(frozen=True)
class Errors:
    """The denoiser's squared error of x, in units of the data's second moment, by noise level.

    Attributes:
        levels: logsnr. errors: mean squared error at each, with its interval over pictures.
        pictures: how many. source: whose they are, for a sentence.
        held_out: whether they are real and were not trained on.
        moment: that second moment; 1 where a codec divides by its root.
    """

    levels: tuple[float, ...]
    errors: tuple[Estimate, ...]
    pictures: int
    source: str
    held_out: bool
    moment: float = 1.0

    def blind(self, level: float) -> float:
        """Error at a level of the best guess where no number tells of another."""
        return blind(level + math.log(self.moment))

    @property
    def useless(self) -> float | None:
        """The first level from which on the guess is worse than to leave the noise in; None where there is none."""
        worse = [e.value > self.blind(level) for level, e in zip(self.levels, self.errors, strict=True)]
        better = [k for k, bad in enumerate(worse) if not bad]
        place = max(better, default=-1) + 1
        return self.levels[place] if place < len(self.levels) else None


def blind(logsnr: float) -> float:
    """Squared error of the best guess where no number tells of another, data of unit variance: sigmoid of -logsnr."""
    return 1 / (1 + math.exp(logsnr))


@torch.inference_mode()
def errors(
    model: Model, request: Request, progress: Callable[[int, int], None] = lambda done, of: None
) -> Errors:
    """Measure the error at each level on held-out pictures, or where none are at hand on the model's own.

    Every level sees the same pictures, under noise of its own. Levels noisier than any of the model's are left out.

    Args:
        model: any.
        request: its seed is that of the choice of pictures and of their noise; its prompt is that of pictures the model
            makes itself, where it names none; so are its steps, of an imported model.
        progress: told (levels done, levels in all).
    """
    try:
        shown, prompts, source = _held_out(model, request.seed)
        held_out = True
    except OrnsteinError as error:
        shown, prompts = _own(model, request)
        source, held_out = f"pictures the model made itself, as no others are at hand ({error})", False
    path, x = model.recipe.process.path, model.encode(shown)
    noisiest = float(path(torch.ones((), dtype=torch.float64)).logsnr)
    levels = tuple(level for level in LEVELS if level >= noisiest)
    moment = float(x.square().mean()) if isinstance(model.recipe, ImportedRecipe) else 1.0
    condition = model.condition(prompts, [""] * len(prompts), [1.0] * len(prompts))
    found: list[Estimate] = []
    for k, level in enumerate(levels):
        t = path.time(torch.full((len(x),), level, dtype=torch.float64)).to(x)
        noise = row_noise([request.seed + row for row in range(len(x))], k, x)
        assert isinstance(noise, Tensor)
        found.append(of_mean(_losses(model, x, t, noise, condition).cpu() / moment))
        progress(k + 1, len(levels))
    return Errors(levels, tuple(found), len(x), source, held_out, moment)


def _losses(model: Model, x: Tensor, t: Tensor, noise: Tensor, condition: Guided) -> Tensor:
    """(rows,) each sample's squared error, in batches that the model's pictures come in."""
    most, denoiser, parts = model.rows(model.recipe.sampling.size)[0], model.denoiser(), list[Tensor]()
    for rows in torch.arange(len(x)).split(most):
        told, path = condition.select(rows).positive, model.recipe.process.path
        parts.append(denoising_loss(denoiser, path, x[rows], t[rows], noise[rows], told, "x"))
    return torch.cat(parts)


def _held_out(model: Model, seed: int) -> tuple[np.ndarray, list[str], str]:
    """Unseen pictures of the training pack, their captions, and their name. Raises OrnsteinError."""
    if model.bundle is None:
        raise OrnsteinError("the model was never saved")
    if model.bundle.imported:
        raise OrnsteinError("an imported model does not tell what it learned from")
    real = real_pictures(model.bundle)
    rows = real.some_unseen(PICTURES, seed)
    captions = [real.held.captions(int(row))[0] for row in rows]
    return (
        real.held.pictures(rows, model.recipe.sampling.size),
        captions,
        f"held-out pictures of {real.held.name}",
    )


def _own(model: Model, request: Request) -> tuple[np.ndarray, list[str]]:
    """Pictures of what the model knows, and their prompts; few of a published one, whose pictures take long."""
    recipe = model.recipe
    if isinstance(recipe, ImportedRecipe):
        prompts, steps = [request.prompt] * FEW, request.steps
    else:
        classes = recipe.condition.names if isinstance(recipe.condition, ClassesCondition) else ()
        known = classes or recipe.training.prompts or (request.prompt,)
        prompts, steps = [known[k % len(known)] for k in range(PICTURES)], None
    made = model.generate(prompts, [request.seed + k for k in range(len(prompts))], steps=steps)
    return np.stack([output.array for output in made]), prompts
