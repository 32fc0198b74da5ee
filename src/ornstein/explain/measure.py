"""What there is to measure: one picture's way from noise step by step, and the denoiser's error by noise level."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ornstein.errors import OrnsteinError
from ornstein.evaluate.estimate import Estimate, of_mean
from ornstein.evaluate.sets import real_pictures
from ornstein.model import Model
from ornstein.process.noise import row_noise
from ornstein.recipes.recipe import ClassesCondition
from ornstein.request import Request
from ornstein.sample.likelihood import BYTE
from ornstein.train.objective import denoising_loss

PICTURES = 16  # that the error by noise level is measured on
LEVELS = tuple(float(level) for level in range(-8, 9))  # logsnr


@dataclass(frozen=True)
class Step:
    """One step, from time `t` to `s`. Differences of pictures are root mean squares in bytes of 255.

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
    """

    request: Request
    steps: tuple[Step, ...]
    noisy: np.ndarray
    guesses: np.ndarray

    @property
    def half(self) -> int:
        """The step from which on guesses are less than half as far from the finished picture as the first one.

        n + 1 where no guess is.
        """
        far = [k for k, step in enumerate(self.steps) if step.left > self.steps[0].left / 2]
        return max(far, default=-1) + 2


@torch.inference_mode()
def way(model: Model, request: Request, progress: Callable[[int, int], None] = lambda done, of: None) -> Way:
    """Make the picture of a request as ``Model.generate`` does, and ask at each of its times what is guessed there."""
    path, codec = model.recipe.process.path, model.recipe.codec
    grid = model.plan(request.sampler, [request.steps])[1][0]
    told = model.condition([request.prompt], [request.negative], [request.guidance])
    plain = model.denoiser()
    guided = model.guided(plain)
    states = model.trajectory(
        [request.prompt], [request.seed], steps=[request.steps], guidance=[request.guidance],
        sampler=request.sampler, negatives=[request.negative], size=request.size,
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
        wanted, without = _mean(plain(x, time, told.positive)), _mean(plain(x, time, told.negative))
        guesses.append(guess)
        parts.append((_apart(model, wanted, without), _apart(model, guess, wanted)))
    guesses.append(xs[-1])
    c = path(grid)
    steps = tuple(
        Step(
            float(grid[k]), float(grid[k + 1]), float(c.logsnr[k]), float(c.alpha[k]), float(c.sigma[k]),
            _apart(model, here, there), _apart(model, here, xs[-1]), *parts[k],
        )
        for k, (here, there) in enumerate(pairwise(guesses))
    )  # fmt: skip
    scales = c.scale.to(xs[0])
    noisy = codec.decode(torch.cat([x / scale for x, scale in zip(xs, scales, strict=True)]))
    return Way(request, steps, noisy, codec.decode(torch.cat(guesses)))


def _mean(posterior: object) -> Tensor:
    mean = getattr(posterior, "mean", None)
    assert isinstance(mean, Tensor)
    return mean


def _apart(model: Model, one: Tensor, other: Tensor) -> float:
    """Root mean square difference of two samples, in bytes."""
    return float((one - other).square().mean().sqrt()) * BYTE * model.recipe.codec.deviation


@dataclass(frozen=True)
class Errors:
    """The denoiser's squared error of x, in units of the data's second moment, by noise level.

    Attributes:
        levels: logsnr. errors: mean squared error at each, with its interval over pictures.
        pictures: how many. source: whose they are, for a sentence.
        held_out: whether they are real and were not trained on.
    """

    levels: tuple[float, ...]
    errors: tuple[Estimate, ...]
    pictures: int
    source: str
    held_out: bool

    @property
    def useless(self) -> float | None:
        """The first level from which on the guess is worse than to leave the noise in; None where there is none."""
        worse = [e.value > blind(level) for level, e in zip(self.levels, self.errors, strict=True)]
        better = [k for k, bad in enumerate(worse) if not bad]
        place = max(better, default=-1) + 1
        return self.levels[place] if place < len(self.levels) else None


def blind(logsnr: float) -> float:
    """Squared error of the best guess where no number tells of another, data of unit variance: sigmoid of -logsnr."""
    return 1 / (1 + math.exp(logsnr))


@torch.inference_mode()
def errors(
    model: Model, prompt: str, seed: int, progress: Callable[[int, int], None] = lambda done, of: None
) -> Errors:
    """Measure the error at each level on held-out pictures, or where none are at hand on the model's own.

    Every level sees the same pictures, under noise of its own.

    Args:
        model: any.
        prompt: of pictures the model makes itself, where its recipe names none.
        seed: of the choice of pictures and of their noise.
        progress: told (levels done, levels in all).
    """
    try:
        shown, prompts, source = _held_out(model, seed)
        held_out = True
    except OrnsteinError as error:
        shown, prompts = _own(model, prompt, seed)
        source, held_out = f"pictures the model made itself, as no others are at hand ({error})", False
    path, denoiser = model.recipe.process.path, model.denoiser()
    x = model.recipe.codec.encode(shown).to(model.device)
    condition = model.encoder.encode(prompts).to(model.device)
    found: list[Estimate] = []
    for k, level in enumerate(LEVELS):
        t = path.time(torch.full((len(x),), level, dtype=torch.float64)).to(x)
        noise = row_noise([seed + row for row in range(len(x))], k, x)
        assert isinstance(noise, Tensor)
        found.append(of_mean(denoising_loss(denoiser, path, x, t, noise, condition, "x").cpu()))
        progress(k + 1, len(LEVELS))
    return Errors(LEVELS, tuple(found), len(x), source, held_out)


def _held_out(model: Model, seed: int) -> tuple[np.ndarray, list[str], str]:
    """Unseen pictures of the training pack, their captions, and their name. Raises OrnsteinError."""
    if model.bundle is None:
        raise OrnsteinError("the model was never saved")
    real = real_pictures(model.bundle)
    rows = real.some_unseen(PICTURES, seed)
    captions = [real.held.captions(int(row))[0] for row in rows]
    return (
        real.held.pictures(rows, model.recipe.sampling.size),
        captions,
        f"held-out pictures of {real.held.name}",
    )


def _own(model: Model, prompt: str, seed: int) -> tuple[np.ndarray, list[str]]:
    """Pictures of what the model knows, and their prompts."""
    condition, shown = model.recipe.condition, model.recipe.training.prompts
    known = (condition.names if isinstance(condition, ClassesCondition) else shown) or (prompt,)
    prompts = [known[k % len(known)] for k in range(PICTURES)]
    made = model.generate(prompts, [seed + k for k in range(PICTURES)])
    return np.stack([output.array for output in made]), prompts
