"""What a picture and a candidate have in common, in numbers: laid over each other, what is left between them?

Whatever is done to a copy leaves its mark: covered, a part differs and the rest does not; recoloured, one gain and
offset a channel explain all; blurred, the coarse picture agrees and the fine one does not. Another drawing of the same
thing differs everywhere a little. The numbers say so in quantiles; the verifier weighs them.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ornstein.guard.trace.align import aligned, even, luma, unmoved, warped

Pictures = Float[Tensor, "pairs 3 side side"]
Light = Float[Tensor, "pairs 1 side side"]
Numbers = Float[Tensor, "pairs numbers"]

SIDE = 32  # pixels of pictures that are compared
SHARES = (0.1, 0.25, 0.4, 0.5, 0.65, 0.75, 0.85, 0.9, 0.95, 0.98, 1.0)  # quantiles of what is left
LOW = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7)  # of the blocks' correlations
DRAWN = 0.12  # deviation of light in a block from which on there is something drawn
ALIKE, NEAR = (0.95, 0.85, 0.7, 0.4), 0.08  # correlations of blocks; difference of colours, of -1 to 1


def compared(pictures: Pictures, candidates: Pictures) -> Numbers:
    """The numbers of pairs of pictures (N, 3, SIDE, SIDE) in [-1, 1]; the first is laid over the second."""
    maps = aligned(pictures, candidates)
    framed = warped(torch.cat([pictures, torch.zeros_like(pictures[:, :1])], dim=1), maps)
    seen, inside = framed[:, :3], (framed[:, 3:] < 0.5).float()
    light, target = luma(seen), luma(candidates)
    error = (even(light) - even(target)).abs() * inside
    trusted = inside * trust_around(error)
    gain, offset = fitted(seen, candidates, trusted)
    left = (seen - (gain * candidates + offset)) * inside
    light_gain, light_offset = fitted(light, target, trusted)
    lit = target * light_gain + light_offset
    light_left = (light - lit) * inside
    amount = left.abs().mean(1, keepdim=True)
    raw = ((seen - candidates) * inside).abs().mean(1, keepdim=True)
    maps_left = [
        _coarse(error, 2), _coarse(amount, 2), _coarse(left, 2).abs().mean(1, keepdim=True), _coarse(raw, 2),
        _coarse(light_left, 2).abs(), _coarse(light_left, 4).abs(), _coarse(left, 4).abs().mean(1, keepdim=True),
    ]  # fmt: skip
    quantiles = [(_quantiles(one.flatten(1), SHARES) + 0.02).log() for one in maps_left]
    blocks = [_blocks(light, lit, amount, inside, side) for side in (8, 4)]
    whole = torch.stack(
        [
            inside.mean((1, 2, 3)), trusted.mean((1, 2, 3)), *_edges(light, lit), _rough(light), _rough(target),
            _saturation(seen), _saturation(candidates), light.flatten(1).std(1), target.flatten(1).std(1),
            light_gain.flatten(), light_offset.flatten(),
        ], 1,
    )  # fmt: skip
    moved = (maps - unmoved()).flatten(1)
    colours = [gain.flatten(1), offset.flatten(1), _correlations(seen, candidates)]
    return torch.cat([*quantiles, *blocks, whole, *colours, moved], dim=1)


def trust_around(error: Light) -> Light:
    """Weights of pixels by their error against the mean one."""
    usual = 2 * error.mean((1, 2, 3), keepdim=True) + 0.1
    return (1 + (error / usual).square()).square().reciprocal()


def fitted(
    seen: Float[Tensor, "pairs channels side side"],
    target: Float[Tensor, "pairs channels side side"],
    weights: Light,
) -> tuple[Float[Tensor, "pairs channels 1 1"], Float[Tensor, "pairs channels 1 1"]]:
    """The gain and offset of each channel that make `target` most like `seen`."""
    total = weights.sum((2, 3), keepdim=True) + 1e-3

    def mean(x: Tensor) -> Tensor:
        return (x * weights).sum((2, 3), keepdim=True) / total

    first, second = mean(seen), mean(target)
    together = mean((seen - first) * (target - second))
    gain = (together + 0.01) / (mean((target - second).square()) + 0.01)
    return gain, first - gain * second


def _coarse(x: Tensor, factor: int) -> Tensor:
    return F.avg_pool2d(x, factor)


def _quantiles(x: Float[Tensor, "pairs values"], shares: tuple[float, ...]) -> Numbers:
    places = (torch.tensor(shares, dtype=torch.float32) * (x.shape[1] - 1)).round().long()
    return torch.from_numpy(np.sort(x.numpy(), axis=1))[
        :, places
    ]  # numpy sorts in vectors: ten times as fast


def _blocks(light: Light, lit: Light, amount: Light, inside: Light, side: int) -> Numbers:
    """How many of the blocks in which something is drawn agree, and of how much structure: overlapping by half."""

    def mean(x: Light) -> Tensor:
        return F.avg_pool2d(x, side, side // 2).flatten(1)

    first, second = mean(light), mean(lit)
    spread = [(mean(x.square()) - m.square()).clamp(min=0) for x, m in ((light, first), (lit, second))]
    alike = (mean(light * lit) - first * second + 1e-3) / ((spread[0] + 1e-3) * (spread[1] + 1e-3)).sqrt()
    whole, near = (mean(inside) > 0.99).float(), (mean(amount) < NEAR).float()
    structures = [one.sqrt() * whole for one in spread]
    numbers = [number for one in structures for number in _agreement(one, alike, near)]
    somewhere = torch.maximum(*structures) > 0.1
    worst = _quantiles(torch.where(somewhere, alike, torch.ones_like(alike)), LOW)
    return torch.cat([torch.stack(numbers, 1), worst], dim=1)


def _agreement(structure: Tensor, alike: Tensor, near: Tensor) -> list[Tensor]:
    """Of blocks (N, blocks), by where the structure of one of the pictures lies."""
    drawn = (structure > DRAWN).float()
    count, sure = drawn.sum(1) + 1, (alike > ALIKE[1]).float()
    both = (drawn * near * sure).sum(1)
    return [
        drawn.mean(1), *((drawn * (alike > least)).sum(1) / count for least in ALIKE),
        (drawn * (alike < 0.1)).sum(1) / count, (structure * alike).sum(1) / (structure.sum(1) + 0.1),
        ((structure * sure).mean(1) + 0.01).log(), ((structure * (alike < ALIKE[3])).mean(1) + 0.01).log(),
        (drawn * near).sum(1) / count, both / count, (both + 1).log(),
    ]  # fmt: skip


def _edges(light: Light, lit: Light) -> list[Tensor]:
    """How far slopes differ, how steep they are, and how well they agree."""
    (ax, ay), (bx, by) = _slopes(light), _slopes(lit)
    differ = [((one - other).abs().mean((1, 2, 3)) + 0.01).log() for one, other in ((ax, bx), (ay, by))]
    steep = [(one.abs().mean((1, 2, 3)) + 0.01).log() for one in (ax, ay, bx, by)]
    sizes = [
        (x.square().sum((1, 2, 3)) + y.square().sum((1, 2, 3)) + 0.1).sqrt() for x, y in ((ax, ay), (bx, by))
    ]
    agree = ((ax * bx).sum((1, 2, 3)) + (ay * by).sum((1, 2, 3))) / sizes[0] / sizes[1]
    return [*differ, *steep, agree]


def _slopes(x: Light) -> tuple[Tensor, Tensor]:
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def _rough(x: Light) -> Float[Tensor, " pairs"]:
    """Noise, or what blur has taken: the mean Laplacian."""
    inner = 4 * x[..., 1:-1, 1:-1]
    around = x[..., 2:, 1:-1] + x[..., :-2, 1:-1] + x[..., 1:-1, 2:] + x[..., 1:-1, :-2]
    return ((inner - around).abs().mean((1, 2, 3)) + 0.02).log()


def _saturation(x: Pictures) -> Float[Tensor, " pairs"]:
    return ((x.amax(1) - x.amin(1)).mean((1, 2)) + 0.02).log()


def _correlations(first: Pictures, second: Pictures) -> Float[Tensor, "pairs 3"]:
    a, b = (x - x.mean((2, 3), keepdim=True) for x in (first, second))
    spread = (a.square().mean((2, 3)) + 0.01) * (b.square().mean((2, 3)) + 0.01)
    return (a * b).mean((2, 3)) / spread.sqrt()
