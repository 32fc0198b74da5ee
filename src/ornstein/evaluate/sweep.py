"""Which sampler, how many steps, how much guidance? Measured, one change at a time, on a smaller sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ornstein.evaluate.estimate import Estimate
from ornstein.evaluate.evaluation import Evaluator, Plan
from ornstein.evaluate.features import FeatureNetwork, find_network
from ornstein.evaluate.fidelity import discrepancy
from ornstein.evaluate.mmd import polynomial
from ornstein.evaluate.samples import Settings
from ornstein.sample.registry import evaluations

SAMPLERS = ("ddim", "dpmpp-2m", "unipc-3", "er-sde")  # the plainest, the default, of high order, with noise
GUIDANCE = (1.0, 1.5, 2.0, 3.0, 4.5, 6.0)
EVALUATIONS = (6, 10, 20, 40)  # steps times evaluations a step, so that methods compare at equal cost
SLACK = 0.05  # share of the best distance by which a cheaper setting may be farther


@dataclass(frozen=True)
class Point:
    """One setting: KID ×1000 against pictures trained on, or the reference, and the alignment where it can be told.

    Attributes:
        own: that distance in the network trained on the model's own kind of pictures, where it was asked.
    """

    settings: Settings
    distance: Estimate
    alignment: Estimate | None
    own: Estimate | None = None

    @property
    def evaluations(self) -> int:
        """Times the network is asked for a picture; guided times count once."""
        return self.settings.steps * evaluations(self.settings.sampler)


@dataclass(frozen=True)
class Sweep:
    """What was measured, on how many pictures a setting, and the settings that follow."""

    guided: tuple[Point, ...]
    methods: tuple[Point, ...]
    samples: int
    recommended: Settings

    def facts(self) -> dict[str, Any]:
        """As plain values, for ``metrics.json``."""
        return {
            "samples": self.samples,
            "recommended": asdict(self.recommended),
            "points": [
                {
                    **asdict(point.settings), "kid": round(point.distance.value, 4),
                    **({"kid, own network": round(point.own.value, 4)} if point.own else {}),
                    "alignment": round(point.alignment.value, 4) if point.alignment else None,
                }
                for point in (*self.guided, *self.methods)
            ],
        }  # fmt: skip


def sweep(evaluator: Evaluator, plan: Plan) -> Sweep:
    """Measure settings around the plan's: by guidance, and by sampler and evaluations.

    The distance is KID, which has no bias at few samples, in the plan's first network; of guidance, which changes what
    is shown, also in the model's own: the scorer or the classifier, which tells alignment, too.
    """
    network = find_network(plan.networks[0]) if plan.networks else evaluator.own
    assert network is not None
    base = plan.settings
    guided = tuple(
        measure(evaluator, plan, replace(base, guidance=scale), network, evaluator.own)
        for scale in (GUIDANCE if evaluator.steered else (base.guidance,))
    )
    methods = tuple(
        measure(evaluator, plan, replace(base, sampler=name, steps=steps_of(name, count)), network)
        for name in SAMPLERS
        for count in EVALUATIONS
    )
    rows, prompts, _ = evaluator.asked(plan)
    shown = evaluator.real.pictures(evaluator.real.held, rows, evaluator.size)
    real = evaluator.aligned(shown, prompts)
    return Sweep(guided, methods, plan.samples, recommended(guided, methods, real, base))


def steps_of(sampler: str, count: int) -> int:
    """Steps that so many evaluations pay, at least one."""
    return max(1, count // evaluations(sampler))


def recommended(
    guided: Sequence[Point], methods: Sequence[Point], real: Estimate | None, base: Settings
) -> Settings:
    """The least guidance that shows prompts as real pictures do, and the cheapest sampler as near to real as any.

    Guidance buys alignment with diversity, so no more is bought than real pictures have: of the scales whose distance
    cannot be told from the least, in either network, the first whose alignment cannot be told from theirs (`real`), or
    else the best aligned. Without a measure of alignment the least distance decides. Samplers count where they are
    ``settled``.
    """
    best = min(guided, key=lambda point: point.distance.value)
    near = sorted(
        (point for point in _near(guided) if point.alignment), key=lambda point: point.settings.guidance
    )
    aligned = [point for point in near if real and point.alignment and point.alignment.high >= real.value]
    most = max(near, key=lambda point: point.alignment.value if point.alignment else 0.0, default=best)
    scale = aligned[0] if aligned else most
    sound = settled(methods)
    least = min(point.distance.value for point in sound)
    close = [point for point in sound if _no_farther(point.distance.value, least)]
    cheap = min(close, key=lambda point: (point.evaluations, point.distance.value))
    return replace(
        base, guidance=scale.settings.guidance, sampler=cheap.settings.sampler, steps=cheap.settings.steps
    )


def _near(points: Sequence[Point]) -> list[Point]:
    """Those whose distance cannot be told from the least, in any network that looked at all of them."""
    near = list(points)
    for each in ([point.distance for point in points], [point.own for point in points]):
        found = [estimate for estimate in each if estimate]
        if len(found) == len(points):
            least = min(found, key=lambda estimate: estimate.value)
            near = [
                p
                for p, estimate in zip(points, found, strict=True)
                if p in near and estimate.low <= least.high
            ]
    return near


def settled(methods: Sequence[Point]) -> list[Point]:
    """The points that are not nearer to real, by more than 5%, than the same sampler's with the most evaluations.

    A few steps leave errors behind. Where a model smooths too much they pass for texture in the features, and the
    distance falls below what the sampler converges to; in the pictures they are blotches and haze.
    """
    finest: dict[str, Point] = {}
    for point in sorted(methods, key=lambda point: point.evaluations):
        finest[point.settings.sampler] = point
    return [p for p in methods if _no_farther(finest[p.settings.sampler].distance.value, p.distance.value)]


def _no_farther(distance: float, other: float) -> bool:
    """Whether a distance is at most 5% larger than another; both may be below 0, as KID has no bias."""
    return distance - other <= SLACK * abs(other)


def measure(
    evaluator: Evaluator,
    plan: Plan,
    settings: Settings,
    network: FeatureNetwork,
    own: FeatureNetwork | None = None,
) -> Point:
    """Draw a plan's pictures with other settings, and measure them in a network, or two."""
    rows, prompts, seeds = evaluator.asked(plan)
    pictures = evaluator.draw(settings, prompts, seeds)
    real = evaluator.real
    known = real.some_learned(len(rows), plan.seed)

    def distance(look: FeatureNetwork) -> Estimate:
        learned = evaluator.of_real(look, real.training, known)
        return discrepancy(evaluator.of_generated(look, pictures), learned, polynomial)

    aligned = evaluator.aligned(pictures, prompts)
    return Point(settings, distance(network), aligned, distance(own) if own is not None else None)
