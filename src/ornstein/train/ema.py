"""Exponential moving averages of the weights, with half-lives counted in samples."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class AveragedWeights:
    """One running average of a module's parameters; buffers are copied.

    The half-life grows with the run (a tenth of the samples seen) until it reaches `half_life`, so that early
    averages forget the random start (Karras et al. 2022, arXiv 2206.00364, appendix F.2).

    Args:
        module: whose weights are averaged.
        half_life: samples after which a weight counts half.
    """

    def __init__(self, module: nn.Module, half_life: int) -> None:
        self.half_life = half_life
        self.tensors = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, seen: int, batch: int) -> None:
        """Move toward the current weights after `batch` samples, `seen` of them in all."""
        decay = 0.5 ** (batch / max(min(self.half_life, seen / 10), 1e-9))
        parameters = {name for name, _ in module.named_parameters()}
        for name, value in module.state_dict().items():
            if name in parameters:
                self.tensors[name].lerp_(value, 1 - decay)
            else:
                self.tensors[name].copy_(value)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over saved averages."""
        for name, value in tensors.items():
            self.tensors[name].copy_(value)
