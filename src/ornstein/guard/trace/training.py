"""How a descriptor is trained: an altered copy of a picture is to be nearer to it, by a margin, than to all others.

Batches are drawn by family, two pictures of each: the same thing in another style, or with another skin, must not be
taken for a copy. Pictures that are the same but for a shade are never told apart.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ornstein.assembly import fast_dtype
from ornstein.evaluate.trunk import rate
from ornstein.guard.trace.alike import same, thumbnails
from ornstein.guard.trace.alterations import altered
from ornstein.guard.trace.descriptor import DescriptorConfig, DescriptorNetwork, shown, to_input
from ornstein.rng import stream

BATCH, OF_A_FAMILY = 256, 2
RATE, DECAY = 2e-3, 0.01  # of AdamW: highest rate, weight decay
TEMPERATURE, MARGIN = 0.05, 0.1  # of cosines
SPREAD = 2.0  # weight of the entropy term; SSCD's 30 belongs to batches of thousands

Vectors = Float[Tensor, "rows width"]
Same = Bool[Tensor, "rows rows"]


def train_descriptor(
    pictures: np.ndarray,
    families: np.ndarray,
    config: DescriptorConfig,
    samples: int,
    seed: int = 0,
    progress: Callable[[int, float], None] = lambda seen, loss: None,
) -> DescriptorNetwork:
    """Train on the processor; one thread does about 300 pictures of 64 px a second.

    Args:
        pictures: square uint8 (N, H, W, C).
        families: of each picture, a number (N,): pictures of one family resemble one another.
        config: shape of the network.
        samples: pictures seen, drawn by the seed with repeats.
        seed: of weights, draws and alterations.
        progress: told pictures seen and the loss.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DescriptorNetwork(config)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    order = np.argsort(families, kind="stable")
    starts = np.unique(families[order], return_index=True)[1]
    dtype, steps = fast_dtype(), max(1, samples // BATCH)
    for step in range(steps):
        random = stream("descriptor", seed, step)
        chosen = _draw(order, starts, random)
        given = pictures[chosen]
        small = thumbnails(given)
        copies = shown(altered(given, config.finer, random))
        views = torch.cat([to_input(given, config.size), copies])
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            seen = network(views)
        loss = contrast(seen[: len(chosen)], seen[len(chosen) :], same(small, small))
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = RATE * rate(step / steps)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        progress((step + 1) * BATCH, float(loss.detach()))
    return network.eval()


def contrast(first: Vectors, second: Vectors, same: Same) -> Float[Tensor, ""]:
    """The loss of unit vectors: InfoNCE with a margin, and SSCD's entropy (equation 3) of pictures among themselves.

    Args:
        first: of pictures.
        second: of an altered copy of each.
        same: where two rows show the same picture: neither right nor wrong. The diagonal is true.
    """
    right = (first * second).sum(1, keepdim=True) - MARGIN
    others = torch.cat([second @ first.T, second @ second.T], dim=1).masked_fill(
        same.repeat(1, 2), -torch.inf
    )
    matching = -torch.cat([right, others], dim=1).div(TEMPERATURE).log_softmax(1)[:, 0].mean()
    nearest = (first @ first.T).masked_fill(same, -1).amax(1)
    return matching - SPREAD * (2 - 2 * nearest).clamp(min=1e-6).sqrt().log().mean()


def _draw(order: np.ndarray, starts: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Row numbers of a batch, ascending: families uniformly, a few rows of each, none twice."""
    ends = np.append(starts[1:], len(order))
    family = random.integers(len(starts), size=BATCH // OF_A_FAMILY)
    lengths = ends[family] - starts[family]
    places = starts[family, None] + (random.random((len(family), OF_A_FAMILY)) * lengths[:, None]).astype(int)
    return np.unique(order[places])
