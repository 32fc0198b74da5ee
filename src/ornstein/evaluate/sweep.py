"""Which sampler, how many steps, how much guidance? Measured, one change at a time, on a smaller sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ornstein.evaluate.estimate import Estimate, of_mean
from ornstein.evaluate.evaluation import Evaluator, Plan
from ornstein.evaluate.features import FeatureNetwork, find_network
from ornstein.evaluate.fidelity import discrepancy
from ornstein.evaluate.mmd import polynomial
from ornstein.evaluate.report import pyplot, svg
from ornstein.evaluate.samples import Settings
from ornstein.sample.registry import METHODS

GUIDANCE = (1.0, 1.5, 2.0, 3.0, 4.5, 6.0)
EVALUATIONS = (6, 10, 20, 40)  # steps times evaluations a step, so that methods compare at equal cost
SLACK = 1.05  # a cheaper setting within this factor of the best distance is preferred


@dataclass(frozen=True)
class Point:
    """One setting: KID against pictures trained on, and the scorer's alignment where there is one."""

    settings: Settings
    distance: Estimate
    alignment: Estimate | None


def sweep(evaluator: Evaluator, plan: Plan) -> tuple[list[Point], list[Point]]:
    """Measure settings around the plan's: (by guidance, by sampler and evaluations).

    The distance is KID, which has no bias at few samples, in the scorer's features, else in the first network's.
    """
    network = evaluator.scorer or find_network(plan.networks[0])
    base = plan.settings
    guided = [_point(evaluator, plan, replace(base, guidance=g), network) for g in GUIDANCE]
    methods = [
        replace(base, sampler=name, steps=max(1, count // METHODS[name].evaluations))
        for name in METHODS
        for count in EVALUATIONS
    ]
    return guided, [_point(evaluator, plan, settings, network) for settings in methods]


def recommended(guided: Sequence[Point], methods: Sequence[Point], base: Settings) -> Settings:
    """The guidance of the least distance, and the cheapest sampler that comes close to the least distance."""
    best = min(guided, key=lambda point: point.distance.value)
    least = min(point.distance.value for point in methods)
    close = [point for point in methods if point.distance.value <= least * SLACK]
    cheap = min(close, key=lambda point: (_evaluations(point.settings), point.distance.value))
    return replace(
        base, guidance=best.settings.guidance, sampler=cheap.settings.sampler, steps=cheap.settings.steps
    )


def plots(guided: Sequence[Point], methods: Sequence[Point]) -> list[str]:
    """Distance and alignment against guidance; distance against evaluations by sampler: SVG."""
    plt = pyplot()
    charts: list[str] = []
    chart, axes = plt.subplots(figsize=(7, 3))
    scales = [point.settings.guidance for point in guided]
    _line(axes, scales, [point.distance for point in guided], "KID ×1000", "#1f5fbf")
    axes.set_xlabel("guidance")
    axes.set_ylabel("KID ×1000 (lower is better)")
    if all(point.alignment for point in guided):
        other = axes.twinx()
        other.spines["right"].set_visible(True)
        values = [point.alignment for point in guided if point.alignment]
        _line(other, scales, values, "alignment", "#b5791e")
        other.set_ylabel("alignment (higher is better)")
    charts.append(svg(chart))
    chart, axes = plt.subplots(figsize=(7, 3))
    for name in METHODS:
        mine = [point for point in methods if point.settings.sampler == name]
        axes.plot(
            [_evaluations(p.settings) for p in mine],
            [p.distance.value for p in mine],
            "o-",
            label=name,
            markersize=4,
        )
    axes.set_xscale("log")
    axes.set_xticks(EVALUATIONS, [str(count) for count in EVALUATIONS])
    axes.set_xlabel("evaluations a picture (guided ones count once)")
    axes.set_ylabel("KID ×1000 (lower is better)")
    axes.legend(frameon=False)
    charts.append(svg(chart))
    return charts


def _point(evaluator: Evaluator, plan: Plan, settings: Settings, network: FeatureNetwork) -> Point:
    rows, prompts, seeds = evaluator.asked(plan)
    pictures = evaluator.draw(settings, prompts, seeds)
    generated = evaluator.of_generated(network, pictures)
    real = evaluator.real
    learned = evaluator.of_real(network, real.training, real.some_learned(len(rows), plan.seed))
    aligned = None
    if evaluator.scorer is not None:
        scorer = evaluator.scorer
        aligned = of_mean((scorer.see(pictures) * scorer.read(prompts)).sum(1).double())
    return Point(settings, discrepancy(generated, learned, polynomial), aligned)


def _evaluations(settings: Settings) -> int:
    return settings.steps * METHODS[settings.sampler].evaluations


def _line(axes: Any, x: Sequence[float], values: Sequence[Estimate], label: str, colour: str) -> None:
    y = np.array([value.value for value in values])
    below, above = y - [value.low for value in values], np.array([value.high for value in values]) - y
    axes.errorbar(x, y, [below, above], fmt="o-", color=colour, label=label, markersize=4, capsize=2)
