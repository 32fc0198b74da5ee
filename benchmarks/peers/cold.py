"""From the command to the first picture on disk: ``ornstein generate`` against a minimal diffusers script.

    python benchmarks/peers/cold.py [--model NAME|FOLDER] [--runs 9] [--out FOLDER]

A new process each time, the two in turns, files in the page cache. diffusers loads a saved DiT pipeline of the same
shape with random weights, told a class rather than a text, in bfloat16, with an autoencoder of a few hundred weights
(the pipeline insists on one). Ornstein also encodes a prompt, checks its files' hashes and writes a replay record.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import require_peers  # noqa: F401

# isort: split
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.pipelines.dit.pipeline_dit import DiTPipeline
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from sampling import transformer
from timing import compared, in_turns, plain, table

SCRIPT = Path(__file__).with_name("cold_diffusers.py")
PROMPT = "red apple"
WANTED = 1.0


def save_pipeline(folder: Path) -> None:
    """A DiT pipeline on disk: the network of ``sampling.py``, and an autoencoder as small as one can be."""
    codec = AutoencoderKL(
        block_out_channels=(1,), norm_num_groups=1, latent_channels=4, mid_block_add_attention=False,
        sample_size=64, scaling_factor=1.0,
    )  # fmt: skip
    network = transformer(dtype=torch.bfloat16)
    DiTPipeline(network, codec.to(torch.bfloat16), DPMSolverMultistepScheduler()).save_pretrained(folder)  # pyright: ignore[reportArgumentType]


class Command:
    """A command that must write its last argument, a file; called again and again.

    Args:
        words: program and arguments before the file.
        folder: where the files go.
    """

    def __init__(self, words: list[str], folder: Path) -> None:
        self._words, self._folder, self._made = words, folder, 0

    def __call__(self) -> None:
        """Run it to its end; exits with one line where it fails."""
        self._made += 1
        file = self._folder / f"{self._made}.png"
        outcome = subprocess.run([*self._words, str(file)], capture_output=True, text=True, check=False)
        if outcome.returncode or not file.is_file():
            last = outcome.stderr.strip().splitlines()[-1:] or ["no picture was written"]
            raise SystemExit(f"cold: {' '.join(self._words)} failed: {last[0]}")
        file.unlink()


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="emoji")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("runs/peers/cold"))
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs must be at least 1")
    program = shutil.which("ornstein") or str(Path(sys.executable).with_name("ornstein"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        save_pipeline(folder / "dit")
        peer = Command([sys.executable, str(SCRIPT), str(folder / "dit")], folder)
        ours = Command([program, "generate", PROMPT, "--model", arguments.model, "--out"], folder)
        spent = in_turns(peer, ours, arguments.runs)
    line = compared("from the command to the first picture, 20 steps", spent, wanted=WANTED)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "table.md").write_text(table([line]))
    (arguments.out / "results.json").write_text(json.dumps({"lines": plain([line])}, indent=1) + "\n")
    print(table([line]))


if __name__ == "__main__":
    main()
