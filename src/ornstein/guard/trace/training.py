"""How a descriptor is trained: an altered copy of a picture is to be nearer to it than to all others.

Batches are drawn by family, a few pictures of each: the same thing in another style, or with another skin, is what must
not be taken for a copy. Pictures that are the same but for a shade are never told apart.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from ornstein.assembly import fast_dtype
from ornstein.evaluate.trunk import rate
from ornstein.guard.trace.alike import same, thumbnails
from ornstein.guard.trace.alterations import altered
from ornstein.guard.trace.descriptor import DescriptorConfig, DescriptorNetwork, to_input
from ornstein.rng import stream

BATCH, OF_A_FAMILY = 192, 4
RATE, DECAY = 2e-3, 0.01  # of AdamW: highest rate, weight decay
TEMPERATURE = 0.05
SPREAD = 3.0  # weight of the entropy term; SSCD's 30 belongs to batches of thousands

Vectors = Float[Tensor, "rows width"]


def train_descriptor(
    pictures: Callable[[np.ndarray], np.ndarray],
    families: np.ndarray,
    config: DescriptorConfig,
    samples: int,
    seed: int = 0,
    progress: Callable[[int, float], None] = lambda seen, loss: None,
) -> DescriptorNetwork:
    """Train on the processor; one thread does about 200 pictures of 64 px a second.

    Args:
        pictures: maps indices to square uint8 (n, H, W, C) pictures.
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
        given = pictures(chosen)
        small = thumbnails(given)
        copies = altered(given, config.size, random) * 2 - 1
        views = torch.cat([to_input(given, config.size), copies])
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            seen = network(views.contiguous(memory_format=torch.channels_last))
        loss = contrast(seen[: len(chosen)], seen[len(chosen) :], same(small, small))
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = RATE * rate(step / steps)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        progress((step + 1) * BATCH, float(loss.detach()))
    return network.eval()


def contrast(first: Vectors, second: Vectors, same: Bool[Tensor, "rows rows"]) -> Float[Tensor, ""]:
    """The loss of unit vectors of pictures and their copies: SSCD's equations 1 and 3, InfoNCE and entropy.

    Args:
        first: of the pictures.
        second: of a copy of each.
        same: where two rows show the same picture: neither right nor wrong. The diagonal is true.
    """
    count = len(first)
    seen, same = torch.cat([first, second]), same.repeat(2, 2)
    cosines = seen @ seen.T
    right = torch.arange(2 * count).roll(count)
    ignored = same.clone()
    ignored[torch.arange(2 * count), right] = False
    matching = F.cross_entropy((cosines / TEMPERATURE).masked_fill(ignored, -torch.inf), right)
    nearest = cosines.masked_fill(same, -1).amax(1)
    apart = (2 - 2 * nearest).clamp(min=1e-6).sqrt()
    return matching - SPREAD * apart.log().mean()


def _draw(order: np.ndarray, starts: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Row numbers of a batch, ascending: families uniformly, a few rows of each, none twice."""
    ends = np.append(starts[1:], len(order))
    family = random.integers(len(starts), size=BATCH // OF_A_FAMILY)
    lengths = ends[family] - starts[family]
    places = starts[family, None] + (random.random((len(family), OF_A_FAMILY)) * lengths[:, None]).astype(int)
    return np.unique(order[places])
