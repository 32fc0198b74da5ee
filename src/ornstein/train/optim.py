"""Two optimisers, one step: Muon for the hidden matrices, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from ornstein.recipes.recipe import OptimiserSection


class Optimiser:
    """Muon (Jordan et al. 2024; RMS-matched as in Liu et al. 2025, arXiv 2502.16982) with AdamW.

    Muon takes the two-dimensional weights inside transformer blocks; embeddings, heads, norms and biases go to
    AdamW.

    Args:
        module: what is trained.
        config: rates and decay.
        samples: length of the run, for warm-up and decay.
    """

    def __init__(self, module: nn.Module, config: OptimiserSection, samples: int) -> None:
        self.config, self.samples = config, samples
        self._names: dict[Tensor, str] = {parameter: name for name, parameter in module.named_parameters()}
        matrices, rest = parted(module) if config.muon else ([], list(module.parameters()))
        self.parts: dict[str, torch.optim.Optimizer] = {
            "adamw": torch.optim.AdamW(
                rest, lr=config.adamw, betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True
            )
        }
        if matrices:
            self.parts["muon"] = torch.optim.Muon(
                matrices, lr=config.muon, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
            )

    def rate(self, seen: int) -> float:
        """Share of the full learning rate after `seen` samples: warm-up, plateau, linear decay to zero."""
        warm = min(1.0, (seen + 1) / self.config.warmup) if self.config.warmup else 1.0
        falling = self.samples * self.config.decay
        return min(warm, max(0.0, (self.samples - seen) / falling) if falling else 1.0)

    def step(self, seen: int) -> None:
        """Apply the gradients at the learning rate due after `seen` samples, and clear them."""
        for name, part in self.parts.items():
            for group in part.param_groups:
                group["lr"] = getattr(self.config, name) * self.rate(seen)
            part.step()
            part.zero_grad(set_to_none=True)

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Every state tensor under a name made of the optimiser, the parameter and the quantity."""
        for name, part in self.parts.items():
            for parameter, held in part.state.items():
                for quantity, value in held.items():
                    yield f"{name}/{self._names[parameter]}/{quantity}", torch.as_tensor(value)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over saved state."""
        parameters = {name: parameter for parameter, name in self._names.items()}
        for key, value in tensors.items():
            name, parameter, quantity = key.split("/")
            held = self.parts[name].state[parameters[parameter]]
            held[quantity] = value.clone()


def parted(*modules: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """All parameters: what Muon takes, and the rest."""
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for module in modules:
        for name, parameter in module.named_parameters():
            (matrices if is_hidden_matrix(name, parameter) else rest).append(parameter)
    return matrices, rest


def is_hidden_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Whether a weight, by its name in the module, is one that Muon takes."""
    return parameter.ndim == 2 and ".blocks." in name and name.endswith(".weight")
