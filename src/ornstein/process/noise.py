"""One seed, one sample: noise is a pure function of a row's seed, never of its batch, row or device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ornstein.process.fields import Sample
from ornstein.rng import stream


def row_noise(seeds: Sequence[int], draws: Sequence[int] | int, like: Sample) -> Sample:
    """Standard normal noise in the shape, dtype and on the device of `like`, each row from its own stream.

    Numbers are drawn in float32 on the CPU from the stream (seed, draw), so the same seed gives the same
    noise alone or in a batch, on any device.

    Args:
        seeds: one non-negative integer a row.
        draws: which draw of the row this is (0 = the initial noise, k = the noise of step k), one or one a row.
        like: a sample with ``len(seeds)`` rows; fields of a mapping get separate streams.

    Raises:
        ValueError: if the number of rows and of seeds differ.
    """
    if isinstance(like, Mapping):
        return {name: _rows(seeds, draws, value, f"noise/{name}") for name, value in like.items()}
    return _rows(seeds, draws, like, "noise")


def _rows(
    seeds: Sequence[int], draws: Sequence[int] | int, like: Float[Tensor, "rows *shape"], purpose: str
) -> Float[Tensor, "rows *shape"]:
    if len(seeds) != like.shape[0]:
        raise ValueError(f"{len(seeds)} seeds for {like.shape[0]} rows")
    each = [draws] * len(seeds) if isinstance(draws, int) else draws
    rows = [
        stream(purpose, seed, draw).standard_normal(tuple(like.shape[1:]), dtype=np.float32)
        for seed, draw in zip(seeds, each, strict=True)
    ]
    return torch.as_tensor(np.stack(rows)).to(like.device, like.dtype) if rows else torch.zeros_like(like)
