r"""Fitting a sampler: a few noise levels and weights, so that few evaluations end where many do.

The sampler of ``sample/fitted.py`` starts as DPM-Solver++(2M) on the model's own grid and is run as it will be used;
its numbers, some forty at eight evaluations, then follow the gradient of the squared difference between its samples
and those of a fine sampler from the same noise, through the network, whose weights stay as they are (Shaul et al. 2024,
arXiv 2403.01329, section 4, with levels and weights relative to DDIM, of three earlier guesses at most).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path as FilePath
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ornstein.denoise.posterior import Denoiser
from ornstein.denoise.precondition import LOGSNR_LIMIT, Network
from ornstein.distil.prompts import prompts_of
from ornstein.errors import OrnsteinError, UsageError
from ornstein.guide.classifier_free import Guided
from ornstein.imported import with_gradients
from ornstein.model import Model
from ornstein.process.gaussian import Path
from ornstein.process.times import TimeGrid
from ornstein.recipes.imported import ImportedRecipe
from ornstein.request import MAX_GUIDANCE
from ornstein.rng import stream
from ornstein.sample.fitted import DEPTH, Fit, grid, weighted
from ornstein.sample.loop import sample
from ornstein.saving import with_metrics

Tell = Callable[[str, int, int], None]

MOST = 64  # evaluations; with more there is nothing to gain
RATE = 0.05  # of Adam, for weights and for the logarithms of the gaps between levels


@dataclass(frozen=True)
class Plan:
    """How a sampler is fitted.

    Attributes:
        trajectories: of the fine sampler; a quarter of them is kept to measure with.
        iterations: of the optimiser. batch: trajectories in each.
        fine: steps of the fine sampler, DPM-Solver++(2M).
        seed: of prompts, noise and order.
    """

    trajectories: int = 128
    iterations: int = 160
    batch: int = 8
    fine: int = 60
    seed: int = 0


@dataclass(frozen=True)
class Examples:
    """Where the fine sampler begins and ends.

    Attributes:
        noise: of unit variance. condition: a row for each. samples: what it made of them.
        unit: deviation of the data in samples. That of our own models is 1, as their codecs divide by it; what an
            imported model's latents or pixels deviate by only its samples tell (their root mean square, as of ours).
    """

    noise: Tensor
    condition: Guided
    samples: Tensor
    unit: float = 1.0

    def some(self, rows: Tensor) -> Examples:
        """Pick rows."""
        return Examples(self.noise[rows], self.condition.select(rows), self.samples[rows], self.unit)


class Solver(nn.Module):
    """The numbers that are learned: levels as the first one and the gaps that follow, and weights.

    Args:
        start: grid whose levels are the first guess.
        evaluations: how many.
        path: of the model.
    """

    def __init__(self, start: TimeGrid, evaluations: int, path: Path) -> None:
        super().__init__()
        levels = path(start.times(evaluations, path)[:-1]).logsnr.clamp(-LOGSNR_LIMIT, LOGSNR_LIMIT)
        self.first, self.path = levels[:1], path
        self.gaps = nn.Parameter(levels.diff().log())
        self.weights = nn.Parameter(_of_a_line(levels))
        used = torch.arange(evaluations)[:, None] > torch.arange(DEPTH)  # the guesses that are there
        self.register_buffer("used", used)
        self.used: Tensor

    def levels(self) -> Tensor:
        """(evaluations,) logsnr, float64, rising."""
        return torch.cat([self.first, self.first + self.gaps.exp().cumsum(0)])

    def forward(self, denoiser: Denoiser, examples: Examples) -> Tensor:
        """Samples from the examples' noise."""
        times = grid(self.levels(), self.path)
        scale = self.path(times[:1]).scale.to(examples.noise)
        made = sample(
            weighted(self.weights * self.used), denoiser, self.path, examples.noise * scale, times,
            examples.condition, [0] * len(examples.noise),
        )  # fmt: skip
        assert isinstance(made, Tensor)
        return made

    def numbers(self) -> dict[str, tuple[object, ...]]:
        """Levels and weights to five digits, as ``Fit`` takes them."""
        rows = [
            [float(f"{w:.5g}") for w in row[: min(k, DEPTH)]] for k, row in enumerate(self.weights.tolist())
        ]
        return {
            "levels": tuple(float(f"{level:.5g}") for level in self.levels().tolist()),
            "weights": tuple(tuple(row) for row in rows),
        }


def _of_a_line(levels: Tensor) -> Tensor:
    r"""DPM-Solver++(2M)'s weights, $h/2h_{-1}$; the last step, to clean data, holds its own guess."""
    steps, weights = levels.diff(), torch.zeros(len(levels), DEPTH)
    weights[1:-1, 0] = (steps[1:] / (2 * steps[:-1])).float()
    return weights


def fit(
    model: Model,
    evaluations: int,
    examples: Examples,
    guidance: float,
    plan: Plan,
    tell: Tell = lambda *_: None,
) -> Fit:
    """Fit a sampler of so many evaluations; a pure function of its arguments.

    Raises:
        OrnsteinError: the numbers do not stay finite.
    """
    solver = Solver(model.grid(), evaluations, model.recipe.process.path)
    most = min(plan.batch, with_gradients(model, model.recipe.sampling.size))
    order, learned = stream("fit order", plan.seed, evaluations), len(examples.noise) * 3 // 4
    measured = examples.some(torch.arange(learned, len(examples.noise)))
    optimiser = torch.optim.Adam(solver.parameters(), lr=RATE, betas=(0.9, 0.95))
    with _frozen(model):
        denoiser = _differentiable(model)
        plain = _error(solver, denoiser, measured, most)
        for iteration in range(plan.iterations):
            for group in optimiser.param_groups:
                group["lr"] = RATE * (0.5 + 0.5 * math.cos(math.pi * iteration / plan.iterations))
            rows = torch.from_numpy(order.permutation(learned)[: plan.batch])
            optimiser.zero_grad()
            for share in rows.split(most):
                part = examples.some(share)
                loss = (solver(denoiser, part) - part.samples).square().mean() * (len(share) / len(rows))
                if not bool(loss.isfinite()):
                    raise OrnsteinError(f"fitting {evaluations} evaluations diverged: try more of them")
                loss.backward()
            optimiser.step()
            tell(f"fitting {evaluations} evaluations", iteration + 1, plan.iterations)
        error = _error(solver, denoiser, measured, most)
    return Fit.model_validate({**solver.numbers(), "guidance": guidance, "error": error, "plain": plain})


def examples(
    model: Model,
    guidance: float,
    plan: Plan,
    tell: Tell = lambda *_: None,
    prompts: Sequence[str] | None = None,
) -> Examples:
    """Draw from `prompts`, or from those of ``prompts_of``, and noise, and let the fine sampler run."""
    count, known = plan.trajectories, list(prompts or prompts_of(model))
    texts: list[str] = [known[k] for k in stream("fit prompts", plan.seed).integers(0, len(known), count)]
    seeds = stream("fit seeds", plan.seed).integers(0, 2**32, count).tolist()
    # prompts are read once: published text encoders leave memory after each call
    condition = model.condition(texts, [""] * count, [guidance] * count)
    size = model.recipe.sampling.size
    noise = model.start(seeds, size, [torch.zeros((), dtype=torch.float64)] * count)  # there its scale is 1
    samples = _fine(model, noise, condition, plan, tell)
    imported = isinstance(model.recipe, ImportedRecipe)
    return Examples(noise, condition, samples, float(samples.square().mean().sqrt()) if imported else 1.0)


def _fine(model: Model, noise: Tensor, condition: Guided, plan: Plan, tell: Tell) -> Tensor:
    """Where the fine sampler carries noise of unit variance."""
    method, (times,) = model.plan("dpmpp-2m", [plan.fine])
    # some published grids end in a little noise, where no fit does
    times = torch.cat([times[:-1], times.new_zeros(1)])
    path, most = model.recipe.process.path, min(plan.batch, model.rows(model.recipe.sampling.size)[0])
    scale, made = path(times[:1]).scale.to(noise), list[Tensor]()
    with torch.inference_mode():
        denoiser = model.guided(model.denoiser())
        for rows in torch.arange(len(noise)).split(most):
            x, told = noise[rows] * scale, condition.select(rows)
            done = sample(method, denoiser, path, x, times, told, [0] * len(rows))
            assert isinstance(done, Tensor)
            made.append(done)
            tell("fine sampler", int(rows[-1]) + 1, len(noise))
    return torch.cat(made).clone()


def _differentiable(model: Model) -> Denoiser:
    """The guided denoiser; of a published network each evaluation is done again on the way back instead of kept."""
    denoiser = model.denoiser()
    if isinstance(model.recipe, ImportedRecipe):
        denoiser = replace(denoiser, network=partial(_again, denoiser.network))
    return model.guided(denoiser)


def _again(network: Network, *given: Any) -> Tensor:
    if not torch.is_grad_enabled():
        return network(*given)
    return checkpoint(network, *given, use_reentrant=False, preserve_rng_state=False)


def check(model: Model, counts: Sequence[int], guidance: float, plan: Plan, out: FilePath | None) -> None:
    """Refuse what cannot be fitted, before anything runs.

    Raises:
        UsageError: numbers out of range, or `out` exists.
    """
    if wrong := [count for count in counts if not 2 <= count <= MOST]:
        raise UsageError(f"evaluations must be 2 to {MOST}, not {wrong[0]}")
    if not 0 <= guidance <= MAX_GUIDANCE:
        raise UsageError(f"guidance must be 0 to {MAX_GUIDANCE:g}, not {guidance}")
    if plan.trajectories < 2 * plan.batch or plan.iterations < 1:
        raise UsageError(f"at least {2 * plan.batch} trajectories and one iteration are needed")
    if out is not None and out.exists():
        raise UsageError(f"{out} exists already: name a new folder")


def with_fits(model: Model, fits: Sequence[Fit], out: FilePath | None) -> FilePath:
    """Keep fits that improved on where they started; one of as many evaluations and the same guidance is replaced.

    Args:
        model: of a bundle.
        fits: to keep.
        out: a new bundle to put them into; None for the model's own.

    Raises:
        OrnsteinError: the disk refuses.
    """
    assert model.bundle is not None
    better = [fit for fit in fits if fit.error < fit.plain]
    made_for = {(fit.evaluations, fit.guidance) for fit in better}
    old = [fit for fit in model.recipe.sampling.fits if (fit.evaluations, fit.guidance) not in made_for]
    kept = sorted([*old, *better], key=lambda fit: (fit.evaluations, fit.guidance))
    bundle = model.bundle
    if out is not None:
        model.save(out)
        bundle = model.bundle
    fits_as_values = [fit.model_dump(mode="json") for fit in kept]
    return with_metrics(bundle, bundle.metrics(), {"fits": fits_as_values}).folder


@torch.inference_mode()
def _error(solver: Solver, denoiser: Denoiser, examples: Examples, batch: int) -> float:
    total = 0.0
    for start in range(0, len(examples.noise), batch):
        part = examples.some(torch.arange(start, min(start + batch, len(examples.noise))))
        total += float((solver(denoiser, part) - part.samples).square().sum())
    return math.sqrt(total / examples.samples.numel()) / examples.unit


@contextmanager
def _frozen(model: Model) -> Iterator[None]:
    """No gradients for the network's own weights."""
    wanted = [p for p in model.network.parameters() if p.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)
