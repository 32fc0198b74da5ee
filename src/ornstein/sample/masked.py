r"""Steppers of categories: which hidden elements come to be seen in a step, and as what.

A stepper asks for the posterior of every hidden element and draws from it. Drawn together in one step, elements do not
know of each other; that is the only error these methods make, and more steps make it smaller.

Draws are made in float64 by inverting the distribution function: one uniform an element, whatever the number of
categories. Gumbel's way, $\arg\max_k(\log p_k-\log(-\log u_k))$, has the same law and wants as many uniforms as there
are categories; in float32 its largest noise is about 17, so rare categories come too seldom, which is as if the
temperature were lower (Zheng et al. 2024, arXiv 2409.02908, section 4).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ornstein.denoise.posterior import Bound
from ornstein.process.fields import Sample, Time, fieldwise
from ornstein.process.gaussian import Coefficients, Path, Paths, coefficients
from ornstein.process.masked import MASK, staying
from ornstein.rng import stream
from ornstein.sample.stepper import Memory, Step

REMASKS = 5.0  # how often ``remasking`` hides an element again on its way from noise to data, where it may


def draw(
    logits: Float[Tensor, "elements k"], uniform: Float[Tensor, " elements"]
) -> Int[Tensor, " elements"]:
    """One category for each element, by the float64 distribution function; one of probability 0 is never drawn.

    Args:
        logits: unnormalised log-probabilities.
        uniform: float64 in [0, 1).
    """
    below = logits.float().softmax(-1).cumsum(-1, dtype=torch.float64)
    whole = below[:, -1:].contiguous()
    wanted = torch.minimum(uniform[:, None] * whole, whole.nextafter(torch.zeros_like(whole)))
    return torch.searchsorted(below, wanted, right=True)[
        :, 0
    ]  # the first that is reached: never an empty one


def unmask(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""Ancestral: draw from $p(x_s\mid x_t)$, one evaluation (Sahoo et al. 2024, arXiv 2406.07524, eq. 6)."""
    here, there = coefficients(path, t), coefficients(path, s)
    return fieldwise(_unmask, x, denoise(x, t).mean, noise(), here, there), memory


def _unmask(
    x: Int[Tensor, "rows *shape"],
    logits: Float[Tensor, "rows *shape k"],
    uniform: Float[Tensor, "rows *shape"],
    here: Coefficients,
    there: Coefficients,
) -> Int[Tensor, "rows *shape"]:
    return _leave(x, logits, uniform, staying(here.like(x), there.like(x)))


def _leave(
    x: Int[Tensor, "rows *shape"],
    logits: Float[Tensor, "rows *shape k"],
    uniform: Float[Tensor, "rows *shape"],
    stay: Float[Tensor, "..."],
) -> Int[Tensor, "rows *shape"]:
    """Hidden elements whose uniform reaches `stay` are drawn; what is left of the uniform says as what."""
    stay = stay.double().expand(x.shape)
    leaving = (x == MASK) & (uniform >= stay)
    rest = (uniform[leaving] - stay[leaving]) / (1 - stay[leaving])
    return x.masked_scatter(leaving, draw(logits[leaving], rest))


def first_hitting(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    """See the elements whose time comes to 0, and no other: a step on the grid that ``hits`` arranges.

    Zheng et al. 2024, arXiv 2409.02908, algorithm 1: one element a step, so exact, with an evaluation an element.
    """
    here, there = coefficients(path, t), coefficients(path, s)
    return fieldwise(_reveal, x, denoise(x, t).mean, noise(), here, there), memory


def _reveal(
    x: Int[Tensor, "rows *shape"],
    logits: Float[Tensor, "rows *shape k"],
    uniform: Float[Tensor, "rows *shape"],
    here: Coefficients,
    there: Coefficients,
) -> Int[Tensor, "rows *shape"]:
    arrives = (there.sigma == 0) & (here.sigma > 0)
    return _leave(x, logits, uniform, torch.where(arrives, 0.0, 1.0).reshape(there.like(x).sigma.shape))


def hits(times: Float[Tensor, "times elements"], path: Path, seed: int) -> Float[Tensor, "visited elements"]:
    r"""The moments at which a row's elements come to be seen, each drawn exactly, as a grid.

    An element is seen when $1-\alpha$ has fallen to a uniform share of what it was. Until then its time is that of the
    next moment at which any is; from then on it is 0.

    Args:
        times: of each element, falling to 0; those that are 0 from the start are given.
        path: of the elements.
        seed: the row's.
    """
    sigma = path(times).sigma.double()
    free = (sigma[0] > 0).nonzero()[:, 0]
    uniform = torch.as_tensor(stream("hits", seed).random(times.shape[1])).to(sigma)
    level = (uniform * sigma[0])[free]
    falling = -sigma[:, free].T.contiguous()  # searchsorted wants what rises
    after = torch.searchsorted(falling, -level[:, None])[:, 0].clamp(1, len(times) - 1)
    high, low = sigma[after - 1, free], sigma[after, free]
    moment, order = ((after - 1) + (high - level) / (high - low)).sort()
    below = moment.floor().long().clamp(max=len(times) - 2)
    share = (moment - below)[:, None]
    waiting = torch.lerp(times[below].double(), times[below + 1].double(), share)  # (hits, elements)
    seen = torch.full((times.shape[1],), -1, device=times.device)
    seen[free[order]] = torch.arange(len(free), device=times.device)
    number = torch.arange(len(free), device=times.device)[:, None]
    visited = torch.where(number <= seen, waiting, 0.0)
    return torch.cat([visited, torch.zeros_like(times[:1]).double()])


def confidence(temperature: float) -> Step:
    r"""See the elements that the network is surest of.

    Chang et al. 2022, arXiv 2202.04200; as LLaDA does, Nie et al. 2025, arXiv 2502.09992. Every hidden element is
    drawn; of those that move, as many stay hidden as the path hides on average: those whose draw was the least likely.
    Not a draw from the model's law, however many steps: the likely comes first, and so comes too often.

    Args:
        temperature: of the noise on log-probabilities that falls with $\sigma$ to none; 0 for a strict order.
    """

    def step(
        denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
    ) -> tuple[Sample, Memory]:
        here, there = coefficients(path, t), coefficients(path, s)
        mean, value, order = denoise(x, t).mean, noise(), noise()
        return fieldwise(_surest, x, mean, value, order, here, there, temperature), memory

    return step


def _surest(
    x: Int[Tensor, "rows *shape"],
    logits: Float[Tensor, "rows *shape k"],
    uniform: Float[Tensor, "rows *shape"],
    order: Float[Tensor, "rows *shape"],
    here: Coefficients,
    there: Coefficients,
    temperature: float,
) -> Int[Tensor, "rows *shape"]:
    before, after = (c.like(x).sigma.expand(x.shape) for c in (here, there))
    moving = before > after
    hidden = moving & (x == MASK)
    asked = logits[hidden]
    drawn = draw(asked, uniform[hidden])
    sure = asked.double().log_softmax(-1).gather(-1, drawn[:, None])[:, 0]
    gumbel = -(-order[hidden].log()).log()
    scores = torch.full(x.shape, torch.inf, dtype=torch.float64, device=x.device)
    scores[hidden] = sure + temperature * after[hidden] * gumbel
    rank = scores.flatten(1).argsort(1).argsort(1).reshape(x.shape)
    staying = (after * moving).flatten(1).sum(1).floor()
    leaving = hidden & (rank >= staying.reshape(-1, *(1,) * (x.ndim - 1)))
    return x.masked_scatter(leaving, drawn[leaving[hidden]])


def remasking(
    denoise: Bound, path: Paths, x: Sample, t: Time, s: Time, memory: Memory, noise: Callable[[], Sample]
) -> tuple[Sample, Memory]:
    r"""Some of what is seen is hidden again, and more comes to be seen: early mistakes can be mended.

    ReMDM (Wang et al. 2025, arXiv 2503.00307, eq. 6): a seen element is hidden with chance $\rho$, a hidden one stays
    with $(1-\alpha_s-\rho\,\alpha_t)/(1-\alpha_t)$, which leaves the law at $s$ what it was, for any
    $\rho\le(1-\alpha_s)/\alpha_t$. Here $\rho$ is a constant times $\alpha_s-\alpha_t$, so that how often an element is
    hidden does not depend on the number of steps.
    """
    here, there = coefficients(path, t), coefficients(path, s)
    return fieldwise(_remask, x, denoise(x, t).mean, noise(), here, there), memory


def _remask(
    x: Int[Tensor, "rows *shape"],
    logits: Float[Tensor, "rows *shape k"],
    uniform: Float[Tensor, "rows *shape"],
    here: Coefficients,
    there: Coefficients,
) -> Int[Tensor, "rows *shape"]:
    here, there = here.like(x), there.like(x)
    most = torch.where(here.alpha > 0, there.sigma / here.alpha, 1.0).clamp(max=1)
    again = torch.minimum(REMASKS * (there.alpha - here.alpha), most)
    stay = torch.where(here.sigma == there.sigma, 1.0, (there.sigma - again * here.alpha) / here.sigma)
    moved = _leave(x, logits, uniform, stay)
    hidden: Bool[Tensor, "rows *shape"] = (x != MASK) & (uniform < again)
    return torch.where(hidden, MASK, moved)
