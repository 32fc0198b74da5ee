"""From prompts to what guidance is told: every part encoded once, and which of them counts when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from ornstein.condition.parts import Part, Phrase, Words
from ornstein.guide.several import Condition, Several

Prompt: TypeAlias = str | tuple[Part, ...]
"""Plain text, or the parts of a composed prompt."""


def parts_of(prompt: Prompt) -> tuple[Part, ...]:
    """The parts of a composed prompt; plain text is one."""
    return (Part((Words(prompt),)),) if isinstance(prompt, str) else prompt


def said(part: Part, steps: int) -> list[str | Phrase]:
    """What a part says in turn within so many steps, as long as it says something new."""
    phrases = (part.at(step) for step in range(min(part.period, steps)))
    return [phrase if phrase.weights else phrase.text for phrase in phrases]


def several(
    encode: Callable[[Sequence[str | Phrase]], Condition], prompts: Sequence[Prompt], grids: Sequence[Tensor]
) -> Several:
    """Prompts as conditions; where some have fewer parts than others, parts of weight 0 fill up.

    Args:
        encode: of an encoder.
        prompts: one a row.
        grids: the times each row visits (steps + 1,), which tell the turns.
    """
    rows = [
        [(part.weight, said(part, len(grid) - 1)) for part in parts_of(prompt)]
        for prompt, grid in zip(prompts, grids, strict=True)
    ]
    number = {phrase: k for k, phrase in enumerate(_each(rows))}
    counts = [_turns(row, grid) for row, grid in zip(rows, grids, strict=True)]
    widest, longest = max(len(row) for row in rows), max(counts)
    turns = torch.zeros(len(rows), widest, longest, dtype=torch.long)
    weight = torch.zeros(len(rows), widest, dtype=torch.float32)
    ends = torch.full((len(rows), longest - 1), -1.0, dtype=torch.float64)
    for k, (row, grid, count) in enumerate(zip(rows, grids, counts, strict=True)):
        ends[k, : count - 1] = grid[1:count]
        for p, (share, phrases) in enumerate(row):
            weight[k, p] = share
            turns[k, p, :count] = torch.tensor(
                [number[phrases[turn % len(phrases)]] for turn in range(count)]
            )
    return Several(encode(list(number)), turns, ends, weight)


def _each(rows: Sequence[Sequence[tuple[float, Sequence[str | Phrase]]]]) -> Iterable[str | Phrase]:
    """Every phrase, once, in the order they come."""
    return dict.fromkeys(phrase for row in rows for _, phrases in row for phrase in phrases)


def _turns(row: Sequence[tuple[float, Sequence[str | Phrase]]], grid: Tensor) -> int:
    """How many turns a row has: one for each step, or one for all."""
    return len(grid) - 1 if any(len(phrases) > 1 for _, phrases in row) else 1
