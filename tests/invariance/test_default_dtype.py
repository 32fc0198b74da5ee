"""What is drawn does not depend on torch's default dtype.

It is one for all threads, and the libraries of published checkpoints change it while they load: a server that reads an
autoencoder for its first picture, or a text encoder for a new prompt, draws others at that moment.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from ornstein.model import Model
from ornstein.request import requests
from ornstein.sample.registry import METHODS
from tests.common import default_dtype
from tests.interop.conftest import Both, both
from tests.small import bundle, model

__all__ = ["both", "bundle", "model"]


def _drawn(model: Model, prompts: list[str], sampler: str) -> np.ndarray:
    asked = requests(prompts, 1, 3, "", model.recipe.sampling, steps=3, guidance=3.0, sampler=sampler)
    return np.stack([output.array for output in model.make(asked)])


@pytest.mark.parametrize("sampler", METHODS)
def test_a_picture(model: Model, sampler: str) -> None:
    plain = _drawn(model, ["cat", "dog"], sampler)
    with default_dtype(torch.bfloat16):
        assert np.array_equal(_drawn(model, ["cat", "dog"], sampler), plain)


@pytest.mark.parametrize(
    "family",
    ["stable_diffusion", "stable_diffusion_2", "stable_diffusion_xl", "stable_diffusion_3_without_t5", "flux",
     "pixart_1024", "dit"],
)  # fmt: skip
def test_a_published_checkpoint_s_picture(both: Callable[..., Both], family: str) -> None:
    published = both(family).model
    prompts = ["goldfish", "tench"] if family == "dit" else ["a cat", "a red apple"]
    plain = _drawn(published, prompts, "dpmpp-2m")
    with default_dtype(torch.bfloat16):
        assert np.array_equal(_drawn(published, prompts, "dpmpp-2m"), plain)
