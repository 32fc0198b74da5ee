"""How many pictures a service makes, how soon, and what it does when too much is asked of it.

    python benchmarks/serving.py closed [--clients 16] [--seconds 60] [--rounds 3]
    python benchmarks/serving.py rates [--seconds 40]         and a plot of it
    python benchmarks/serving.py overload [--seconds 60]
    python benchmarks/serving.py memory [--minutes 10]
    python benchmarks/serving.py dropped
    python benchmarks/serving.py killed [--times 5]
    python benchmarks/serving.py fuzz [--count 5000]

Services run in turns, each as a process of its own on the same machine as the clients: Ornstein under the shipped
policy, Ornstein with a policy that does no more than the peer, and diffusers' pipeline behind the same web framework,
called for a request at a time or for a batch of like requests (``serve/peer.py``). All draw at 64 px with a network of
one shape, the same mix of steps (10, 14, 20, 28), prompts and seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from benchmarks.serve import fuzz, hardship
from benchmarks.serve.load import arriving, closed, mixed, quantile, whole
from benchmarks.serve.processes import BARE, ours, running

PEER = [sys.executable, "-m", "benchmarks.serve.peer", "--batching"]
ONE, BATCHED, FLOAT = "diffusers, one at a time", "diffusers, batches", "diffusers, one at a time, float32"
SHIPPED, UNGUARDED = "Ornstein, guarded", "Ornstein, unguarded"
SERVICES = {
    SHIPPED: ours(),
    UNGUARDED: ours(BARE),
    ONE: [*PEER, "none"],
    BATCHED: [*PEER, "requests"],
    FLOAT: [*PEER, "none", "--dtype", "float32"],
}
WANTED = {ONE: 3.0, BATCHED: 1.3}


def closed_loop(arguments: argparse.Namespace) -> dict[str, Any]:
    """Pictures a second and latencies with so many clients, in rounds; ratios within each round."""
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in SERVICES}
    for place in range(arguments.rounds):
        for name, command in SERVICES.items():
            with running(name, command) as service:
                replies = closed(service.url, arguments.clients, arguments.seconds, mixed(place))
            made = whole(replies)
            if len(made) < len(replies):
                print(
                    f"{name}: {len(replies) - len(made)} of {len(replies)} brought no picture",
                    file=sys.stderr,
                )
            figures = len(made) / arguments.seconds, quantile(made, 0.5), quantile(made, 0.95)
            found[name].append(figures)
            print(
                f"round {place + 1}, {name}: {figures[0]:.2f} pictures a second, p95 {figures[2]:.2f} s",
                flush=True,
            )
    print("\n| | pictures a second | p50, s | p95, s |\n|---|--:|--:|--:|")
    for name, rounds in found.items():
        rate, middle, late = (np.median(column) for column in zip(*rounds, strict=True))
        print(f"| {name} | {rate:.2f} | {middle:.2f} | {late:.2f} |")
    print("\n| pictures a second | ratio (lowest to highest of the rounds) | wanted |\n|---|---|--:|")
    for mine in (SHIPPED, UNGUARDED):
        for peer in (ONE, BATCHED, FLOAT):
            ratios = [a[0] / b[0] for a, b in zip(found[mine], found[peer], strict=True)]
            wanted = WANTED.get(peer, "")
            print(
                f"| {mine} by {peer} | {np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | {wanted} |"
            )
    return {"rounds": found}


def rates(arguments: argparse.Namespace) -> dict[str, Any]:
    """Latency by how many requests arrive a second, until a service cannot keep up; with a plot."""
    found: dict[str, list[dict[str, float]]] = {}
    for name in (SHIPPED, ONE, BATCHED):
        found[name] = []
        for rate in (1, 2, 3, 4, 6, 8, 10, 12, 14):
            with running(name, SERVICES[name]) as service:
                closed(service.url, 2, 2.0, mixed(1), warm=2.0)
                replies = arriving(service.url, rate, arguments.seconds, mixed(rate))
            made = whole(replies)
            line = {"rate": rate, "share": len(made) / len(replies)}
            line |= {"p50": quantile(made, 0.5), "p95": quantile(made, 0.95)}
            found[name].append(line)
            print(f"{name}: {line}", flush=True)
            if line["p95"] > arguments.seconds / 2 or line["share"] < 0.5:
                break
    _plot(found, arguments.plot)
    return {"rates": found}


def _plot(found: dict[str, list[dict[str, float]]], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), constrained_layout=True, sharey=True)
    for axis, place in zip(axes, ("p50", "p95"), strict=True):
        for name, lines in found.items():
            axis.plot(
                [line["rate"] for line in lines], [line[place] for line in lines], marker="o", label=name
            )
        axis.set(xlabel="requests a second", ylabel=f"{place} latency, s", yscale="log")
        axis.set_yticks([0.5, 1, 2, 5, 10])
        axis.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    axes[0].legend(frameon=False, fontsize=8)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "closed": closed_loop,
    "rates": rates,
    "overload": hardship.overload,
    "memory": hardship.memory,
    "dropped": hardship.dropped,
    "killed": hardship.killed,
    "fuzz": fuzz.fuzz,
}


def main() -> None:
    """Measure one part, print it, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--plot", type=Path, default=Path("runs/serving/rates.png"))
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    found = PARTS[arguments.part](arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
