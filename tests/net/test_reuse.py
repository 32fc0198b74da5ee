"""Deep blocks that run at some evaluations: exact where they run, foreseen in between, each row for itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ornstein.net import reuse
from ornstein.net.reuse import DeepBlocks, with_deep_blocks
from tests.common import normal
from tests.net.test_inference import asked
from tests.net.test_transformer import CLOSE, awaken, new_patched


class Adds(nn.Module):
    """A block whose effect is known: it adds a number that changes from call to call; counts the rows it is given."""

    def __init__(self, *effects: float) -> None:
        super().__init__()
        self.effects, self.rows = list(effects), []

    def forward(self, x, modulation, rotation, mask):
        self.rows.append(len(x))
        return x + self.effects[len(self.rows) - 1]


def evaluate(deep: DeepBlocks, rows: list[int]) -> torch.Tensor:
    """What the blocks add to so many rows of zeros."""
    deep.expect(torch.tensor(rows))
    x = torch.zeros(len(rows), 2, 4)
    angles = torch.zeros(len(rows), 1, 2, 1)
    return deep(x, torch.zeros(len(rows), 1, 6, 4), (angles, angles), None)[:, 0, 0]


def test_an_effect_that_changes_evenly_is_foreseen(monkeypatch):
    monkeypatch.setattr(reuse, "TRUST", 1.0)
    block = Adds(1.0, 3.0, 5.0)
    deep = DeepBlocks([block], 2)
    deep.begin(1)
    effects = [float(evaluate(deep, [0])) for _ in range(6)]
    assert effects == [1, 1, 3, 4, 5, 6]  # one value is no change yet
    assert block.rows == [1, 1, 1]


def test_rows_come_and_go_by_their_own_count():
    """As guidance does at the ends of its interval, and as a server's requests would."""
    block = Adds(1.0, 10.0, 100.0)
    deep = DeepBlocks([block], 2)
    deep.begin(3)
    assert evaluate(deep, [0, 1]).tolist() == [1, 1]
    assert evaluate(deep, [1, 2]).tolist() == [1, 10]  # 2 is new
    assert evaluate(deep, [2, 0, 1]).tolist() == [10, 1, 100]  # 1 is due, 0 and 2 are not
    assert block.rows == [2, 1, 1]


@pytest.mark.parametrize("every", [1, 2])
@torch.inference_mode()
def test_the_first_evaluation_is_the_network(every):
    net = awaken(new_patched(2, depth=3))
    copied, deep = with_deep_blocks(net, every)
    for _ in range(2):
        deep.begin(3)
        torch.testing.assert_close(asked(copied, 4, 4), asked(net, 4, 4), **CLOSE)


@torch.inference_mode()
def test_always_is_the_network_at_every_evaluation():
    net = awaken(new_patched(2, depth=3))
    copied, deep = with_deep_blocks(net, 1)
    deep.begin(3)
    for seed in range(3):
        levels = normal(3, seed=seed).float()
        torch.testing.assert_close(
            asked(copied, 4, 4, levels=levels), asked(net, 4, 4, levels=levels), **CLOSE
        )


@torch.inference_mode()
def test_a_neighbour_changes_no_bit_of_a_row():
    net = awaken(new_patched(2, depth=3))
    copied, deep = with_deep_blocks(net, 2)

    def trajectory(neighbour: float) -> list[torch.Tensor]:
        deep.begin(3)
        levels = [torch.tensor([-1.0, neighbour, 0.5]) + step for step in range(4)]
        return [asked(copied, 4, 4, levels=level)[0] for level in levels]

    for one, other in zip(trajectory(3.0), trajectory(-4.0), strict=True):
        assert torch.equal(one, other)


def test_networks_without_deep_blocks_are_refused():
    for net in (nn.Linear(2, 2), new_patched(2, depth=1)):
        with pytest.raises(ValueError, match="no deep blocks"):
            with_deep_blocks(net, 2)
