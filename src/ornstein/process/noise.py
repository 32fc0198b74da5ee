"""One seed, one sample: noise is a pure function of a row's seed, never of its batch, row or device."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from ornstein.process.fields import Sample
from ornstein.rng import stream, uniforms


def row_noise(seeds: Sequence[int], draws: Sequence[int] | int, like: Sample, again: int = 0) -> Sample:
    """Noise in the shape and on the device of `like`, each row from its own stream (seed, draw) on the CPU.

    So the same seed gives the same noise alone or in a batch, on any device. What is drawn is what the kind of field
    needs: of numbers, standard normal noise, drawn in float32 and given in their dtype; of categories (any integer
    dtype), uniforms in [0, 1) in float64, of 53 bits, which resolve the rarest category of a large vocabulary.

    Args:
        seeds: one non-negative integer a row.
        draws: which draw of the row this is (0 = the initial noise, k = the noise of step k), one or one a row.
        like: a sample with ``len(seeds)`` rows; fields of a mapping get separate streams.
        again: how often this draw was made before: each time gives other noise.

    Raises:
        ValueError: if the number of rows and of seeds differ.
    """
    purpose = f"noise {again}" if again else "noise"
    if isinstance(like, Mapping):
        return {name: _rows(seeds, draws, value, f"{purpose}/{name}") for name, value in like.items()}
    return _rows(seeds, draws, like, purpose)


def _rows(
    seeds: Sequence[int], draws: Sequence[int] | int, like: Shaped[Tensor, "rows *shape"], purpose: str
) -> Float[Tensor, "rows *shape"]:
    if len(seeds) != like.shape[0]:
        raise ValueError(f"{len(seeds)} seeds for {like.shape[0]} rows")
    each = [draws] * len(seeds) if isinstance(draws, int) else draws
    keys, shape = list(zip(seeds, each, strict=True)), tuple(like.shape[1:])
    if not like.is_floating_point():
        drawn = uniforms(purpose, keys, math.prod(shape))
        return torch.as_tensor(drawn.reshape(len(keys), *shape)).to(like.device)
    rows = [stream(purpose, *key).standard_normal(shape, dtype=np.float32) for key in keys]
    return torch.as_tensor(np.stack(rows)).to(like.device, like.dtype) if rows else like
