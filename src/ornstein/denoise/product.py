"""From a network to a denoiser of any mix of fields: numbers as ever, categories by logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Shaped
from torch import Tensor

from ornstein.denoise.algebra import TargetName, level, solve
from ornstein.denoise.posterior import Posterior
from ornstein.denoise.precondition import LOGSNR_LIMIT
from ornstein.process.fields import Sample, Time, fieldwise, pad
from ornstein.process.gaussian import Coefficients, Paths, coefficients
from ornstein.process.masked import certain


@runtime_checkable
class FieldsNetwork(Protocol):
    """``network(z, logsnr, condition)``, all plain, or all by field.

    Args:
        z: numbers with unit variance; categories as they are, hidden ones ``MASK``.
        logsnr: of each field, finite; its shape is a prefix of the field's: (B,), or (B, elements) where those stand
            at different times or have clocks of their own.
        condition: whatever steers.

    Returns:
        Of numbers the target, shaped like them; of categories (B, *elements, K) logits of the clean values, -inf for a
        category that an element does not have. In any floating dtype.
    """

    def __call__(self, z: Sample, logsnr: Time, condition: Any) -> Sample: ...


@dataclass(frozen=True)
class FieldsDenoiser:
    r"""A denoiser of numbers, of categories, or of named fields of both, made of one network.

    The network is called once for all fields. What it says of numbers is solved for their posterior mean; its logits
    are the posterior of categories, and elements that are seen are certain.

    Attributes:
        network: see ``FieldsNetwork``.
        paths: how each field was destroyed.
        target: what the network returns of numbers.
    """

    network: FieldsNetwork
    paths: Paths
    target: TargetName = "x"

    def __call__(self, x_t: Sample, t: Time, condition: Any) -> Posterior:
        """Return the posterior of `x_t`: means in the dtype of the numbers, logits in float32."""
        c = coefficients(self.paths, t)
        z, logsnr = fieldwise(_scaled, x_t, c), fieldwise(_told, x_t, c)
        output = self.network(z, logsnr, condition)
        return Posterior(fieldwise(_posterior, x_t, output, c, self.target))


def _scaled(x: Shaped[Tensor, "rows *shape"], c: Coefficients) -> Shaped[Tensor, "rows *shape"]:
    return x / pad(c.scale, x) if x.is_floating_point() else x


def _told(x: Shaped[Tensor, "rows *shape"], c: Coefficients) -> Float[Tensor, "rows ..."]:
    return c.logsnr.clamp(-LOGSNR_LIMIT, LOGSNR_LIMIT)


def _posterior(
    x: Shaped[Tensor, "rows *shape"],
    output: Float[Tensor, "rows ..."],
    c: Coefficients,
    target: TargetName,
) -> Float[Tensor, "rows ..."]:
    if not x.is_floating_point():
        return certain(x, output.float())
    c = c.like(x)
    a, s = level(c.logsnr)
    return solve(target, x / c.scale, output.to(x.dtype), a, s)
