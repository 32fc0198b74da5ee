"""The modality that the documentation makes in forty lines: the page's own code, run."""

from __future__ import annotations

import re
from pathlib import Path

import torch

PAGE = Path(__file__).parents[2] / "docs" / "add-a-modality.md"


def test_what_is_drawn_follows_the_law_that_was_learned() -> None:
    torch.manual_seed(0)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict = {}
    exec(code, names)  # our own page
    made = names["made"]
    red = made["colour"] == 0
    assert 8 < red.sum() < 40
    assert made["weight"][red].mean() > 0.5
    assert made["weight"][~red].mean() < -0.5
    assert ((made["colour"] >= 0) & (made["colour"] < 3)).all()
