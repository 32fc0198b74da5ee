r"""What is minimised: of numbers the squared error of the posterior mean, of categories the cross-entropy.

With $x_t=\alpha x+\sigma\varepsilon$, an error of $\hat x$ is an error of every other quantity times a factor that
depends on logsnr alone; its square is the weight:

$$w_x=1,\quad w_\varepsilon=e^{\lambda},\quad w_v=1+e^{\lambda},\quad w_{\mathrm{flow}}=(1+e^{\lambda/2})^2 .$$

A hidden category costs $-\log\hat p(x)$ times $-\alpha'/(1-\alpha)$, the $1/t$ of the linear schedule; over uniform
times its mean is a bound on $-\log p(x)$ in nats (Sahoo et al. 2024, arXiv 2406.07524, eq. 10; Shi et al. 2024,
arXiv 2406.04329, proposition 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias, cast, runtime_checkable

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from ornstein.denoise.posterior import Denoiser
from ornstein.process.fields import Sample, Time, fieldwise, pad
from ornstein.process.gaussian import Coefficients, Path, Paths, coefficients, corrupt
from ornstein.process.masked import MASK

WeightName = Literal["x", "eps", "v", "flow"]


def weight(name: WeightName, logsnr: Tensor, cap: float = float("inf")) -> Tensor:
    """Factor by which a squared error of x becomes one of `name`, at most `cap`; shaped like `logsnr`."""
    if name == "x":
        return torch.ones_like(logsnr)
    if name == "eps":
        return logsnr.exp().clamp(max=cap)
    if name == "v":
        return (1 + logsnr.exp()).clamp(max=cap)
    return (1 + (logsnr / 2).exp()).square().clamp(max=cap)


def denoising_loss(
    denoiser: Denoiser,
    path: Path,
    x: Tensor,
    t: Tensor,
    noise: Tensor,
    condition: Any,
    weighting: WeightName,
    cap: float = float("inf"),
) -> Tensor:
    """Loss of each example.

    Args:
        denoiser: returns posteriors.
        path: how the data is destroyed.
        x: clean samples (B, ...), float32.
        t: times (B,).
        noise: standard normal, shaped like `x`.
        condition: given to the denoiser.
        weighting: in which quantity the squared error counts.
        cap: largest weight.

    Returns:
        (B,) float32: mean squared error over elements times the weight.
    """
    x_t = corrupt(path, x, t, noise)
    assert isinstance(x_t, Tensor)
    mean = denoiser(x_t, t, condition).mean
    assert isinstance(mean, Tensor)
    error = (mean.float() - x.float()).square().flatten(1).mean(1)
    return weight(weighting, path(t).logsnr.float(), cap) * error


Counted: TypeAlias = Bool[Tensor, "rows ..."] | Mapping[str, Bool[Tensor, "rows ..."]]
"""Which elements count, shaped like the sample."""


@runtime_checkable
class Weighed(Protocol):
    """A path that knows what the cross-entropy of its hidden elements weighs: ``Masked``, or ``Warped`` of it."""

    def weight(self, t: Float[Tensor, "*time"]) -> Float[Tensor, "..."]: ...


def fields_loss(
    denoiser: Denoiser,
    paths: Paths,
    x: Sample,
    t: Time,
    noise: Sample,
    condition: Any,
    counted: Counted | None = None,
    weighting: WeightName = "x",
    cap: float = float("inf"),
) -> tuple[Tensor, Sample]:
    r"""Loss of each example of any mix of numbers and categories.

    Elements that stand at time 0 are given: they are seen clean and never count. Nor does a category that the data does
    not tell (``MASK`` in `x`).

    With times uniform in [0, 1] and a sample of categories alone, a row's loss times the number of its elements that
    count is an unbiased estimate of its evidence bound, in nats, whatever the schedule.

    Args:
        denoiser: returns posteriors.
        paths: how the fields are destroyed.
        x: clean samples, rows first; numbers float32.
        t: times, (B,) or (B, elements), shared by the fields or one for each.
        noise: as ``noise.row_noise`` draws it.
        condition: given to the denoiser.
        counted: elements that count; None for all.
        weighting: in which quantity the squared error of numbers counts.
        cap: largest weight of it.

    Returns:
        (B,) float32: mean over the row's elements that count, of all fields, of weighted errors (0 where none does).
        By field, each element's error without a weight, float32, shaped like the sample: squared error, or nats of a
        hidden element; 0 where it is seen or does not count.
    """
    c = coefficients(paths, t)
    x_t = corrupt(paths, x, t, noise)
    mean = denoiser(x_t, t, condition).mean
    counts = fieldwise(_counts, x, c, _all(x) if counted is None else counted)
    errors = fieldwise(_errors, x, x_t, mean, counts)
    weights = fieldwise(_weights, x, c, paths, t, weighting, cap)
    total = _row_sums(fieldwise(_times, errors, weights, counts))
    return total / _row_sums(counts).clamp(min=1), errors


def _all(x: Sample) -> Counted:
    return cast(Counted, fieldwise(lambda field: torch.ones_like(field, dtype=torch.bool), x))


def _counts(
    x: Shaped[Tensor, "rows *shape"], c: Coefficients, counted: Bool[Tensor, "rows *shape"]
) -> Bool[Tensor, "rows *shape"]:
    told = counted if x.is_floating_point() else counted & (x != MASK)
    return told & (c.like(x).sigma > 0)


def _errors(
    x: Shaped[Tensor, "rows *shape"],
    x_t: Shaped[Tensor, "rows *shape"],
    mean: Float[Tensor, "rows ..."],
    counts: Bool[Tensor, "rows *shape"],
) -> Float[Tensor, "rows *shape"]:
    if x.is_floating_point():
        return (mean.float() - x.float()).square() * counts
    hidden = counts & (x_t == MASK)
    nats = torch.nn.functional.cross_entropy(mean[hidden].float(), x[hidden], reduction="none")
    return torch.zeros_like(x, dtype=torch.float32).masked_scatter(hidden, nats)


def _weights(
    x: Shaped[Tensor, "rows *shape"],
    c: Coefficients,
    path: Path,
    t: Float[Tensor, "..."],
    weighting: WeightName,
    cap: float,
) -> Float[Tensor, "..."]:
    if x.is_floating_point():
        return pad(weight(weighting, c.logsnr.float(), cap), x)
    assert isinstance(path, Weighed), "categories are destroyed by a masked path"
    return pad(path.weight(t).float(), x)


def _times(
    error: Float[Tensor, "rows *shape"], factor: Float[Tensor, "..."], counts: Bool[Tensor, "rows *shape"]
) -> Float[Tensor, "rows *shape"]:
    return error * torch.where(counts, factor, 0.0)  # the weight of what is given may be infinite


def _row_sums(sample: Sample) -> Float[Tensor, " rows"]:
    parts = [sample] if isinstance(sample, Tensor) else list(sample.values())
    return torch.stack([part.float().flatten(1).sum(1) for part in parts]).sum(0)
