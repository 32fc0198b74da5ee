r"""Fitted samplers: where to ask a network a few times, and how to weigh its guesses, as numbers that were learned.

Every multistep method holds over its step a guess made of this one and earlier ones,

$$\hat x_i+\sum_k w_{ik}\,(\hat x_i-\hat x_{i-k}),$$

with weights that follow from the lengths of the steps. With few evaluations no such rule is exact; the weights of each
step, and the noise levels themselves, can instead be fitted to what one network's trajectories look like (Shaul et al.
2024, arXiv 2403.01329, non-stationary solvers). ``distil/solver.py`` does so; here is how they are used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from ornstein.config import Config
from ornstein.denoise.posterior import Bound
from ornstein.process.fields import Sample, Time, fieldwise, first_tensor, pad
from ornstein.process.gaussian import Path, coefficients
from ornstein.sample.stepper import Memory, Method, Paths, denoising_step

DEPTH = 3
"""Earlier guesses that a step weighs."""

FITTED = "fitted"


class Fit(Config):
    """A sampler for one network and one number of evaluations.

    Attributes:
        levels: logsnr of each evaluation, rising; the last step goes to clean data.
        weights: of each step, one for each earlier guess, latest first: none for the first step, at most three.
        guidance: the scale it was fitted at.
        error: root mean square difference of its samples to those of a fine sampler, in deviations of the data (of an
            imported model: of the fine samples, which tell them), on noise it was not fitted to.
        plain: the same of the sampler it started from.
    """

    levels: tuple[float, ...] = Field(min_length=1, max_length=64)
    weights: tuple[tuple[float, ...], ...]
    guidance: float = Field(ge=0)
    error: float = Field(ge=0)
    plain: float = Field(ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Fit:
        if any(later <= earlier for earlier, later in zip(self.levels, self.levels[1:], strict=False)):
            raise ValueError("levels must rise")
        if [len(row) for row in self.weights] != [min(k, DEPTH) for k in range(len(self.levels))]:
            raise ValueError(f"each level needs a weight for every guess before it, up to {DEPTH}")
        return self

    @property
    def evaluations(self) -> int:
        """Of the network; the number of steps."""
        return len(self.levels)

    @property
    def name(self) -> str:
        """What a record calls it: other numbers have another name, so no replay mistakes one for another."""
        numbers = json.dumps([self.levels, self.weights])
        return f"{FITTED}-{hashlib.sha256(numbers.encode()).hexdigest()[:8]}"

    def times(self, path: Path) -> Float[Tensor, " times"]:
        """Falling times, float64, the last one 0."""
        return grid(torch.tensor(self.levels, dtype=torch.float64), path)

    def method(self) -> Method:
        """The sampler; made for its own ``times`` alone."""
        rows = [[*row, *[0.0] * (DEPTH - len(row))] for row in self.weights]
        return weighted(torch.tensor(rows, dtype=torch.float32))


def grid(levels: Float[Tensor, " steps"], path: Path) -> Float[Tensor, " times"]:
    """Times of noise levels, then clean data."""
    times = path.time(levels)
    return torch.cat([times, times.new_zeros(1)])


def weighted(weights: Float[Tensor, "steps depth"]) -> Method:
    """The method that weighs earlier guesses by numbers of each step; differentiable in them and in its times."""
    return Method(partial(_step, weights), 1, 1, False, "fitted to this network", _fresh)


def _fresh(x: Sample) -> Memory:
    guesses = {f"guess {k}": fieldwise(torch.zeros_like, x) for k in range(1, DEPTH + 1)}
    like = first_tensor(x)
    return {**guesses, "taken": torch.zeros(len(like), dtype=torch.long, device=like.device)}


def _step(
    weights: Float[Tensor, "steps depth"],
    denoise: Bound,
    path: Paths,
    x: Sample,
    t: Time,
    s: Time,
    memory: Memory,
    noise: Callable[[], Sample],
) -> tuple[Sample, Memory]:
    """The DDIM step with the weighed guess held."""
    here, there = coefficients(path, t), coefficients(path, s)
    mean, taken = denoise(x, t).mean, memory["taken"]
    assert isinstance(taken, Tensor)
    earlier = [memory[f"guess {k}"] for k in range(1, DEPTH + 1)]
    held = fieldwise(_weigh, mean, weights.to(taken.device)[taken], *earlier)
    guesses = {f"guess {k + 1}": guess for k, guess in enumerate([mean, *earlier[:-1]])}
    return fieldwise(denoising_step, x, held, here, there), {**guesses, "taken": taken + 1}


def _weigh(
    mean: Float[Tensor, "rows *shape"],
    weights: Float[Tensor, "rows depth"],
    *earlier: Float[Tensor, "rows *shape"],
) -> Float[Tensor, "rows *shape"]:
    held = mean
    for k, guess in enumerate(earlier):
        held = held + pad(weights[:, k].to(mean.dtype), mean) * (mean - guess)
    return held
