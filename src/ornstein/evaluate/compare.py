"""Several models beside each other: the same prompts and seeds, every figure, and which differences are real."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ornstein.errors import UsageError, nearest
from ornstein.evaluate.estimate import Estimate, difference
from ornstein.evaluate.evaluation import Evaluation
from ornstein.evaluate.fidelity import Figure

_RULE = re.compile(r"\s*([\w-]+)\s*(<=|>=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """One figure of several models.

    Attributes:
        figure: of the first model, for its names.
        values: of each model. real: of unseen real pictures, where that means something.
        verdicts: for each model after the first: "better", "worse", or "" where the interval of the difference holds 0.
    """

    figure: Figure
    values: tuple[Estimate, ...]
    real: Estimate | None
    verdicts: tuple[str, ...]


def compare(evaluations: Sequence[Evaluation]) -> list[Row]:
    """Set the figures that all evaluations have beside each other; the first model is the one compared with.

    Raises:
        UsageError: of different prompts, or of distances to different pictures.
    """
    if any(e.prompts != evaluations[0].prompts for e in evaluations):
        raise UsageError(
            "these models are measured on different pictures: they share no unseen ones to be compared on"
        )
    if any(e.words.note for e in evaluations) and len({e.known for e in evaluations}) > 1:
        raise UsageError(
            "distances to different pictures do not compare: --against must be the pack that the others learned from"
        )
    tables = [{(f.features, f.key): f for f in e.comparable} for e in evaluations]
    rows: list[Row] = []
    for name, figure in tables[0].items():
        if all(name in table for table in tables):
            values = tuple(table[name].generated for table in tables)
            rows.append(
                Row(figure, values, figure.real, tuple(_verdict(figure, values[0], v) for v in values[1:]))
            )
    return rows


class Comparable(Protocol):
    """What rules are about: any evaluation, of whatever was measured."""

    @property
    def comparable(self) -> Sequence[Figure]: ...


def broken(rules: Sequence[str], evaluation: Comparable) -> Iterator[str]:
    """Rules like ``fdr>1.3`` that an evaluation meets, each as a line that says by how much.

    A rule holds for every feature network that has the figure.

    Raises:
        UsageError: a rule that cannot be read, or an unknown figure; names the nearest known one.
    """
    known = {figure.key for figure in evaluation.comparable}
    for rule in rules:
        key, sign, bound = parse_rule(rule)
        if key not in known:
            raise UsageError(f"--fail-if: unknown figure {key!r}{nearest(key, known)}")
        for figure in evaluation.comparable:
            if figure.key == key and _meets(figure.generated.value, sign, bound):
                where = f" in {figure.features}" if figure.features else ""
                yield f"{key}{where} is {figure.generated}, and {rule.strip()} fails"


def parse_rule(rule: str) -> tuple[str, str, float]:
    """A rule's figure, sign and bound. Raises UsageError for one that cannot be read."""
    match = _RULE.fullmatch(rule)
    if match is None:
        raise UsageError(f"--fail-if takes a figure and a bound, like 'fdr>1.3', not {rule!r}")
    return match[1], match[2], float(match[3])


def _verdict(figure: Figure, first: Estimate, other: Estimate) -> str:
    apart = difference(other, first)
    if apart.low <= 0 <= apart.high:
        return ""
    if figure.better == "real":
        assert figure.real is not None
        return "better" if _apart(other, figure.real) < _apart(first, figure.real) else "worse"
    return "better" if (apart.value > 0) == (figure.better == "higher") else "worse"


def _apart(a: Estimate, b: Estimate) -> float:
    return abs(a.value - b.value)


def _meets(value: float, sign: str, bound: float) -> bool:
    return {"<": value < bound, ">": value > bound, "<=": value <= bound, ">=": value >= bound}[sign]
