r"""What a model of text grants to text it never saw, in bits a character.

Block by block, $-\log p(x)\le\sum_b E_k\big[\tfrac{n}{k}\sum_{i\text{ hidden}}-\log p(x_i\mid\text{seen})\big]$: of the
n tokens of a block, k are hidden, any k of them equally often, and the blocks before are seen (Arriola et al. 2025,
arXiv 2503.09573, eq. 5, by the mean over orders of Ou et al. 2024, arXiv 2406.03736). It is an upper bound on the
surprise, drawn without bias; with blocks of one token it is the surprise itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ornstein.codec.tokens import TokenCodec
from ornstein.errors import OrnsteinError
from ornstein.evaluate.estimate import Estimate
from ornstein.net.sequence import Order
from ornstein.rng import stream
from ornstein.texts import TextModel
from ornstein.train.objective import fields_loss
from ornstein.train.texts import Windows, hidden

ROWS = 16  # windows computed together
ROUNDS = 1000  # of the bootstrap


def held_windows(codec: TokenCodec, passages: Sequence[str], size: int) -> Int[Tensor, "windows {size}"]:
    """All whole windows of a text, one after another: each begins with the start, and no token stands in two.

    Raises:
        OrnsteinError: not one window.
    """
    windows = Windows(codec, list(passages))
    places = np.arange(0, len(windows.tokens) - (size - 1) + 1, size - 1)
    if not len(places):
        raise OrnsteinError(f"the text has {len(windows.tokens)} tokens, fewer than one window of {size}")
    return torch.from_numpy(windows.at(places, size))


def characters(codec: TokenCodec, windows: Int[Tensor, "windows tokens"]) -> np.ndarray:
    """Characters of each window, (windows,)."""
    return np.array([len(codec.decode(window.tolist())) for window in windows])


@torch.inference_mode()
def bound_nats(
    model: TextModel,
    windows: Int[Tensor, "windows tokens"],
    block: int,
    draws: int = 1,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Float[np.ndarray, " windows"]:
    """The bound on the surprise at each window after its start, in nats, drawn without bias.

    Args:
        model: of text.
        windows: of tokens.
        block: tokens of a block.
        draws: sets of hidden tokens that are tried.
        seed: of the draws.
        progress: told (windows done, windows in all).
    """
    size = windows.shape[1]
    ranks = 1 + np.arange(size) // block
    ranks[0] = 0
    every = np.broadcast_to(ranks, (ROWS, size))
    total = np.zeros(len(windows))
    for begin in range(0, len(windows), ROWS):
        x = windows[begin : begin + ROWS]
        order = Order(torch.from_numpy(every[: len(x)].copy()), x)
        for draw in range(draws):
            t, noise = hidden(stream("bound", seed, draw, begin), every[: len(x)])
            loss, _ = fields_loss(
                model.denoiser(), model.paths, x, torch.from_numpy(t.astype(np.float32)), torch.from_numpy(noise),
                order,
            )  # fmt: skip
            total[begin : begin + len(x)] += loss.double().numpy() * (size - 1) / draws
        progress(min(begin + ROWS, len(windows)), len(windows))
    return total


def bits_a_character(nats: np.ndarray, counts: np.ndarray, seed: int = 0) -> Estimate:
    """Bits a character of windows (N,), with an interval that resamples windows (the bootstrap of a ratio)."""
    random = np.random.default_rng(seed)
    drawn = random.integers(0, len(nats), (ROUNDS, len(nats)))
    ratios = nats[drawn].sum(1) / counts[drawn].sum(1) / math.log(2)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return Estimate(float(nats.sum() / counts.sum() / math.log(2)), float(low), float(high), len(nats))
