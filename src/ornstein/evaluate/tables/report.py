"""Everything that is measured of a generated table, beside a real one, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from ornstein.errors import UsageError
from ornstein.evaluate.estimate import Estimate, plain
from ornstein.evaluate.fidelity import Figure
from ornstein.evaluate.tables.columns import Coded, Column, Reading
from ornstein.evaluate.tables.copies import Copies, Neighbour, copies, neighbours
from ornstein.evaluate.tables.detection import detection
from ornstein.evaluate.tables.disclosure import Risk, inference, singling_out, worst
from ornstein.evaluate.tables.likeness import Likeness, likeness
from ornstein.evaluate.tables.membership import Membership, membership
from ornstein.evaluate.tables.space import Space
from ornstein.evaluate.tables.statement import statement
from ornstein.evaluate.tables.support import alpha_precision, authenticity, beta_recall
from ornstein.evaluate.tables.usefulness import Usefulness, usefulness
from ornstein.rng import stream

LEAST = 50  # rows of each table, below which nothing of this says anything
MOST = 5000  # rows of each table that are looked at
POINTS = 2000  # rows of each table whose neighbourhoods are compared
SHOWN = 8  # generated rows that are shown beside their nearest real ones
FORMAT = 1


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        model: name of what made the rows. facts: of the data.
        figures: generated beside real rows. comparable: the same, under the name that all evaluations share.
        likeness: columns and pairs of the generated rows. real: of the training rows; both beside the held-out rows.
        useful: as training data; None where no target was named.
        membership, inferred, singled, copies: what the table gives away.
        nearest: the likeliest copies. rows: cells of these as texts: (generated, training, held-out).
        statement: of privacy, in sentences.
        test, synthetic: held-out and generated rows that were looked at, for plots.
    """

    model: str
    facts: dict[str, Any]
    figures: list[Figure]
    likeness: Likeness
    real: Likeness
    useful: Usefulness | None
    membership: Membership
    inferred: dict[str, Risk]
    singled: Risk | None
    copies: Copies
    nearest: list[Neighbour]
    rows: list[tuple[list[str], list[str], list[str]]]
    statement: str
    test: pd.DataFrame
    synthetic: pd.DataFrame

    @property
    def comparable(self) -> list[Figure]:
        return self.figures

    def metrics(self) -> dict[str, Any]:
        """As plain values, for ``metrics.json``."""
        return {
            "format": FORMAT,
            **self.facts,
            "figures": {
                "rows": {
                    f.key: {
                        "generated": plain(f.generated),
                        **({"real": plain(f.real)} if f.real else {}),
                        "better": f.better,
                    }
                    for f in self.figures
                }
            },
            "shapes": {name: round(score, 4) for name, score in self.likeness.shapes.items()},
            "trends": {f"{a} & {b}": round(score, 4) for (a, b), score in self.likeness.trends.items()},
            "membership": {name: plain(found) for name, found in self.membership.attacks.items()},
            "inference": {name: _risk(found) for name, found in self.inferred.items()},
            "singling out": _risk(self.singled) if self.singled else None,
            "copies": {name: plain(Estimate(**value)) for name, value in asdict(self.copies).items()},
            "privacy": self.statement,
        }


def _risk(found: Risk) -> dict[str, Any]:
    return {name: plain(Estimate(**value)) for name, value in asdict(found).items()}


def report(
    train: pd.DataFrame,
    test: pd.DataFrame,
    synthetic: pd.DataFrame,
    columns: Sequence[Column],
    target: str | None = None,
    *,
    model: str = "table",
    seed: int = 0,
    tell: Callable[[str], None] = lambda what: None,
) -> Report:
    """Measure a generated table.

    Likeness is judged against the held-out rows, which no model saw; beside it stands how well as many training rows
    do. A model that gives its training rows back scores what real rows score
    there, and is found out by what follows.

    Args:
        train: real rows the model learned from.
        test: real rows it did not.
        synthetic: generated rows.
        columns: what is compared (``describe(train)``); others are left out.
        target: column that others foretell; None leaves usefulness out.
        model: name for the report.
        seed: of everything drawn.
        tell: told what is measured next.

    Raises:
        UsageError: tables without these columns, or with fewer than 50 rows.
        MissingExtraError: no boosted trees.
    """
    for frame, what in ((train, "training"), (test, "held-out"), (synthetic, "generated")):
        if len(frame) < LEAST:
            raise UsageError(
                f"{len(frame)} {what} rows: measuring a table needs at least {LEAST} of each kind"
            )
    reading = Reading(columns, train)
    frames = [_some(frame, MOST, seed) for frame in (train, test, synthetic)]
    mine, held, made = map(reading, frames)
    tables = _Tables(reading, Space(reading, reading(train)), mine, held, made, seed)
    tell("columns and pairs")
    likely, real = tables.likeness()
    figures = _alike(likely, real)
    tell("two-sample test")
    figures.append(tables.detection())
    tell("neighbourhoods")
    figures += tables.neighbourhoods()
    useful = None
    if target is not None:
        tell("usefulness as training data")
        useful = usefulness(reading, mine, held, made, target, seed)
        figures += _worth(useful, target)
    tell("privacy")
    attacked = membership(reading, tables.space, mine, held, made, seed)
    inferred = inference(reading, tables.space, mine, held, made, seed)
    singled, doubles = singling_out(mine, held, made, seed), copies(tables.space, mine, held, made, seed)
    figures += _given_away(attacked, inferred, singled, doubles)
    near = neighbours(tables.space, mine, held, made, SHOWN)
    return Report(
        model, _facts(columns, target, (train, test, synthetic), seed), figures, likely, real, useful, attacked,
        inferred, singled, doubles, near, [_shown(frames, reading, n) for n in near],
        statement((len(mine), len(held), len(made)), attacked, inferred, singled, doubles), *frames[1:],
    )  # fmt: skip


@dataclass(frozen=True)
class _Tables:
    """The three tables, read: what the figures of likeness are taken of."""

    reading: Reading
    space: Space
    train: Coded
    test: Coded
    made: Coded
    seed: int

    def likeness(self) -> tuple[Likeness, Likeness]:
        """Of generated and of training rows, as many of each: noise is part of the score."""
        rows = np.arange(min(len(self.train), len(self.made)))
        made, train = (likeness(self.reading, self.test, x[rows], self.seed) for x in (self.made, self.train))
        return made, train

    def detection(self) -> Figure:
        made, train = (
            detection(self.reading, self.test, rows, self.seed) for rows in (self.made, self.train)
        )
        return Figure("detection", "", "told from held-out rows, AUROC", made, train, "lower")

    def neighbourhoods(self) -> Iterator[Figure]:
        test, train, made = (self.space(rows) for rows in (self.test, self.train, self.made))
        count = min(POINTS, len(test), len(train), len(made))
        for key, title, score in (
            ("alpha-precision", "α-precision: generated rows where real ones are", alpha_precision),
            ("beta-recall", "β-recall: real rows that generated ones reach", beta_recall),
        ):
            ours, theirs = (score(test[:count], rows[:count], self.seed) for rows in (made, train))
            yield Figure(key, "", title, ours, theirs, "higher")
        title = "farther from the nearest training row than that is from its own nearest"
        ours, theirs = (authenticity(train, rows) for rows in (made, test))
        yield Figure("authenticity", "", title, ours, theirs, "real")


def _alike(likely: Likeness, real: Likeness) -> list[Figure]:
    shapes = Figure("shapes", "", "columns alike (KS and TV complement)", likely.shape, real.shape, "higher")
    if likely.trend is None:
        return [shapes]
    return [shapes, Figure("trends", "", "pairs of columns alike", likely.trend, real.trend, "higher")]


def _worth(useful: Usefulness, target: str) -> list[Figure]:
    title = f"foretells {target} of held-out rows after training on it, {useful.measure}"
    return [
        Figure("tstr", "", title, useful.synthetic, useful.real, "higher"),
        Figure("tstr-lost", "", f"{useful.measure} lost by that", useful.lost, None, "lower"),
    ]


def _given_away(
    attacked: Membership, inferred: dict[str, Risk], singled: Risk | None, doubles: Copies
) -> Iterator[Figure]:
    name, best = attacked.strongest
    yield Figure("membership", "", f"training rows told from others, AUROC ({name})", best, None, "lower")
    column, leak = worst(inferred)
    title = f"surplus in guessing a cell, at worst ({column})"
    yield Figure("inference", "", title, leak.leaked, None, "lower")
    if singled is not None:
        yield Figure("singling-out", "", "surplus in singling out a person", singled.leaked, None, "lower")
    yield Figure("copied", "", "equal to a training row", doubles.copied, doubles.expected, "real")
    yield Figure("repeated", "", "equal to another row", doubles.repeated, doubles.repeated_real, "real")
    title = "nearer to a training than to a held-out row"
    yield Figure("nearer", "", title, doubles.nearer, None, "lower")


def _some(frame: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    order = stream("rows of a table", seed).permutation(len(frame))[:most]
    return frame.iloc[order].reset_index(drop=True)


def _facts(
    columns: Sequence[Column], target: str | None, tables: tuple[pd.DataFrame, ...], seed: int
) -> dict[str, Any]:
    rows = dict(zip(("train", "held-out", "generated"), map(len, tables), strict=True))
    looked = {name: min(count, MOST) for name, count in rows.items()}
    return {"columns": {c.name: c.kind for c in columns}, "target": target, "rows": rows, "looked at": looked,
            "seed": seed}  # fmt: skip


def _shown(
    frames: list[pd.DataFrame], reading: Reading, near: Neighbour
) -> tuple[list[str], list[str], list[str]]:
    names = [column.name for column in reading.columns]
    train, held, made = frames
    places = ((made, near.made), (train, near.train), (held, near.held_out))
    a, b, c = ([_cell(frame[name].iloc[k]) for name in names] for frame, k in places)
    return a, b, c


def _cell(value: object) -> str:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)
