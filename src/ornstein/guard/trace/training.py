"""How a descriptor is trained: an altered copy of a picture is to be nearer to it, by a margin, than to all others.

All others: at first those of a batch, which is drawn by family, then all there are. A bank keeps the last description
of every picture (Wu et al. 2018, arXiv 1805.01978), so that the same thing in another style, or with another skin, is
always among what must not be taken for a copy. Pictures that are the same but for a shade are never told apart.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ornstein.assembly import fast_dtype
from ornstein.evaluate.trunk import rate
from ornstein.guard.trace.alike import groups
from ornstein.guard.trace.alterations import altered
from ornstein.guard.trace.content import content
from ornstein.guard.trace.descriptor import DescriptorConfig, DescriptorNetwork, to_input
from ornstein.rng import stream

BATCH, OF_A_FAMILY = 192, 4
RATE, DECAY = 2e-3, 0.01  # of AdamW: highest rate, weight decay
TEMPERATURE, MARGIN = 0.05, 0.2  # of cosines
ALONE = 0.25  # share of the training in which a batch has only itself
SPREAD = 1.0  # weight of the entropy term; SSCD's 30 belongs to batches of thousands

Vectors = Float[Tensor, "rows width"]
Same = Bool[Tensor, "rows others"]


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
    doubles, bank = groups(pictures), torch.zeros(len(pictures), config.width)
    order = np.argsort(families, kind="stable")
    starts = np.unique(families[order], return_index=True)[1]
    dtype, steps = fast_dtype(), max(1, samples // BATCH)
    for step in range(steps):
        random = stream("descriptor", seed, step)
        chosen = _draw(order, starts, random)
        given = pictures[chosen]
        copies = content(altered(given, config.size, random)) * 2 - 1
        views = torch.cat([to_input(given, config.size), copies]).contiguous(
            memory_format=torch.channels_last
        )
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            seen = network(views)
        first, second = seen[: len(chosen)], seen[len(chosen) :]
        same = torch.zeros(len(chosen), len(pictures), dtype=torch.bool)
        for place, row in enumerate(chosen):
            same[place, doubles[row]] = True
        if step < ALONE * steps:
            bank.zero_()
        loss = contrast(first, second, bank, same, torch.from_numpy(chosen))
        loss.backward()
        bank[chosen] = first.detach()
        for group in optimiser.param_groups:
            group["lr"] = RATE * rate(step / steps)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        progress((step + 1) * BATCH, float(loss.detach()))
    return network.eval()


def contrast(first: Vectors, second: Vectors, bank: Tensor, same: Same, rows: Tensor) -> Float[Tensor, ""]:
    """The loss of unit vectors: InfoNCE with a margin, and SSCD's entropy (equation 3) of pictures among themselves.

    Args:
        first: of pictures.
        second: of an altered copy of each.
        bank: (N, width) of all pictures, as they last were; zeros for those that do not count yet.
        same: (B, N) which of all pictures are the same as each.
        rows: (B,) place of each picture among all.
    """
    inside = same[:, rows]  # the pictures of the batch among themselves
    apart = ~torch.eye(len(first), dtype=torch.bool)
    right = (first * second).sum(1, keepdim=True) - MARGIN
    others = (second @ first.T).masked_fill(inside, -torch.inf)
    known = (second @ bank.T).masked_fill(same | ~bank.any(1), -torch.inf)
    scores = torch.cat([right, others, known], dim=1) / TEMPERATURE
    matching = -scores.log_softmax(1)[:, 0].mean()
    nearest = (first @ first.T).masked_fill(inside | ~apart, -1).amax(1)
    return matching - SPREAD * (2 - 2 * nearest).clamp(min=1e-6).sqrt().log().mean()


def _draw(order: np.ndarray, starts: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Row numbers of a batch, ascending: families uniformly, a few rows of each, none twice."""
    ends = np.append(starts[1:], len(order))
    family = random.integers(len(starts), size=BATCH // OF_A_FAMILY)
    lengths = ends[family] - starts[family]
    places = starts[family, None] + (random.random((len(family), OF_A_FAMILY)) * lengths[:, None]).astype(int)
    return np.unique(order[places])
