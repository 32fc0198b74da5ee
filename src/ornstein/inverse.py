r"""The other way: from pictures to the noise they are made of, back again, and how likely they are.

All three follow the probability flow of a model between noise and a first time, at which a picture stands as
$x_t=\alpha(t)\,x$. The way is cut into steps equal in logsnr.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from ornstein.codec.pixels import PixelCodec
from ornstein.denoise.posterior import Denoiser
from ornstein.errors import UsageError
from ornstein.guide.classifier_free import Guided
from ornstein.imported import with_gradients
from ornstein.model import Model
from ornstein.process.gaussian import Coefficients, DiscreteBeta, Path
from ornstein.process.times import LogsnrGrid
from ornstein.recipes.imported import ImportedCodec, ImportedRecipe
from ornstein.recipes.recipe import Recipe, SamplingSection
from ornstein.request import Progress, clean, requests
from ornstein.rng import stream
from ornstein.sample.likelihood import BYTE, bits_per_dimension, log_likelihood
from ornstein.sample.loop import sample
from ornstein.sample.registry import find_method
from ornstein.sample.stepper import Method

T = TypeVar("T")
BARELY_TRAINED = 1e-3
"""Inversion starts where no more than this share of the training was nearer to clean data."""
ROUNDING = 0.5
"""No way starts nearer to data than where its noise deviates by this much of a byte."""
BOTH_WAYS = ("heun", "dpmpp-2s", "ddim")
"""Methods whose order holds toward noise, too; the other deterministic ones are there no better than ddim."""
TRIED, PILOTS = 5, 8  # first levels that are tried for the likelihood, and on how many pictures
MAX_DRAWS = 1000
TIMESTEPS = 1000  # of published flow networks; those of other paths stand in their recipes


def trained_levels(recipe: Recipe, count: int = 20_000) -> Tensor:
    """Noise levels as training drew them: about `count` values of logsnr, float64, over all stages by their shares."""
    path, objective, stages = recipe.process.path, recipe.objective, recipe.training.stages
    whole, random = sum(stage.share for stage in stages), stream("trained levels", 0)
    times = [
        (stage.times or objective.times).draw(random, math.ceil(count * stage.share / whole), path)
        for stage in stages
    ]
    return path(torch.cat(times).double()).logsnr


def inversion_level(recipe: Recipe | ImportedRecipe) -> float:
    """The logsnr at which inversion starts: nearer to data the network has hardly been asked anything.

    There its guesses are wrong by more than what noise is left, and the flow enlarges that without end. Of an imported
    model only the cleanest timestep it knows can be told, not how often training went there.
    """
    if isinstance(recipe, ImportedRecipe):
        path = recipe.process.path
        count = path.steps if isinstance(path, DiscreteBeta) else TIMESTEPS
        cleanest = float(path(torch.tensor(1 / count, dtype=torch.float64)).logsnr)
    else:
        cleanest = float(trained_levels(recipe).quantile(1 - BARELY_TRAINED))
    return min(cleanest, rounding_level(recipe))


def rounding_level(recipe: Recipe | ImportedRecipe) -> float:
    """The logsnr at which the noise of a picture deviates by half a byte: nearer to data there is nothing to see.

    Infinite for latents, of which nobody can say it.
    """
    codec = recipe.codec
    return 2 * math.log(BYTE * codec.deviation / ROUNDING) if isinstance(codec, PixelCodec) else math.inf


def rising(path: Path, steps: int, level: float) -> Tensor:
    """(steps + 1,) float64 times from a logsnr near data to noise, equal steps in logsnr."""
    return LogsnrGrid(logsnr_max=level).times(steps + 1, path)[:-1].flip(0)


def invert(
    model: Model,
    pictures: np.ndarray | Tensor,
    prompts: str | Sequence[str] = "",
    *,
    steps: int = 50,
    sampler: str = "heun",
    guidance: float = 1.0,
    level: float | None = None,
    progress: Progress = lambda done, of: None,
) -> Tensor:
    """The noise of which the model makes these pictures (Song, Meng & Ermon 2020, arXiv 2010.02502, section 4.3).

    Heun's method loses least on the way there and back: the errors of both ways cancel but for third order. Guidance
    other than 1 carries further from data, and back less exactly.

    Args:
        model: any, its guidance interval included.
        pictures: uint8 (B, H, W, C), premultiplied; sides as the model makes them. Or what ``encoded`` made of them.
        prompts: one for all or one for each; empty for none.
        steps: of the sampler.
        sampler: heun, dpmpp-2s or ddim.
        guidance: scale; 1 is off.
        level: logsnr of the first time; None takes ``inversion_level``.
        progress: told (pictures done, pictures in all).

    Returns:
        (B, *shape of a sample) float32, of unit variance as far as the model fits the pictures.

    Raises:
        UsageError: an argument out of range, another method, or pictures this model cannot make.
    """
    texts, method = _asked(prompts, len(pictures), steps, sampler, guidance)
    first = inversion_level(model.recipe) if level is None else level
    grid = rising(model.recipe.process.path, steps, first)
    x = pictures if isinstance(pictures, Tensor) else encoded(model, pictures)
    x = x.to(model.device) * _number(model, grid[0]).alpha
    moved = _follow(model, method, x, grid, texts, guidance, progress)
    return moved / _number(model, grid[-1]).scale.cpu()


def from_noise(
    model: Model,
    noise: Tensor,
    prompts: str | Sequence[str] = "",
    *,
    steps: int = 50,
    sampler: str = "heun",
    guidance: float = 1.0,
    progress: Progress = lambda done, of: None,
) -> np.ndarray:
    """The way back: pictures of noise that ``invert`` found, told the same.

    Args:
        model: the same.
        noise: float32 (B, *shape of a sample), of unit variance.
        prompts: one for all or one for each; empty for none.
        steps: of the sampler.
        sampler: heun, dpmpp-2s or ddim.
        guidance: scale; 1 is off.
        progress: told (pictures done, pictures in all).

    Returns:
        uint8 (B, H, W, C), premultiplied.

    Raises:
        UsageError: as ``invert``; or noise of another shape, or not finite.
    """
    way = {"steps": steps, "sampler": sampler, "guidance": guidance, "progress": progress}
    x = samples_from_noise(model, noise, prompts, **way)
    return model.decode(x.to(model.device), torch.float32)


def samples_from_noise(
    model: Model,
    noise: Tensor,
    prompts: str | Sequence[str] = "",
    *,
    steps: int = 50,
    sampler: str = "heun",
    guidance: float = 1.0,
    progress: Progress = lambda done, of: None,
) -> Tensor:
    """As ``from_noise``, but what ``encoded`` makes of pictures: float32 (B, *shape of a sample)."""
    texts, method = _asked(prompts, len(noise), steps, sampler, guidance)
    size = noise.shape[1] * factor_of(model) if noise.ndim == 4 else 0
    if not size or size % model.recipe.network.multiple or noise.shape[1:] != model.recipe.codec.shape(size):
        raise UsageError(f"noise of shape {tuple(noise.shape)} is not what this model's pictures are made of")
    if not noise.isfinite().all():
        raise UsageError("the noise is not finite")
    grid = rising(model.recipe.process.path, steps, inversion_level(model.recipe)).flip(0)
    x = noise.float().to(model.device) * _number(model, grid[0]).scale
    moved = _follow(model, method, x, grid, texts, guidance, progress)
    return moved / _number(model, grid[-1]).alpha.cpu()


def factor_of(model: Model) -> int:
    """Pixels a side that one element of a sample stands for."""
    codec = model.recipe.codec
    return codec.factor if isinstance(codec, ImportedCodec) else 1


@dataclass(frozen=True)
class Bits:
    """Bits per dimension.

    Attributes:
        each: (B, draws) float64, one estimate a picture and draw.
        level: the logsnr at which the flow started.
    """

    each: Tensor
    level: float

    @property
    def pictures(self) -> Tensor:
        """(B,) each picture's mean over its draws."""
        return self.each.mean(1)

    @property
    def errors(self) -> Tensor:
        """(B,) standard errors of those means; NaN for a single draw."""
        draws = self.each.shape[1]
        return self.each.var(1, correction=0).div(draws - 1 if draws > 1 else math.nan).sqrt()


def bits_of(
    model: Model,
    pictures: np.ndarray,
    prompts: str | Sequence[str] = "",
    *,
    steps: int = 30,
    draws: int = 1,
    seed: int = 0,
    level: float | None = None,
    progress: Progress = lambda done, of: None,
) -> Bits:
    r"""Bits that a byte of each picture costs in a code made for the model: low is likely.

    The model is taken as one that follows the flow from noise to a first time, divides by $\alpha$, and rounds to
    bytes. The probability of a byte is then the integral of a density over the byte's width, and by Jensen's inequality

    $$-\log_2 P(x)\le\operatorname{E}_u\left[-\log_2 p(x+u)\right],\qquad u\text{ uniform over that width}$$

    (Theis et al. 2015, arXiv 1511.01844, section 3.1; Ho et al. 2019, arXiv 1902.00275, section 3.1). One draw is one
    `u` and one random direction for each trace. So the mean is an upper bound, whatever the first time, but for what
    the steps leave out: few steps flatter. Too noisy a time is loose by the noise that is left, too clean a one by
    guesses nobody trained.

    Args:
        model: of pixels.
        pictures: uint8 (B, H, W, C), premultiplied.
        prompts: one for all or one for each; empty for none. Guidance is off.
        steps: of Heun's method.
        draws: of bytes' noise and directions, for each picture; two or more give each its standard error.
        seed: of the first picture's draws; the next have the next ones.
        level: logsnr of the first time; None takes ``tightest_level``, which the first pictures decide.
        progress: told (estimates done, estimates in all).

    Raises:
        UsageError: an argument out of range, or pictures this model cannot make.
    """
    texts, _ = _asked(prompts, len(pictures), steps, "heun", 1.0)
    if not 1 <= draws <= MAX_DRAWS:
        raise UsageError(f"draws must be 1 to {MAX_DRAWS}, not {draws}")
    codec, path = model.recipe.codec, model.recipe.process.path
    refuse_latents(model)
    assert isinstance(codec, PixelCodec)
    x = encoded(model, pictures)
    if level is None:
        level = tightest_level(model, pictures, texts, steps=steps, seed=seed)
    grid, denoiser = rising(path, steps, level), _denoiser(model)
    alpha, dimensions = _number(model, grid[0]).alpha, x[0].numel()
    rows = [(row, (seed + row) * draws + draw) for row in range(len(x)) for draw in range(draws)]
    found: list[Tensor] = []
    for part in _portions(rows, with_gradients(model, pictures.shape[1]), progress):
        seeds = [own for _, own in part]
        noisy = torch.stack(
            [x[row] + _byte_noise(own, x[row]) / (BYTE * codec.deviation) for row, own in part]
        )
        told = _condition(model, [texts[row] for row, _ in part], 1.0)
        nats = log_likelihood(denoiser, path, noisy * alpha, grid, told, seeds)
        nats = nats + dimensions * alpha.log()  # a density of x, not of alpha x
        found.append(bits_per_dimension(nats, dimensions, codec.deviation).double().cpu())
    return Bits(torch.cat(found).reshape(len(x), draws), level)


def refuse_latents(model: Model) -> None:
    """Raise UsageError for a model whose likelihood says nothing of pictures."""
    if not isinstance(model.recipe.codec, PixelCodec):
        raise UsageError(
            f"{model.recipe.name} models latents, and bits of latents are no bits of pictures: likelihood is for "
            "models of pixels"
        )


def tightest_level(
    model: Model, pictures: np.ndarray, prompts: str | Sequence[str] = "", *, steps: int = 30, seed: int = 0
) -> float:
    """The first level at which the first few pictures cost least, of five from ``inversion_level`` to half a byte."""
    few = slice(0, PILOTS)
    told = prompts if isinstance(prompts, str) else prompts[few]
    ends = inversion_level(model.recipe), rounding_level(model.recipe)

    def cost(level: float) -> float:
        return float(bits_of(model, pictures[few], told, steps=steps, seed=seed, level=level).each.mean())

    return min(np.linspace(*ends, TRIED).tolist(), key=cost)


def encoded(model: Model, pictures: np.ndarray) -> Tensor:
    """Samples of pictures, float32 on the model's device.

    Raises:
        UsageError: not uint8 (B, H, W, C) of a size and of channels that the model has.
    """
    recipe = model.recipe
    multiple, channels = recipe.network.multiple, recipe.codec.channels
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or not len(pictures):
        raise UsageError(f"pictures are uint8 (B, H, W, C), not {pictures.dtype} of shape {pictures.shape}")
    height, width = pictures.shape[1:3]
    if height != width or height % multiple or pictures.shape[3] != channels:
        found = f"{height} x {width} with {pictures.shape[3]} channels"
        raise UsageError(
            f"this model's pictures are squares of {channels} channels, in multiples of {multiple}, not {found}"
        )
    low, high = model.limits
    if isinstance(recipe, ImportedRecipe) and not low <= height <= high:
        raise UsageError(f"this model's pictures have sides of {low} to {high} pixels, not {height}")
    return model.encode(pictures)


def _asked(
    prompts: str | Sequence[str], rows: int, steps: int, sampler: str, guidance: float
) -> tuple[list[str], Method]:
    """Each row's prompt, and the method; everything checked."""
    requests("any", 1, 0, "", SamplingSection(), steps=steps, guidance=guidance, sampler=sampler)
    method = find_method(sampler)
    if sampler not in BOTH_WAYS:
        why = "draws noise on the way" if method.stochastic else "is made for the way to data alone"
        raise UsageError(f"{sampler} {why} and cannot be inverted; these can: {', '.join(BOTH_WAYS)}")
    texts = [prompts] * rows if isinstance(prompts, str) else list(prompts)
    if len(texts) != rows:
        raise UsageError(f"{rows} pictures need one prompt or {rows}, not {len(texts)}")
    try:
        return [clean(text) for text in texts], method
    except ValueError as error:
        raise UsageError(str(error)) from None


@torch.inference_mode()
def _follow(
    model: Model,
    method: Method,
    x: Tensor,
    grid: Tensor,
    prompts: Sequence[str],
    guidance: float,
    progress: Progress,
) -> Tensor:
    """Samples at the last of the grid's times, those at its first given."""
    path, denoiser = model.recipe.process.path, _denoiser(model)
    found: list[Tensor] = []
    for rows in _portions(range(len(x)), model.rows(x.shape[1] * factor_of(model))[0], progress):
        told = _condition(model, [prompts[row] for row in rows], guidance)
        moved = sample(method, denoiser, path, x[list(rows)].to(model.device), grid, told, [0] * len(rows))
        assert isinstance(moved, Tensor)
        found.append(moved.cpu())
    return torch.cat(found)


def _denoiser(model: Model) -> Denoiser:
    """The model's own, guided as it is told, in float32: what is followed back must not be rounded on the way."""
    return model.guided(model.denoiser(dtype=torch.float32))


def _condition(model: Model, prompts: Sequence[str], guidance: float) -> Guided:
    return model.condition(prompts, [""] * len(prompts), [guidance] * len(prompts))


def _number(model: Model, t: Tensor) -> Coefficients:
    """Coefficients at one time, as float32 beside the model's samples."""
    c = model.recipe.process.path(t)
    return Coefficients(c.alpha.float().to(model.device), c.sigma.float().to(model.device))


def _byte_noise(seed: int, like: Tensor) -> Tensor:
    """Uniform over a byte's width, from -1/2 to 1/2."""
    noise = stream("byte noise", seed).random(tuple(like.shape), dtype=np.float32) - 0.5
    return torch.from_numpy(noise).to(like.device)


def _portions(rows: Sequence[T], most: int, progress: Progress) -> Iterator[Sequence[T]]:
    """Rows in batches; told of when done."""
    for start in range(0, len(rows), most):
        yield rows[start : start + most]
        progress(min(start + most, len(rows)), len(rows))
