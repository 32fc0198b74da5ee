"""What the tests of the core share: every path, every method, and exact data to run them on."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from ornstein.condition.tokens import Tokens
from ornstein.denoise.exact import GaussianDenoiser
from ornstein.denoise.posterior import Posterior
from ornstein.process.fields import pad
from ornstein.process.gaussian import Cosine, DiscreteBeta, Flow, LinearBeta, Path, VarianceExploding
from ornstein.sample.history import differences, held_mean, mean_moments, past
from ornstein.sample.registry import METHODS

PATHS: dict[str, Path] = {
    "cosine": Cosine(),
    "flow": Flow(),
    "linear-beta": LinearBeta(),
    "ddpm-grid": DiscreteBeta(),
    "stable-diffusion-grid": DiscreteBeta(schedule="scaled-linear", beta_start=0.00085, beta_end=0.012),
    "variance-exploding": VarianceExploding(),
}

each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
each_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
each_deterministic = pytest.mark.parametrize(
    "method",
    [m for m in METHODS.values() if not m.stochastic],
    ids=[n for n, m in METHODS.items() if not m.stochastic],
)
each_stochastic = pytest.mark.parametrize(
    "method",
    [m for m in METHODS.values() if m.stochastic],
    ids=[n for n, m in METHODS.items() if m.stochastic],
)


def half_curved(mean: Tensor, size: Tensor, *flat: Tensor) -> Tensor:
    """What DPM-Solver++(3M) holds in the code published with it: half of the curvature."""
    earlier = past(flat)
    if len(earlier) < 2:
        return held_mean(mean, size, *flat)
    curved = differences(mean, earlier)[1] * mean_moments(size, 2)[1]
    return held_mean(mean, size, *flat) - curved / 2


def real(*values: float) -> Tensor:
    """Numbers as float64, () for one and (n,) for several."""
    return torch.tensor(values[0] if len(values) == 1 else values, dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal float64 numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(path: Path, mean: float = 0.7, deviation: float = 0.5) -> GaussianDenoiser:
    """The exact denoiser of N(mean, deviation^2)."""
    return GaussianDenoiser(path, real(mean), real(deviation))


def start(path: Path, *shape: int, seed: int = 0) -> Tensor:
    """Samples at t = 1: noise in the path's own scale."""
    return normal(*shape, seed=seed) * path(real(1.0)).scale


def wish(values: Sequence[float]) -> Tokens:
    """Conditions whose single token holds the mean of the data that is wanted; NaN is the null condition."""
    states = torch.tensor(values, dtype=torch.float64)[:, None, None]
    return Tokens(states.nan_to_num(0.0), ~states[..., 0].isnan())


@dataclass
class WishedGaussian:
    """The exact denoiser of N(wish, deviation^2) for each row's wish; counts what it is asked."""

    path: Path
    deviation: float = 0.5
    calls: int = 0
    rows: int = 0

    def __call__(self, x_t: Any, t: Any, condition: Any) -> Posterior:
        self.calls, self.rows = self.calls + 1, self.rows + len(x_t)
        means = pad(condition.states[:, 0, 0].to(x_t.dtype), x_t).expand_as(x_t)
        return GaussianDenoiser(self.path, means, torch.full_like(means, self.deviation))(x_t, t)


def slope(error: Callable[[int], float], steps: Sequence[int]) -> float:
    """Order of convergence: minus the slope of log error against log steps, by least squares."""
    logs = torch.tensor([[float(n), error(n)] for n in steps], dtype=torch.float64).log()
    centred = logs - logs.mean(0)
    return float(-(centred[:, 0] * centred[:, 1]).sum() / (centred[:, 0] ** 2).sum())


def unused_noise() -> Any:
    """Noise for deterministic methods, which never ask for it."""
    raise AssertionError("a deterministic method drew noise")


def heed_interrupts() -> None:
    """Run in a new process before its program: a shell's background jobs are born deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """As the libraries of published checkpoints set it while they load, for all threads."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
