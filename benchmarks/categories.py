"""Samplers of categories against an exact law, and what a draw costs.

    python benchmarks/categories.py

The law is a chain of five elements of two kinds, each like its neighbour four times out of five; the denoiser is
exact, so all that is left is the sampler's own error. Told is the total variation distance of 20 000 samples to the
law, over all 32 rows, beside that of as many exact samples; then the time of drawing 512 elements of 4096 categories by
inverse distribution function and by Gumbel's way.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ornstein.denoise.exact import EnumeratedDenoiser
from ornstein.process.masked import MASK, Masked
from ornstein.process.times import UniformGrid
from ornstein.sample.masked import draw
from ornstein.sample.registry import TOKEN_METHODS
from ornstein.sample.stepper import Method, as_given

LENGTH, KINDS, ROWS = 5, 2, 20_000
VALUES = torch.tensor(list(itertools.product(range(KINDS), repeat=LENGTH)))
PATH = Masked()


def chain() -> Tensor:
    """Probability of every row."""
    alike = (VALUES[:, 1:] == VALUES[:, :-1]).double()
    return (alike * math.log(0.8) + (1 - alike) * math.log(0.2)).sum(1).exp() / KINDS


def sampled(method: Method, steps: int, law: Tensor) -> Tensor:
    """Samples of the method; all rows draw from one stream, which is quicker than one a row."""
    denoiser, random = EnumeratedDenoiser(VALUES, law.log(), KINDS), torch.Generator().manual_seed(steps)
    x = torch.full((ROWS, LENGTH), MASK)
    grid = UniformGrid().times(steps, PATH)[:, None].expand(-1, LENGTH)
    grids = grid[:, None].expand(-1, ROWS, -1)
    if method.arrange is not as_given:
        grids = torch.stack([method.arrange(grid, PATH, row) for row in range(ROWS)], 1)
    for t, s in itertools.pairwise(grids):
        x, _ = method.step(denoiser, PATH, x, t, s, {}, partial(uniforms, random))
    assert isinstance(x, Tensor)
    return x


def uniforms(random: torch.Generator) -> Tensor:
    """Of every element."""
    return torch.rand(ROWS, LENGTH, generator=random, dtype=torch.float64)


def distance(x: Tensor, law: Tensor) -> float:
    """Total variation between what was found and the law."""
    number = x @ (KINDS ** torch.arange(LENGTH - 1, -1, -1))
    return float((torch.bincount(number, minlength=len(law)) / len(x) - law).abs().sum() / 2)


def gumbel(logits: Tensor, random: np.random.Generator, dtype: type[np.floating]) -> Tensor:
    """The draw that needs a uniform for each category."""
    uniform = torch.as_tensor(random.random(logits.shape, dtype=dtype))
    return (logits.to(uniform.dtype) - (-uniform.log()).log()).argmax(-1)


def milliseconds(work: Callable[[], object]) -> float:
    """The quickest of ten."""
    times: list[float] = []
    for _ in range(10):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def main() -> None:
    """Print both tables."""
    law = chain()
    exact = VALUES[torch.multinomial(law, ROWS, replacement=True, generator=torch.Generator().manual_seed(0))]
    counts = (1, 2, 4, 8, 16, 32, 64)
    print(f"total variation to the law after so many steps; of exact samples {distance(exact, law):.3f}")
    print(f"{'sampler':15}" + "".join(f"{steps:>8}" for steps in counts))
    for name, method in TOKEN_METHODS.items():
        tried = counts if name != "first-hitting" else (LENGTH,)
        found = {steps: distance(sampled(method, steps, law), law) for steps in tried}
        note = f"  with {LENGTH} evaluations" if name == "first-hitting" else ""
        print(f"{name:15}" + "".join(f"{value:8.3f}" for value in found.values()) + note, flush=True)
    random = np.random.default_rng(0)
    logits = 3 * torch.randn(512, 4096, generator=torch.Generator().manual_seed(0))
    ways = {
        "inverse distribution function, float64 sums": lambda: draw(
            logits, torch.as_tensor(random.random(512))
        ),
        "Gumbel, float64": lambda: gumbel(logits, random, np.float64),
        "Gumbel, float32 (biased)": lambda: gumbel(logits, random, np.float32),
    }
    print("\ndrawing 512 elements of 4096 categories, milliseconds on one core")
    for name, way in ways.items():
        print(f"{name:45}{milliseconds(way):8.1f}")


if __name__ == "__main__":
    main()
