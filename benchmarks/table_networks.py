"""How many rows a second two networks of a table learn on one core: full layers over the row, attention over columns.

python -m benchmarks.table_networks
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ornstein.net.columns import ColumnsConfig, ColumnsNetwork, KindTokens, NumberTokens, level_features
from ornstein.net.dit import Transformer, TransformerConfig

NUMBERS, CATEGORIES = 7, (5, 7, 8, 4)  # as ggplot2's diamonds
BATCH, STEPS = 512, 20


class Attending(nn.Module):
    """The same tokens, joined by the transformer of pictures, every column at its own noise level."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.numbers, self.kinds = NumberTokens(NUMBERS, width), KindTokens(CATEGORIES, width)
        self.trunk = Transformer(TransformerConfig(width=width, depth=depth, heads=4, axes=1))
        self.out = nn.Linear(width, max(CATEGORIES))

    def forward(self, z: dict[str, Tensor], logsnr: dict[str, Tensor]) -> Tensor:
        """Logits of every token."""
        numbers = self.numbers(z["numbers"], level_features(logsnr["numbers"], NUMBERS))
        tokens = torch.cat([numbers, self.kinds(z["kinds"])], 1)
        rows, columns, width = tokens.shape
        nothing = tokens.new_zeros(rows, 1, width), torch.ones(rows, 1, dtype=torch.bool)
        levels = torch.cat([logsnr["numbers"], logsnr["kinds"]], 1)
        return self.out(self.trunk(tokens, torch.zeros(1, columns, 1), levels, *nothing))


def main() -> None:
    """Print rows a processor second, forward and backward with AdamW, in bfloat16 products."""
    torch.set_num_threads(1)
    networks: dict[str, Callable[[], nn.Module]] = {
        "full layers, width 384, 3 blocks": lambda: ColumnsNetwork(ColumnsConfig(), NUMBERS, CATEGORIES),
        "attention, width 64, 2 blocks": lambda: Attending(64, 2),
        "attention, width 128, 4 blocks": lambda: Attending(128, 4),
    }
    kinds = torch.stack([torch.randint(count, (BATCH,)) for count in CATEGORIES], 1)
    z = {"numbers": torch.randn(BATCH, NUMBERS), "kinds": kinds}
    logsnr = {"numbers": torch.randn(BATCH, NUMBERS), "kinds": torch.randn(BATCH, len(CATEGORIES))}
    print(f"{'network':<34}{'weights':>12}{'rows a processor second':>26}")
    for name, build in networks.items():
        network = build()
        seconds = _seconds(network, z, logsnr)
        weights = sum(weight.numel() for weight in network.parameters())
        print(f"{name:<34}{weights:>12,}{BATCH * STEPS / seconds:>26,.0f}")


def _seconds(network: nn.Module, z: dict[str, Tensor], logsnr: dict[str, Tensor]) -> float:
    """Processor seconds of ``STEPS`` steps, after two that warm up."""
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)
    started = 0.0
    for step in range(STEPS + 2):
        if step == 2:
            started = time.process_time()
        with torch.autocast("cpu", torch.bfloat16):
            output = network(z, logsnr)
        parts = output.values() if isinstance(output, dict) else [output]
        torch.stack([part[part.isfinite()].float().square().mean() for part in parts]).sum().backward()
        optimiser.step()
        optimiser.zero_grad()
    return time.process_time() - started


if __name__ == "__main__":
    main()
