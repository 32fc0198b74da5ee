"""Two sides in turns, and what their times say: medians, and the median of the ratios with quartiles."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

SIDES = ("peer", "ours")


@dataclass(frozen=True)
class Comparison:
    """One line of a table.

    Attributes:
        what: was done. peer, ours: median seconds of one picture.
        ratio: median of peer / ours over the repeats. low, high: its quartiles.
        wanted: the least ratio aimed at; None where the line is for information.
    """

    what: str
    peer: float
    ours: float
    ratio: float
    low: float
    high: float
    wanted: float | None


def in_turns(
    peer: Callable[[], object],
    ours: Callable[[], object],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each call, peer and ours in turns, after one of each that does not count."""
    works = dict(zip(SIDES, (peer, ours), strict=True))
    spent: dict[str, list[float]] = {side: [] for side in SIDES}
    for work in works.values():
        work()
    for _ in range(repeats):
        for side, work in works.items():
            started = clock()
            work()
            spent[side].append(clock() - started)
    return spent


def compared(
    what: str, spent: dict[str, list[float]], pictures: int = 1, wanted: float | None = None
) -> Comparison:
    """What paired times say, of calls that make so many `pictures` each."""
    peer, ours = (np.array(spent[side]) / pictures for side in SIDES)
    low, ratio, high = (float(q) for q in np.quantile(peer / ours, (0.25, 0.5, 0.75)))
    return Comparison(what, float(np.median(peer)), float(np.median(ours)), ratio, low, high, wanted)


def table(lines: Sequence[Comparison], peer: str = "diffusers") -> str:
    """The lines in Markdown."""
    head = ["| | " + peer + " s a picture | Ornstein s a picture | ratio (quartiles) | wanted |",
            "|---|---|---|---|---|"]  # fmt: skip
    return "\n".join([*head, *(_row(line) for line in lines)]) + "\n"


def _row(line: Comparison) -> str:
    wanted = "" if line.wanted is None else f"{line.wanted:g}"
    ratio = f"{line.ratio:.2f} ({line.low:.2f} to {line.high:.2f})"
    return f"| {line.what} | {line.peer:.4f} | {line.ours:.4f} | {ratio} | {wanted} |"


def plain(lines: Sequence[Comparison]) -> list[dict[str, Any]]:
    """The lines as plain values."""
    return [asdict(line) for line in lines]
