"""Copies are flagged, and pictures that are merely alike are not."""

from __future__ import annotations

import pytest
import torch

from ornstein.evaluate.copying import copying, is_copying
from tests.common import normal

TRAINING, HELD_OUT, FRESH = normal(600, 12, seed=1), normal(300, 12, seed=2), normal(300, 12, seed=3)


def test_fresh_draws_of_the_same_law_are_not_flagged() -> None:
    found = copying(FRESH, HELD_OUT, TRAINING)
    assert not is_copying(found)
    assert found.flagged.value < 0.04
    assert found.authentic.value == pytest.approx(found.authentic_held_out.value, abs=0.1)
    assert found.distance.low < found.distance_held_out.value < found.distance.high


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_near_copies_are_flagged_and_come_first(share: float) -> None:
    copies = int(300 * share)
    made = torch.cat([TRAINING[:copies] + 0.05 * normal(copies, 12, seed=4), FRESH[copies:]])
    found = copying(made, HELD_OUT, TRAINING)
    assert is_copying(found)
    assert found.flagged.value == pytest.approx(share, abs=0.05)
    assert set(found.suspects[: copies // 2].tolist()) <= set(range(copies))
    assert found.authentic.value < found.authentic_held_out.value
