"""Seconds a picture: diffusers' DiT pipeline against Ornstein.

    python benchmarks/peers/sampling.py [--repeats 15] [--compile] [--out FOLDER]

First on the same weights with the same steps, guidance and dtype (20 steps of DPM++2M, scale 4); then each as its
quick start has it, on networks of one shape, the emoji model's: 64 px, 4 channels, patch 8, width 384, 6 blocks of 6
heads.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import require_peers  # noqa: F401

# isort: split
import numpy as np
import torch
from convert import PATH, ConvertedDiT, Labels, Prepared
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from diffusers.pipelines.dit.pipeline_dit import DiTPipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from timing import Comparison, compared, in_turns, plain, table
from torch import Tensor

from ornstein.denoise.precondition import NetworkDenoiser
from ornstein.guide.classifier_free import ClassifierFree, Guided
from ornstein.model import Model
from ornstein.recipes.emoji import emoji
from ornstein.recipes.recipe import ClassesCondition
from ornstein.request import BATCHES
from ornstein.sample.loop import sample
from ornstein.sample.registry import METHODS

SIDE, STEPS, GUIDANCE = 64, 20, 4.0
CLASSES = 1000  # the pipeline's null class is number 1000, whatever the network
WANTED = {1: 1.4, 16: 1.15}  # ratio by pictures at once, on equal weights, steps and dtype
WANTED_DEFAULTS = 2.5


class NoCodec:
    """Stands where the pipeline wants its autoencoder and costs it nothing: the pictures are the latents."""

    config = SimpleNamespace(scaling_factor=1.0)

    def decode(self, latents: Tensor) -> SimpleNamespace:
        """The latents themselves."""
        return SimpleNamespace(sample=latents)


def transformer(seed: int = 0, dtype: torch.dtype = torch.float32, **shape: Any) -> DiTTransformer2DModel:
    """A DiT with random weights: the library draws all of them, its gates included, so every block does work."""
    kept = {
        "num_attention_heads": 6, "attention_head_dim": 64, "num_layers": 6, "sample_size": SIDE, "patch_size": 8,
        "in_channels": 4, "out_channels": 4, "num_embeds_ada_norm": CLASSES,
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: Any = DiTTransformer2DModel(**{**kept, **shape})
    return network.eval().to(dtype)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def pipeline(network: DiTTransformer2DModel, scheduler: Any) -> DiTPipeline:
    """The library's pipeline, silent."""
    pipe = DiTPipeline(network, NoCodec(), scheduler)  # pyright: ignore[reportArgumentType]
    pipe.set_progress_bar_config(disable=True)
    return pipe


def theirs(pipe: Any, classes: list[int], steps: int, seed: int = 0) -> np.ndarray:
    """Pictures (B, H, W, C) in [0, 1] by a ``DiTPipeline``."""
    generator = torch.Generator().manual_seed(seed)
    made = pipe(
        classes, guidance_scale=GUIDANCE, generator=generator, num_inference_steps=steps, output_type="np"
    )
    return made.images


def ours(network: ConvertedDiT, timesteps: Tensor, classes: list[int], noise: Tensor) -> np.ndarray:
    """Pictures (B, H, W, C) in [0, 1] by Ornstein's sampler on a converted network.

    Args:
        network: the weights.
        timesteps: (S,) integers the scheduler visits, falling.
        classes: of the pictures.
        noise: (B, C, H, W) float32, as the pipeline draws it.
    """
    x, labels = noise.movedim(1, -1).contiguous(), torch.tensor(classes)
    at_once = BATCHES["cpu"][0]  # as `Model.generate` splits what it is asked
    parts = [
        _batch(network, timesteps, labels[start : start + at_once], x[start : start + at_once])
        for start in range(0, len(x), at_once)
    ]
    return (torch.cat(parts) / 2 + 0.5).clamp(0, 1).numpy()


@torch.inference_mode()
def _batch(network: ConvertedDiT, timesteps: Tensor, labels: Tensor, x: Tensor) -> Tensor:
    null = torch.full_like(labels, CLASSES)
    prepared = Prepared(network, timesteps, torch.cat([labels, null]))
    denoiser = ClassifierFree(NetworkDenoiser(prepared, PATH, "eps"))
    condition = Guided(Labels(labels), Labels(null), torch.full((len(x),), GUIDANCE))
    grid = torch.cat([(timesteps.double() + 1) / PATH.steps, torch.zeros(1, dtype=torch.float64)])
    made = sample(METHODS["dpmpp-2m"], denoiser, PATH, x, grid, condition, range(len(x)))
    assert isinstance(made, Tensor)
    return made


def equal(repeats: int, compiled: bool) -> Iterator[Comparison]:
    """The same weights, steps, guidance and dtype on both sides."""
    for dtype in (torch.bfloat16, torch.float32):
        source = transformer(dtype=dtype)
        converted = ConvertedDiT(source)
        if compiled:
            source.compile(dynamic=False)
            converted.forward = torch.compile(converted.forward, dynamic=False)
        for count, wanted in WANTED.items():
            spent = _on_the_same_weights(source, converted, count, repeats)
            how = ", both compiled" if compiled else ""
            what = f"same weights, {STEPS} steps, {_name(dtype)}, {count} at once{how}"
            yield compared(what, spent, count, None if compiled else wanted)


def _on_the_same_weights(
    source: DiTTransformer2DModel, converted: ConvertedDiT, count: int, repeats: int
) -> dict[str, list[float]]:
    scheduler = DPMSolverMultistepScheduler()
    scheduler.set_timesteps(STEPS)
    timesteps, classes = scheduler.timesteps.clone(), list(range(count))
    pipe = pipeline(source, scheduler)

    def mine() -> np.ndarray:
        noise = torch.randn(count, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
        return ours(converted, timesteps, classes, noise)

    return in_turns(lambda: theirs(pipe, classes, STEPS), mine, repeats)


def quick_starts(repeats: int) -> Iterator[Comparison]:
    """Each at its own documented settings, on networks of the same shape."""
    mine = own_model()
    for what, pipe, steps, wanted in _their_quick_starts():
        for count in WANTED:
            prompts = [f"class {k}" for k in range(count)]
            spent = in_turns(
                lambda count=count, pipe=pipe, steps=steps: theirs(pipe, list(range(count)), steps),
                lambda prompts=prompts: mine.generate(prompts, seeds=0),
                repeats,
            )
            sampling = mine.recipe.sampling
            own = f"{sampling.sampler} {sampling.steps} steps {_name(mine.dtype)}"
            yield compared(f"defaults: {what} against {own}, {count} at once", spent, count, wanted)


def own_model() -> Model:
    """The emoji model's network with random weights, told classes as the DiT is."""
    names = tuple(f"class {k}" for k in range(CLASSES))
    return Model.from_recipe(emoji().model_copy(update={"condition": ClassesCondition(names=names)}))


def _their_quick_starts() -> Iterator[tuple[str, DiTPipeline, int, float | None]]:
    """What, pipeline, steps and the ratio wanted.

    The pipeline's own defaults are 50 steps of DDIM in float32. The example in its documentation asks for 25 steps of
    DPM++ in float16, which is for GPUs: here it runs in bfloat16, its fastest dtype on a CPU.
    """
    yield "DDIM 50 steps float32", pipeline(transformer(), DDIMScheduler()), 50, WANTED_DEFAULTS
    fast = pipeline(transformer(dtype=torch.bfloat16), DPMSolverMultistepScheduler())
    yield "DPM++ 25 steps bfloat16", fast, 25, None


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--compile", action="store_true", help="also with both networks compiled")
    parser.add_argument("--out", type=Path, default=Path("runs/peers/sampling"))
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error("--repeats must be at least 1")
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    parts: list[Callable[[], Iterator[Comparison]]] = [lambda: equal(arguments.repeats, compiled=False)]
    if arguments.compile:
        parts.append(lambda: equal(arguments.repeats, compiled=True))
    parts.append(lambda: quick_starts(arguments.repeats))
    lines: list[Comparison] = []
    for part in parts:
        for line in part():
            lines.append(line)
            print(f"{line.what}: {line.ratio:.2f} ({line.low:.2f} to {line.high:.2f})", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "table.md").write_text(table(lines))
    facts = {"threads": torch.get_num_threads(), "torch": torch.__version__, "lines": plain(lines)}
    (arguments.out / "results.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(table(lines))


if __name__ == "__main__":
    main()
