"""The one training loop: the same pictures in the same order, until the budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ornstein.data.draw import Uniform
from ornstein.data.manifest import TRAIN
from ornstein.data.pack import Pack
from ornstein.recipes.recipe import Recipe
from ornstein.rng import stream
from ornstein.train.ema import AveragedWeights

from .family import DivergedError, Family, Settings

AVERAGED = 1 / 40  # half-life of the running average, as a share of the pictures seen in all


@dataclass(frozen=True)
class Trained:
    """A family at the end of its run, with averaged weights in its generator.

    Attributes:
        steps: taken; `flops`: spent on them; `seconds`: that took. curve: losses of each step.
        diverged: why the run ended early; empty where it did not.
    """

    family: Family
    steps: int
    flops: int
    seconds: float
    curve: list[dict[str, float]]
    diverged: str


def train(
    kind: type[Family],
    recipe: Recipe,
    settings: Settings,
    seed: int,
    pack: Pack,
    budget: float,
    progress: Callable[[int, int], None] = lambda step, of: None,
) -> Trained:
    """Train a family from fresh weights for as many whole steps as the budget pays, at least one.

    Args:
        kind: the family.
        recipe: data and shape.
        settings: learning rate and the like.
        seed: of weights, draws and noise.
        pack: whose training split is learned.
        budget: floating-point operations of training.
        progress: told (steps done, steps in all).
    """
    draw = Uniform(pack, TRAIN)

    def batch(step: int) -> Tensor:
        return recipe.codec.encode(pack.pictures(draw(seed, step, kind.batch)[0]))

    each = flops_of_step(kind(recipe, settings, seed), batch(0))
    steps = steps_within(budget, each)
    family = kind(recipe, settings, seed)
    average = AveragedWeights(family.generator, max(1, round(AVERAGED * steps * kind.batch)))
    curve: list[dict[str, float]] = []
    diverged, started = "", time.perf_counter()
    for step in range(steps):
        try:
            curve.append(family.step(batch(step), stream("families", seed, step), step / steps))
        except DivergedError as error:
            diverged = f"not finite at step {step}: {error}"
            break
        average.update(family.generator, (step + 1) * kind.batch, kind.batch)
        progress(step + 1, steps)
    seconds = time.perf_counter() - started
    family.generator.load_state_dict(average.tensors)
    return Trained(family, len(curve), len(curve) * each, seconds, curve, diverged)


def flops_of_step(family: Family, x: Tensor) -> int:
    """Operations of a real step, gradients of gradients included: what torch counts of products and convolutions.

    The step is taken, so give it a family made for this.
    """
    with FlopCounterMode(display=False) as counter:
        family.step(x, stream("families flops", 0), 0.0)
    return counter.get_total_flops()


def steps_within(budget: float, each: int) -> int:
    """Whole steps of `each` operations that a budget pays, at least one."""
    return max(1, int(budget // each))
