r"""What is minimised: the squared error of the posterior mean, weighted by a function of logsnr.

With $x_t=\alpha x+\sigma\varepsilon$, an error of $\hat x$ is an error of every other quantity times a factor that
depends on logsnr alone; its square is the weight:

$$w_x=1,\quad w_\varepsilon=e^{\lambda},\quad w_v=1+e^{\lambda},\quad w_{\mathrm{flow}}=(1+e^{\lambda/2})^2 .$$
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from ornstein.denoise.posterior import Denoiser
from ornstein.process.gaussian import Path, corrupt

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
