"""Numbers and categories undone together: one evaluation a step, each field stepped by the method of its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from torch import Tensor

from ornstein.denoise.posterior import Bound, Mean, Posterior
from ornstein.errors import UsageError
from ornstein.process.fields import Sample, Time
from ornstein.process.gaussian import Paths
from ornstein.sample.stepper import Memory, Method, as_given


def joined(gaussian: Method, masked: Method) -> Method:
    """A method for samples that hold fields of numbers, of categories, or of both.

    Both steppers see the same evaluation, made before either moves. A step moves fields as if they were independent
    given what was seen, as it moves elements.

    Args:
        gaussian: for fields of numbers; makes one evaluation a step.
        masked: for fields of categories.

    Raises:
        UsageError: a method that evaluates more than once, or at times of its own that differ by row.
    """
    if max(gaussian.evaluations, masked.evaluations) > 1:
        raise UsageError("numbers and categories are undone together by samplers of one evaluation a step")
    if masked.arrange is not as_given:
        raise UsageError("a sampler that draws its own times, as first-hitting does, takes categories alone")
    summary = f"numbers: {gaussian.summary}; categories: {masked.summary}"
    step, fresh = partial(_step, gaussian, masked), partial(_fresh, gaussian)
    return Method(step, gaussian.order, 1, True, summary, fresh, gaussian.times)


def _step(
    gaussian: Method,
    masked: Method,
    denoise: Bound,
    path: Paths,
    x: Sample,
    t: Time,
    s: Time,
    memory: Memory,
    noise: Callable[[], Sample],
) -> tuple[Sample, Memory]:
    if isinstance(x, Tensor):
        method = gaussian if x.is_floating_point() else masked
        return method.step(denoise, path, x, t, s, memory, noise)
    mean = denoise(x, t).mean
    moved: dict[str, Tensor] = {}
    for method, names in ((gaussian, _numbers(x)), (masked, _kinds(x))):
        if names:
            only = partial(_only, names)
            known = _Known(only(mean))
            drawn = partial(_drawn, noise, names)
            part, memory = method.step(known, only(path), only(x), only(t), only(s), memory, drawn)
            moved |= cast(Mapping[str, Tensor], part)
    return {name: moved[name] for name in x}, memory


def _fresh(gaussian: Method, x: Sample) -> Memory:
    """What the method of numbers remembers; those of categories remember nothing."""
    if isinstance(x, Tensor):
        return gaussian.fresh(x) if x.is_floating_point() else {}
    return gaussian.fresh(_only(_numbers(x), x)) if _numbers(x) else {}


def _numbers(x: Mapping[str, Tensor]) -> list[str]:
    return [name for name, field in x.items() if field.is_floating_point()]


def _kinds(x: Mapping[str, Tensor]) -> list[str]:
    return [name for name, field in x.items() if not field.is_floating_point()]


def _only(names: Sequence[str], part: Any) -> Any:
    """The fields called `names`, or what all fields share."""
    if not isinstance(part, Mapping):
        return part
    fields = cast(Mapping[str, Any], part)
    return {name: fields[name] for name in names}


def _drawn(noise: Callable[[], Sample], names: Sequence[str]) -> Sample:
    return _only(names, noise())


class _Known:
    """An evaluation that was made already."""

    def __init__(self, mean: Mean) -> None:
        self.mean = mean

    def __call__(self, x_t: Sample, t: Time, /) -> Posterior:
        return Posterior(self.mean)
