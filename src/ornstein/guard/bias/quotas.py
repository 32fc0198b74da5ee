"""Quotas: where prompts leave an attribute open, pictures of one request get its values in declared shares.

Open prompts are revised ("firefighter" becomes "woman firefighter"), which is disclosed; a prompt that states the
attribute is never touched. Of n open pictures each value gets its share of n, rounded up or down; which, and for which
picture, is drawn by the request's seeds, so that every picture has each value with exactly the declared probability
(systematic sampling: Madow 1949, Ann. Math. Stat. 20:333).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from ornstein.guard.bias.attributes import find, revised, states
from ornstein.guard.decision import Decision
from ornstein.guard.policy import Quota
from ornstein.rng import stream


def apply(quotas: Sequence[Quota], prompts: Sequence[str], seeds: Sequence[int]) -> list[str | None]:
    """Prompts revised by quotas.

    Args:
        quotas: of a policy; of two for one attribute, the first whose words a prompt has counts.
        prompts: one for each picture of a request.
        seeds: one for each picture; they decide every draw.

    Returns:
        For each picture what to draw instead, or None where the prompt stays as it is.
    """
    return [
        now if now != before else None
        for now, before in zip(_revised(quotas, prompts, seeds)[0], prompts, strict=True)
    ]


def decisions(
    quotas: Sequence[Quota], prompts: Sequence[str], seeds: Sequence[int]
) -> list[tuple[Decision, ...]]:
    """What ``apply`` did to each picture's prompt, for its record and for whoever asked; empty where nothing."""
    now, by = _revised(quotas, prompts, seeds)
    return [
        tuple(
            Decision(
                stage="prompt", action="transform", rule=f"quota:{attribute}", changed=text,
                reason=f"the prompt leaves {attribute} open: it is chosen in shares that the policy declares",
            )
            for attribute in attributes
        )
        for text, attributes in zip(now, by, strict=True)
    ]  # fmt: skip


def allot(shares: Sequence[float], count: int, random: np.random.Generator) -> np.ndarray:
    """Indices of values for `count` pictures, (count,): each value as often as its share asks, rounded up or down.

    Every picture gets value k with probability shares[k] exactly, over the draws of `random`.
    """
    order = random.permutation(len(shares))
    ends = np.cumsum(np.asarray(shares, np.float64)[order]) * count
    ends[-1] = count  # shares sum to 1 within rounding
    points = np.arange(count) + random.random()
    return random.permutation(order[np.searchsorted(ends, points, side="right")])


def _revised(
    quotas: Sequence[Quota], prompts: Sequence[str], seeds: Sequence[int]
) -> tuple[list[str], list[list[str]]]:
    """The prompts as they are drawn, and which attributes were chosen in each."""
    now, by = list(prompts), [[] for _ in prompts]
    settled: set[tuple[str, int]] = set()
    for place, quota in sorted(
        enumerate(quotas), key=lambda pair: pair[1].attribute
    ):  # gender: words move after it
        found = {
            k: who
            for k, prompt in enumerate(prompts)
            if (quota.attribute, k) not in settled
            and (who := find(quota.when, prompt)) is not None
            and not states(quota.attribute, prompt)
        }
        settled |= {(quota.attribute, k) for k in found}
        values, random = list(quota.shares), stream("quota", place, _key(seeds))
        for k, choice in zip(found, allot(list(quota.shares.values()), len(found), random), strict=True):
            before, now[k] = now[k], revised(quota.attribute, values[choice], now[k], found[k])
            if now[k] != before:
                by[k].append(quota.attribute)
    return now, by


def _key(seeds: Sequence[int]) -> int:
    """One integer of all seeds."""
    return int.from_bytes(hashlib.sha256(" ".join(map(str, seeds)).encode()).digest())
