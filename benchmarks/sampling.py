"""How much of the machine does sampling use?

    python benchmarks/sampling.py [--model emoji] [--repeats 7] [--json FILE]

Whole warm trajectories (noise, prompts from the cache, guidance in its interval, codec) at 1, 8 and 16 pictures, in
bfloat16 and float32, take turns with two kinds of matrix product: the machine's own, of square matrices at whichever
of a few sides it multiplies fastest, and the network's, of the matrices of one of its blocks in the batches it has, by
PyTorch's own layer and by ``PackedLinear``.
Operations are those of the products that were executed, counted by PyTorch. A share is a trajectory's rate by that of
the square products just before and after it; quartiles over the turns say how quiet the machine was. Beside it
diffusers' ``DiTTransformer2DModel`` of the emoji model's shape with the library's own pipeline, if it is installed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ornstein.errors import OrnsteinError, UsageError
from ornstein.model import Model
from ornstein.net.dit import Transformer
from ornstein.net.packed import PackedLinear
from ornstein.net.patched import PatchedConfig

SIDES, COUNTS = (512, 1024, 2048), (1, 8, 16)
DTYPES = (torch.bfloat16, torch.float32)
WORK = 5e10  # operations of the products between two trajectories, about
WANTED = {(torch.bfloat16, 1): 0.4, (torch.bfloat16, 16): 0.65}  # share, by dtype and pictures at once

Work = Callable[[], object]


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        what: was done. seconds: median, of a picture. operations: of a picture.
        rate: operations a second, median. share: of the square products' rate, with quartiles low and high.
        wanted: the least share aimed at.
    """

    what: str
    seconds: float
    operations: float
    rate: float
    share: float
    low: float
    high: float
    wanted: float | None


def seconds(work: Work) -> float:
    """Of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def counted(work: Work) -> float:
    """Operations of the products of one call; attention is taken apart, so that its own are seen."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


@torch.inference_mode()
def square_products(dtype: torch.dtype) -> Work:
    """Square products at the machine's best side, about `WORK` operations and at least one."""
    works: list[tuple[float, Work]] = []
    for side in SIDES:
        a, b = (torch.randn(side, side).to(dtype) for _ in range(2))
        times = max(1, round(WORK / (2 * side**3)))

        @torch.inference_mode()
        def work(a: torch.Tensor = a, b: torch.Tensor = b, times: int = times) -> None:
            for _ in range(times):
                torch.mm(a, b)

        work()
        rate = times * 2 * side**3 / min(seconds(work) for _ in range(3))
        works.append((rate, work))
    return max(works, key=lambda pair: pair[0])[1]


@torch.inference_mode()
def own_products(model: Model, count: int, dtype: torch.dtype, packed: bool) -> Work:
    """The linear layers of one block on as many tokens as `count` guided pictures have: PyTorch's own, or packed."""
    network = model.recipe.network
    if not isinstance(network, PatchedConfig):
        raise UsageError("the products of one block are those of a transformer; this model is none")
    tokens = 2 * count * (network.tokens(model.recipe.sampling.size) + model.encoder.length)
    transformer = next(part for part in model.network.modules() if isinstance(part, Transformer))
    layers = [part for part in transformer.blocks[0].modules() if isinstance(part, torch.nn.Linear)]
    pairs: list[tuple[Tensor, Callable[[Tensor], Tensor]]] = []
    for part in layers:
        weight = part.weight.to(dtype)
        product = PackedLinear(weight, None, dtype) if packed else partial(F.linear, weight=weight)
        pairs.append((torch.randn(tokens, part.in_features).to(dtype), product))

    @torch.inference_mode()
    def work() -> None:
        for x, product in pairs:
            product(x)

    return work


def measure(
    what: str, works: dict[str, Work], counts: dict[str, int], repeats: int, wanted: float | None
) -> list[Line]:
    """All `works` in turns, each between two rounds of the one called "square".

    Args:
        what: for people.
        works: by name.
        counts: pictures that each makes.
        repeats: turns.
        wanted: share of "ornstein".
    """
    operations = {name: counted(work) for name, work in works.items()}
    for work in works.values():
        work()
    rates: dict[str, list[float]] = {name: [] for name in works}
    shares: dict[str, list[float]] = {name: [] for name in works}
    square = works["square"]
    before = operations["square"] / seconds(square)
    for _ in range(repeats):
        for name, work in works.items():
            rate = operations[name] / seconds(work)
            after = operations["square"] / seconds(square)
            rates[name].append(rate)
            shares[name].append(2 * rate / (before + after))
            before = after
    lines: list[Line] = []
    for name in works:
        low, share, high = (float(q) for q in np.quantile(shares[name], (0.25, 0.5, 0.75)))
        rate, of_one = float(np.median(rates[name])), operations[name] / counts[name]
        aim = wanted if name == "ornstein" else None
        lines.append(Line(f"{what}: {name}", of_one / rate, of_one, rate, share, low, high, aim))
    return lines


def lines(model: Model, repeats: int, counts: Sequence[int], dtypes: Sequence[torch.dtype]) -> list[Line]:
    """The whole table."""
    made: list[Line] = []
    for dtype in dtypes:
        square = square_products(dtype)
        for count in counts:
            works: dict[str, Work] = {
                "square": square,
                "own shapes": own_products(model, count, dtype, packed=False),
                "own shapes, packed": own_products(model, count, dtype, packed=True),
                "ornstein": trajectory(model, count, dtype),
            }
            if importlib.util.find_spec("diffusers"):
                works["diffusers' DiT"] = peer(model, count, dtype)
            what = f"{str(dtype).removeprefix('torch.')}, {count} at once"
            pictures = {name: 1 if name.startswith(("square", "own")) else count for name in works}
            made += measure(what, works, pictures, repeats, WANTED.get((dtype, count)))
            print(table(made[-len(works) :]), file=sys.stderr, flush=True)
    return made


def trajectory(model: Model, count: int, dtype: torch.dtype) -> Work:
    """Pictures as ``Model.generate`` makes them by default, in `dtype`."""
    names = getattr(model.encoder, "names", None) or [f"red apple {k}, 3D style" for k in range(count)]
    prompts = [names[k % len(names)] for k in range(count)]

    def work() -> None:
        model.dtype = dtype
        model.generate(prompts, seeds=list(range(count)))

    return work


def peer(model: Model, count: int, dtype: torch.dtype) -> Work:
    """As many steps of the peer's pipeline, always guided, as it does."""
    sys.path.insert(0, str(Path(__file__).parent / "peers"))
    peers: Any = importlib.import_module("sampling")
    pipe = peers.pipeline(peers.transformer(dtype=dtype), peers.DPMSolverMultistepScheduler())
    return lambda: peers.theirs(pipe, list(range(count)), model.recipe.sampling.steps)


def table(found: Sequence[Line]) -> str:
    """The lines in Markdown."""
    head = ["| | s | operations, 10^9 | 10^9 a second | share of the square products | wanted |",
            "|---|--:|--:|--:|---|--:|"]  # fmt: skip
    rows = [
        f"| {line.what} | {line.seconds:.4f} | {line.operations / 1e9:.1f} | {line.rate / 1e9:.0f} | "
        f"{line.share:.2f} ({line.low:.2f} to {line.high:.2f}) | {'' if line.wanted is None else line.wanted} |"
        for line in found
    ]
    return "\n".join([*head, *rows]) + "\n"


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="emoji", help="name or folder of a bundle with a transformer")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS), help="pictures at once")
    parser.add_argument(
        "--dtypes", nargs="+", choices=["bfloat16", "float32"], default=["bfloat16", "float32"]
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    if min(arguments.repeats, *arguments.counts) < 1:
        parser.error("--repeats and --counts must be at least 1")
    dtypes = [dtype for dtype in DTYPES if str(dtype).removeprefix("torch.") in arguments.dtypes]
    try:
        found = lines(Model.load(arguments.model), arguments.repeats, arguments.counts, dtypes)
    except OrnsteinError as error:
        sys.exit(f"sampling: {error}")
    if arguments.json:
        facts = {"threads": torch.get_num_threads(), "torch": torch.__version__}
        arguments.json.write_text(
            json.dumps(facts | {"lines": [asdict(line) for line in found]}, indent=1) + "\n"
        )
    print(table(found))


if __name__ == "__main__":
    main()
