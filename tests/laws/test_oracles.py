"""The exact denoisers are exact: checked against numerical integration of Bayes' rule and of the flow equation."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from ornstein.denoise.exact import MixtureDenoiser
from ornstein.process.gaussian import Path
from tests.common import PATHS, each_path, gaussian, normal, real

MEANS, DEVIATIONS, WEIGHTS = [-1.0, 0.4, 1.5], [0.3, 0.2, 0.6], [0.2, 0.5, 0.3]
NOISE_LEVELS = [6.0, 2.0, 0.0, -1.5, -4.0]


def bayes_mean(density: Tensor, points: Tensor, x_t: Tensor, path: Path, t: Tensor) -> Tensor:
    """E[x | x_t] for data of `density` on `points` (N, D), by summing over them."""
    c = path(t)
    distance = ((x_t[:, None] - c.alpha[:, None, None] * points) / c.sigma[:, None, None]).square().sum(-1)
    posterior = torch.softmax(density.log() - distance / 2, dim=1)
    return posterior @ points


def bell(points: Tensor, mean: Tensor, deviation: float) -> Tensor:
    return torch.exp(-((points - mean) ** 2).sum(-1) / (2 * deviation**2)) / deviation ** points.shape[-1]


@each_path
def test_gaussian_denoiser_is_bayes_rule(path):
    t = path.time(real(*NOISE_LEVELS))
    points = torch.linspace(-6, 6, 10_001, dtype=torch.float64)[:, None]
    x_t = normal(len(t), 1) * path(t).scale[:, None]
    expected = bayes_mean(bell(points, real(0.7), 0.5), points, x_t, path, t)
    torch.testing.assert_close(gaussian(path)(x_t, t).mean, expected, rtol=1e-8, atol=1e-8)


@each_path
@pytest.mark.parametrize("dimensions", [1, 2])
def test_mixture_denoiser_is_bayes_rule(path, dimensions):
    means = torch.stack([real(*MEANS), real(*MEANS).flip(0) / 2][:dimensions], dim=1)
    denoiser = MixtureDenoiser(path, means, real(*DEVIATIONS), real(*WEIGHTS).log())
    t = path.time(real(*NOISE_LEVELS))
    axis = torch.linspace(-5, 5, 10_001 if dimensions == 1 else 301, dtype=torch.float64)
    points = torch.cartesian_prod(*[axis] * dimensions).reshape(-1, dimensions)
    density = sum(w * bell(points, m, d) for w, m, d in zip(WEIGHTS, means, DEVIATIONS, strict=True))
    x_t = normal(len(t), dimensions) * path(t).scale[:, None]
    expected = bayes_mean(density, points, x_t, path, t)
    torch.testing.assert_close(denoiser(x_t, t).mean, expected, rtol=1e-6, atol=1e-6)


def test_mixture_of_one_is_the_gaussian():
    for p in PATHS.values():
        one = MixtureDenoiser(p, real(0.7).reshape(1, 1), real(0.5).reshape(1), real(3.0).reshape(1))
        x_t, t = normal(5, 1), torch.linspace(0, 1, 5, dtype=torch.float64)
        torch.testing.assert_close(one(x_t, t).mean, gaussian(p)(x_t, t).mean)


@pytest.mark.parametrize("name", ["cosine", "flow", "linear-beta", "variance-exploding"])
def test_gaussian_solution_solves_the_probability_flow(name):
    """The flow follows dx/dt = alpha' E[x|x_t] + sigma' E[eps|x_t], integrated here by an independent solver."""
    path = PATHS[name]
    denoiser, (high, low) = gaussian(path), path.time(real(-5.0, 5.0)).tolist()

    def velocity(t: float, x: np.ndarray) -> np.ndarray:
        time = real(t).requires_grad_()
        c = path(time)
        alpha_slope, sigma_slope = (torch.autograd.grad(part, time, retain_graph=True)[0] if part.requires_grad else 0
                                    for part in (c.alpha, c.sigma))  # fmt: skip
        x_t = torch.as_tensor(x)
        mean = denoiser(x_t, time.detach()).mean
        return (alpha_slope * mean + sigma_slope * (x_t - c.alpha.detach() * mean) / c.sigma.detach()).numpy()

    x = normal(4) * path(real(high)).scale
    followed = solve_ivp(velocity, (high, low), x.numpy(), rtol=1e-7, atol=1e-9).y[:, -1]
    solution = denoiser.solution(x, real(high), real(low))
    torch.testing.assert_close(solution, torch.as_tensor(followed), rtol=1e-4, atol=1e-5)
