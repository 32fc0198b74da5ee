"""Who makes the best tables? Ornstein, CTGAN, TVAE, a Gaussian copula and SMOTE, tuned alike, on five real tables.

    nice python -m benchmarks.tables rivals
    python -m benchmarks.tables ornstein
    python -m benchmarks.tables untuned     Ornstein with its defaults: it has no rank
    python -m benchmarks.tables rank

What was made is kept in --out and not made again; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from ornstein.data.atomic import new_file

from .data import RANKED, SOURCES, load
from .rank import ranking
from .rivals import METHODS, one_thread
from .runs import OURS, UNTUNED, Runs

SEEDS = 5


def _run(job: tuple[str, str, Path, tuple[int, ...]]) -> None:
    table, method, out, seeds = job
    one_thread()
    runs = Runs(load(table), out / table, lambda line: print(line, flush=True))
    runs.chosen(method)
    for seed in seeds:
        runs.judged(method, seed)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["rivals", "ornstein", "untuned", "rank"])
    parser.add_argument("--tables", nargs="+", default=list(RANKED), choices=list(SOURCES))
    parser.add_argument(
        "--methods", nargs="+", default=list(METHODS), choices=list(METHODS), help="of the rivals"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, help="runs of each method on each table")
    parser.add_argument("--out", type=Path, default=Path("runs/tables"))
    parser.add_argument("--workers", type=int, default=1, help="processes of one thread each")
    told = parser.parse_args()
    if told.what == "rank":
        text = ranking(told.out, told.tables, told.seeds)
        with new_file(told.out / "ranking.md") as part:
            part.write_text(text, encoding="utf-8")
        print(text)
        return 0
    methods = {"rivals": told.methods, "ornstein": [OURS], "untuned": [UNTUNED]}[told.what]
    jobs = [
        (table, method, told.out, tuple(range(told.seeds))) for method in methods for table in told.tables
    ]
    if told.workers == 1:
        for job in jobs:
            _run(job)
    else:
        with ProcessPoolExecutor(told.workers) as pool:
            list(pool.map(_run, jobs))
    return 0


sys.exit(main())
