"""An imported Stable Diffusion 1.5 beside diffusers' own pipeline: wall time in turns, and peak memory.

    python benchmarks/imported.py [--repeats 3] [--steps 20] [--no-float32] [--small] [--out FOLDER]

The pipeline has the real shapes (U-Net of 860 million weights, autoencoder, text encoder) and random weights; it is
built once under --cache. Each side runs in a process of its own, so that each has its own peak of memory, and sides
take turns, so that what else the machine does meets all alike: first all in the machine's own dtype, then in float32.
512 px, DPM++2M, guidance 7.5, one picture, a new prompt each time. Ratios are ours by theirs; below 1 Ornstein is
faster or smaller.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import string
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

GUIDANCE, SAMPLER = 7.5, "dpmpp-2m"
SAME, DEFAULTS = 0.9, 0.6  # ratios wanted
INTERVAL = (
    0.28,
    5.42,
)  # sigma / alpha where guidance acts: for SD-XL by Kynkaanniemi et al. 2024, arXiv 2404.07724
NETWORK = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
SMALL = {
    "block_out_channels": (32, 64), "layers_per_block": 1, "attention_head_dim": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}  # fmt: skip


Draw = Callable[[int, int], object]
"""A picture of a turn, in so many steps."""


@dataclass(frozen=True)
class Line:
    """What one comparison says.

    Attributes:
        what: was compared.
        theirs, ours: median seconds of a picture.
        ratio: median of ours / theirs over the turns; low, high: its quartiles.
        wanted: the largest ratio aimed at; None where the line is for information.
        their_memory, our_memory: peak of the process, bytes.
    """

    what: str
    theirs: float
    ours: float
    ratio: float
    low: float
    high: float
    wanted: float | None
    their_memory: int
    our_memory: int


def build(folder: Path, small: bool) -> None:
    """The pipeline, its weights drawn as its classes draw them and stored in float16, as published ones are."""
    import torch
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    letters = string.ascii_lowercase + string.digits
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={word: k for k, word in enumerate(words)}, merges=[], model_max_length=77)
    last = len(words) - 1
    ends: dict[str, Any] = {"bos_token_id": last - 1, "eos_token_id": last, "pad_token_id": last}
    layers = 2 if small else 12
    text = CLIPTextConfig(
        vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=layers, num_attention_heads=12,
        max_position_embeddings=77, **ends,
    )  # fmt: skip
    blocks: Any = (32, 32, 64, 64) if small else (128, 256, 512, 512)
    down: Any = ("DownEncoderBlock2D",) * 4
    up: Any = ("UpDecoderBlock2D",) * 4
    autoencoder = AutoencoderKL(
        block_out_channels=blocks, down_block_types=down, layers_per_block=2,
        up_block_types=up, latent_channels=4, sample_size=512,
    )  # fmt: skip
    scheduler: Any = DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    none: Any = None
    pipe = StableDiffusionPipeline(
        vae=autoencoder, text_encoder=CLIPTextModel(text), tokenizer=tokenizer, scheduler=scheduler,
        unet=UNet2DConditionModel(**{**NETWORK, **(SMALL if small else {})}), safety_checker=none,
        feature_extractor=none, requires_safety_checker=False,
    )  # fmt: skip
    pipe.to(dtype=torch.float16).save_pretrained(folder)


def peer(folder: Path, size: int, dtype: str, interval: bool) -> Draw:
    """Diffusers' own pipeline."""
    import torch
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

    pipe: Any = StableDiffusionPipeline.from_pretrained(folder / "pipe", torch_dtype=getattr(torch, dtype))
    pipe.set_progress_bar_config(disable=True)

    def draw(turn: int, steps: int) -> object:
        return pipe(
            f"a cat number {turn}", num_inference_steps=steps, guidance_scale=GUIDANCE, height=size, width=size,
            generator=torch.Generator().manual_seed(turn), output_type="np",
        )  # fmt: skip

    return draw


def ours(folder: Path, size: int, dtype: str, interval: bool) -> Draw:
    """The imported model; `dtype` "auto" is what it chooses itself."""
    import torch

    from ornstein.model import Model

    model = Model.load(folder / "bundle")
    if dtype != "auto":
        model.dtype = getattr(torch, dtype)
    sampling = model.recipe.sampling
    if interval:
        levels = -2 * torch.tensor(INTERVAL, dtype=torch.float64).log()
        low, high = model.recipe.process.path.time(levels).tolist()
        sampling = sampling.model_copy(update={"interval": (low, high)})
    model.recipe = model.recipe.model_copy(update={"sampling": sampling})

    def draw(turn: int, steps: int) -> object:
        prompt = f"a cat number {turn}"
        return model.generate(prompt, turn, steps=steps, guidance=GUIDANCE, sampler=SAMPLER, size=size)

    return draw


def serve(side: str, steps: int, *arguments: Any) -> None:
    """Be one side: load and draw once; then draw for each line read, and answer with seconds and the peak of memory."""
    work = {"peer": peer, "ours": ours}[side](*arguments)
    work(0, 2)
    print(json.dumps({}), flush=True)
    for turn, _ in enumerate(sys.stdin, 1):
        started = time.perf_counter()
        work(turn, steps)
        spent = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"seconds": spent, "peak": peak}), flush=True)


class Side:
    """A process that is one side, warm: it has drawn a picture in two steps.

    Args:
        arguments: of the command line.
        side: "peer" or "ours". dtype: of it; "auto" is what ours chooses itself.
        interval: whether guidance acts only within `INTERVAL`.
    """

    def __init__(self, arguments: argparse.Namespace, side: str, dtype: str, interval: bool = False) -> None:
        command = [
            sys.executable,
            __file__,
            "--side",
            side,
            "--dtype",
            dtype,
            "--cache",
            str(arguments.cache),
        ]
        command += ["--steps", str(arguments.steps), "--size", str(arguments.size)]
        command += ["--interval"] * interval
        self.turns: list[dict[str, float]] = []
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._answer()

    def turn(self) -> None:
        """One picture."""
        assert self.process.stdin
        print("go", file=self.process.stdin, flush=True)
        self.turns.append(self._answer())

    def _answer(self) -> dict[str, float]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a side ended with {self.process.wait()}")
        return json.loads(line)

    @property
    def seconds(self) -> np.ndarray:
        """Of each picture."""
        return np.array([turn["seconds"] for turn in self.turns])

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def in_turns(sides: list[Side], repeats: int) -> None:
    """So many pictures of each, then the end."""
    for _ in range(repeats):
        for side in sides:
            side.turn()
    for side in sides:
        side.close()


def compared(what: str, theirs: Side, ours: Side, wanted: float | None) -> Line:
    """Two sides that took turns."""
    low, ratio, high = (float(q) for q in np.quantile(ours.seconds / theirs.seconds, (0.25, 0.5, 0.75)))
    return Line(
        what, float(np.median(theirs.seconds)), float(np.median(ours.seconds)), ratio, low, high, wanted,
        int(theirs.turns[-1]["peak"]), int(ours.turns[-1]["peak"]),
    )  # fmt: skip


def table(lines: list[Line]) -> str:
    """The lines in Markdown."""
    head = [
        "| | diffusers s | Ornstein s | ratio (quartiles) | wanted | diffusers GB | Ornstein GB |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = [
        f"| {line.what} | {line.theirs:.2f} | {line.ours:.2f} | {line.ratio:.2f} ({line.low:.2f} to {line.high:.2f}) "
        f"| {line.wanted or ''} | {line.their_memory / 1e9:.2f} | {line.our_memory / 1e9:.2f} |"
        for line in lines
    ]
    return "\n".join([*head, *rows]) + "\n"


def main() -> None:
    """Build what is missing, measure, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--no-float32", action="store_true", help="only in the machine's own dtype")
    parser.add_argument("--small", action="store_true", help="tiny networks, to try the script itself")
    parser.add_argument("--cache", type=Path, default=None, help="folder of pipeline and bundle")
    parser.add_argument("--out", type=Path, default=Path("runs/imported"))
    for hidden, kind in (("--side", str), ("--dtype", str)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    parser.add_argument("--interval", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cache is None:
        arguments.cache = Path("runs/imported") / ("small" if arguments.small else "sd15")
    if arguments.side:
        serve(
            arguments.side,
            arguments.steps,
            arguments.cache,
            arguments.size,
            arguments.dtype,
            arguments.interval,
        )
        return
    report(arguments)


def report(arguments: argparse.Namespace) -> None:
    """Measure and tell."""
    import torch

    from ornstein.assembly import fast_dtype
    from ornstein.interop.importing import import_pipeline

    if not (arguments.cache / "bundle").is_dir():
        build(arguments.cache / "pipe", arguments.small)
        import_pipeline(str(arguments.cache / "pipe"), arguments.cache / "bundle", "sd15-shaped")
    fast = str(fast_dtype()).removeprefix("torch.")
    theirs, mine = Side(arguments, "peer", fast), Side(arguments, "ours", fast)
    narrow = Side(arguments, "ours", fast, interval=True)
    in_turns([theirs, mine, narrow], arguments.repeats)
    lines = [
        compared(f"same sampler, dtype ({fast}) and weights", theirs, mine, SAME),
        compared(f"{fast}, ours guided only at sigma {INTERVAL[0]} to {INTERVAL[1]}", theirs, narrow, None),
    ]
    print(table(lines), flush=True)
    if not arguments.no_float32 and fast != "float32":
        theirs, mine = Side(arguments, "peer", "float32"), Side(arguments, "ours", "float32")
        free = Side(arguments, "ours", "auto")
        in_turns([theirs, mine, free], (arguments.repeats + 1) // 2)  # of long turns fewer
        lines += [
            compared("same sampler, dtype (float32) and weights", theirs, mine, SAME),
            compared(f"as each loads it: float32 against {fast}", theirs, free, DEFAULTS),
        ]
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "table.md").write_text(table(lines))
    facts = {
        "threads": torch.get_num_threads(), "cores": os.cpu_count(), "torch": torch.__version__,
        "steps": arguments.steps, "size": arguments.size, "lines": [asdict(line) for line in lines],
    }  # fmt: skip
    (arguments.out / "results.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(table(lines))


if __name__ == "__main__":
    main()
