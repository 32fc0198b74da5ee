"""How a verifier is trained: on altered copies of what the index holds, beside what the descriptor takes them for.

Every query is looked up as a picture would be. Its source is the right candidate; other styles of the same work, and
pictures that are the same but for a shade, are neither right nor wrong; all others are wrong. Many queries are not
altered: what is nearest to these is what honest pictures are measured by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from ornstein.guard.trace.alike import ALIKE, thumbnails
from ornstein.guard.trace.alterations import altered, covered
from ornstein.guard.trace.descriptor import FINER, shown, to_input
from ornstein.guard.trace.verifier import VerifierConfig, VerifierNetwork
from ornstein.rng import stream

AT_ONCE = 256  # queries
AS_THEY_ARE, COVERED_MORE = 0.38, 0.2  # shares of queries
RATE, DECAY, EPOCHS = 2e-3, 0.05, 20  # of AdamW: highest rate, weight decay; passes over the pairs
JITTER = 0.05  # deviations of noise on the numbers
RANKING = 0.3  # weight of the term that names the right one among the candidates
NEVER = -1e4  # log-odds of what is out of the question


@dataclass(frozen=True)
class Pairs:
    """Queries with their candidates.

    Attributes:
        numbers: (Q, K, numbers) float16. right: (Q, K) the source. wrong: (Q, K) certainly another.
    """

    numbers: Float[Tensor, "queries candidates numbers"]
    right: Bool[Tensor, "queries candidates"]
    wrong: Bool[Tensor, "queries candidates"]


def fitted(pairs: Pairs, seed: int = 0) -> VerifierNetwork:
    """A verifier of the pairs: by its best wrong candidate a query is to be judged no copy, by the right one a copy."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = VerifierNetwork(VerifierConfig(numbers=pairs.numbers.shape[2]))
    _measure(network, pairs)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    batches = list(_batches(len(pairs.numbers), seed))
    for step, chosen in enumerate(batches):
        random = torch.Generator().manual_seed(seed + step)
        numbers = pairs.numbers[chosen].float()
        numbers += JITTER * network.deviation * torch.randn(numbers.shape, generator=random)
        loss = separation(network(numbers), pairs.right[chosen], pairs.wrong[chosen])
        optimiser.zero_grad()
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = RATE * (0.5 + 0.5 * math.cos(math.pi * step / len(batches)))
        optimiser.step()
    return network.eval()


def separation(
    odds: Float[Tensor, "rows candidates"],
    right: Bool[Tensor, "rows candidates"],
    wrong: Bool[Tensor, "rows candidates"],
) -> Float[Tensor, ""]:
    """The loss of log-odds: of the right candidates, of the wrong ones of a query together, and of which is first."""
    has = right.any(1)
    copies = odds.masked_fill(~right, NEVER).amax(1)[has]
    others = odds.masked_fill(~wrong, NEVER).logsumexp(1)
    named = odds.masked_fill(~(right | wrong), NEVER).log_softmax(1)[right]
    loss = F.softplus(others).mean()
    return loss + F.softplus(-copies).mean() - RANKING * named.mean() if has.any() else loss


def _measure(network: VerifierNetwork, pairs: Pairs) -> None:
    """Set the mean and deviation of the numbers."""
    some = pairs.numbers[:: max(1, len(pairs.numbers) // 4096)].flatten(0, 1).float()
    network.mean.copy_(some.mean(0))
    network.deviation.copy_(some.std(0) + 1e-3)


def _batches(count: int, seed: int) -> Iterator[np.ndarray]:
    size = min(AT_ONCE, count)
    for epoch in range(EPOCHS):
        order = stream("verifier order", seed, epoch).permutation(count)
        yield from (order[start : start + size] for start in range(0, count - size + 1, size))


def gathered(
    look: Callable[[Float[Tensor, "rows 3 side side"]], tuple[Tensor, Tensor]],
    pictures: np.ndarray,
    works: np.ndarray,
    size: int,
    queries: int,
    seed: int = 0,
    progress: Callable[[int], None] = lambda seen: None,
) -> Pairs:
    """Altered copies of pictures, looked up.

    Args:
        look: from what the descriptor sees of pictures to places in the index (B, K) and numbers (B, K, numbers).
        pictures: of the index, square uint8 (N, H, W, C).
        works: (N,) numbers; pictures of one number are versions of one work.
        size: side of what the descriptor sees.
        queries: how many.
        seed: of draws and alterations.
        progress: told how many are done.
    """
    small = thumbnails(pictures)
    mirrored = thumbnails(np.ascontiguousarray(pictures[:, :, ::-1]))
    work = torch.from_numpy(works)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for start in range(0, queries, AT_ONCE):
        random = stream("verifier", seed, start)
        chosen = random.integers(len(pictures), size=min(AT_ONCE, queries - start))
        where, numbers = look(_query(pictures[chosen], size, random))
        source = torch.from_numpy(chosen)[:, None]
        right = where == source
        version = work[where] == work[source]
        for mine in (small, mirrored):
            version |= (small[where] - mine[source]).square().mean(2).sqrt() < ALIKE
        parts.append((numbers.half(), right, ~(right | version)))
        progress(start + len(chosen))
    return Pairs(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _query(pictures: np.ndarray, size: int, random: np.random.Generator) -> Float[Tensor, "rows 3 size size"]:
    """What the descriptor sees of altered copies, and of some pictures as they are."""
    copies = altered(pictures, FINER * size, random)
    more = torch.from_numpy(random.random(len(copies)) < COVERED_MORE).view(-1, 1, 1, 1)
    seen = shown(torch.where(more, covered(copies, random), copies))
    as_it_is = torch.from_numpy(random.random(len(copies)) < AS_THEY_ARE).view(-1, 1, 1, 1)
    return torch.where(as_it_is, to_input(pictures, size), seen)
