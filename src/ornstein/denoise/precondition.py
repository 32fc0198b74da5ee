"""From a network to a denoiser: scale in, ask, solve; float32 outside, the network's dtype inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from ornstein.denoise.algebra import TargetName, level, solve
from ornstein.denoise.posterior import Posterior
from ornstein.process.fields import Sample, Time, pad
from ornstein.process.gaussian import Path

LOGSNR_LIMIT = 20.0
"""Networks are told a finite logsnr: at 20 the noise is e^-10 of the data, under 8-bit rounding."""


@runtime_checkable
class Network(Protocol):
    """``network(z, logsnr, condition)``, shaped like `z`.

    `z` has unit variance; the shape of `logsnr` is a prefix of its shape.
    """

    def __call__(
        self, z: Float[Tensor, "rows *shape"], logsnr: Float[Tensor, "rows ..."], condition: Any
    ) -> Float[Tensor, "rows *shape"]: ...


@dataclass(frozen=True)
class NetworkDenoiser:
    r"""A denoiser made of a network.

    The network sees $z=x_t/\sqrt{\alpha^2+\sigma^2}$ and logsnr, both free of the path, so the path may be changed
    after training. `target` "edm" gives the preconditioning of Karras et al. 2022 (table 1) for unit data
    deviation; the other targets are the plain ones. `x_t` and `t` are float32 or float64, both the same.

    Attributes:
        network: maps (z, logsnr, condition) to the target, in any floating dtype.
        path: how `x_t` was made.
        target: what the network was trained to return.
    """

    network: Network
    path: Path
    target: TargetName = "x"

    def __call__(self, x_t: Sample, t: Time, condition: Any) -> Posterior:
        """Return the posterior of `x_t`; its mean has the dtype of `x_t`."""
        if not isinstance(x_t, Tensor) or not isinstance(t, Tensor):
            raise TypeError("a NetworkDenoiser takes a plain tensor; fields need a network that joins them")
        c = self.path(t)
        z, logsnr = x_t / pad(c.scale, x_t), c.logsnr
        output = self.network(z, logsnr.clamp(-LOGSNR_LIMIT, LOGSNR_LIMIT), condition).to(x_t.dtype)
        a, s = level(pad(logsnr, x_t))
        return Posterior(solve(self.target, z, output, a, s))
