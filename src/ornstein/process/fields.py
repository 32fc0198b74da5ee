"""A sample is a tensor, or a mapping of named tensors; time is a prefix of its shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from jaxtyping import Float, Shaped
from torch import Tensor

Sample: TypeAlias = Shaped[Tensor, "rows *shape"] | Mapping[str, Shaped[Tensor, "rows ..."]]
"""One batch of samples: rows first. A mapping holds one tensor for each named field."""

Time: TypeAlias = Float[Tensor, "*time"] | Mapping[str, Float[Tensor, "..."]]
"""Times in [0, 1], 0 = data: shape (B,) or any longer prefix of the sample's shape; one for each field or shared."""


def fieldwise(
    function: Callable[..., Tensor], sample: Sample, *others: Any
) -> Tensor | Mapping[str, Tensor]:  # a function may change the number of rows
    """Apply `function(tensor, *others)` to a plain sample, or to each field of a mapping.

    Arguments in `others` that are mappings are split by field; everything else is shared by all fields.

    Raises:
        KeyError: if a mapping among `others` lacks a field of the sample.
    """
    if isinstance(sample, Tensor):
        return function(sample, *others)
    return {
        name: function(value, *(cast(Any, o)[name] if isinstance(o, Mapping) else o for o in others))
        for name, value in sample.items()
    }


def pad(time: Shaped[Tensor, "*time"], like: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """Append axes of length one to `time` until it broadcasts against `like` from the left.

    Args:
        time: shape is a prefix of `like`'s (axes of length 1 allowed).
        like: any shape.

    Raises:
        ValueError: if `time`'s shape is not a prefix of `like`'s.
    """
    prefix = like.shape[: time.ndim]
    if time.ndim > like.ndim or any(a not in (1, b) for a, b in zip(time.shape, prefix, strict=True)):
        raise ValueError(
            f"time of shape {tuple(time.shape)} is not a prefix of sample shape {tuple(like.shape)}"
        )
    return time.reshape(*time.shape, *(1,) * (like.ndim - time.ndim))


def first_tensor(sample: Sample) -> Tensor:
    """Return the tensor itself, or the first field: enough to ask for batch size, device and dtype."""
    return sample if isinstance(sample, Tensor) else next(iter(sample.values()))


def select_rows(value: Any, rows: Shaped[Tensor, " chosen"]) -> Any:
    """Index the leading axis of every tensor in `value`.

    Works on samples, times, conditions (any object with a ``select`` method, or None) and stepper memories alike.

    Raises:
        TypeError: if it cannot be known what the rows of `value` are.
    """
    if isinstance(value, Tensor):
        return value[rows]
    if isinstance(value, Mapping):
        return {name: select_rows(part, rows) for name, part in cast(Mapping[str, Any], value).items()}
    if value is None or hasattr(value, "select"):
        return value if value is None else value.select(rows)
    raise TypeError(
        f"a {type(value).__name__} has no rows to select: give a tensor, a mapping or a select method"
    )
