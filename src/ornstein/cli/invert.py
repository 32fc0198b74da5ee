"""``ornstein invert``: from pictures to their noise, and back to see what was lost."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ornstein.cli.evaluate import progress
from ornstein.cli.generate import Force, Json, Name, Named
from ornstein.cli.pictures import read_pictures

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ornstein.model import Model

Pictures = Annotated[list[Path], typer.Argument(help="Picture files.")]
Prompt = Annotated[
    list[str] | None, typer.Option(help="What they show: once for all, or once for each; none if left out.")
]

MEANS = (
    "rms and largest: difference in bytes of 255 after the way there and back; noise: its deviation, 1 where the model "
    "fits the picture"
)

MEANS_OF_LATENTS = (
    "; latents: difference there and back, in their deviations; autoencoder: the rms of encoding and decoding alone, "
    "without the model"
)


def invert(
    pictures: Pictures,
    model: Name = "emoji",
    prompt: Prompt = None,
    steps: Annotated[int, typer.Option(help="Steps there, and as many back.")] = 50,
    sampler: Annotated[str, typer.Option(help="heun, dpmpp-2s or ddim.")] = "heun",
    guidance: Annotated[float, typer.Option(help="How strongly the prompt steers; 1 is off.")] = 1.0,
    out: Annotated[Path, typer.Option(help="Folder of NAME.safetensors and NAME-back.png.")] = Path(),
    policy: Named = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Find the noise that pictures are made of, make them of it again, and say how far they are off."""
    import torch

    from ornstein.errors import UsageError
    from ornstein.guard.credentials.claim import Claim
    from ornstein.guard.guarded import Guarded
    from ornstein.guard.policy import Policy
    from ornstein.inverse import encoded, samples_from_noise
    from ornstein.inverse import invert as to_noise
    from ornstein.model import Model
    from ornstein.output import FileForm, encode, refuse_existing, refuse_unwritable, write
    from ornstein.sample.registry import evaluations

    refuse_unwritable(out)
    names = [file.stem for file in pictures]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"two pictures are called {twice[0]}: their files would be, too")
    files = [(out / f"{name}.safetensors", out / f"{name}-back.png") for name in names]
    for file in (file for pair in files for file in pair):
        refuse_existing(file, force)
    ready = Model.load(model)
    recipe = ready.recipe
    shown = read_pictures(pictures, recipe.sampling.size, recipe.codec.channels)
    prompts: str | list[str] = (prompt or [""])[0] if len(prompt or [""]) == 1 else list(prompt or [])
    way: dict[str, Any] = {"steps": steps, "sampler": sampler, "guidance": guidance}
    guard = Guarded(ready, Policy.find(policy))
    guard.permit(prompt or [])
    guard.look_at(shown)
    x = encoded(ready, shown)
    with progress() as tell:
        noise = to_noise(ready, x, prompts, **way, progress=lambda *k: tell("to noise", *k))
        again = samples_from_noise(ready, noise, prompts, **way, progress=lambda *k: tell("and back", *k))
    back = ready.decode(again.to(ready.device), torch.float32)
    latents = _of_latents(ready, shown, x, again)
    lines: list[dict[str, Any]] = []
    for k, (file, (noise_file, back_file)) in enumerate(zip(pictures, files, strict=True)):
        said = {"prompt": prompts if isinstance(prompts, str) else prompts[k], **way}
        write(noise_file, _noise_bytes(ready, noise[k].numpy(), said), force)
        made = Claim(
            model=recipe.name, fingerprint=ready.bundle and ready.bundle.fingerprint, policy=guard.policy.hash,
            evaluations=2 * steps * evaluations(sampler), seed=0, prompt=said["prompt"] or None, **way,
        )  # fmt: skip
        data = encode(back[k], FileForm())
        write(back_file, guard.edited(data, made, file.read_bytes()), force)
        lines.append(
            {"picture": str(file), "noise": str(noise_file), "back": str(back_file), **said}
            | {"deviation": round(float(noise[k].std()), 4), **apart(shown[k], back[k]), **latents[k]}
        )
    typer.echo(json.dumps({"model": recipe.name, "pictures": lines}) if as_json else _table(lines))


def _of_latents(model: Model, shown: np.ndarray, x: Tensor, again: Tensor) -> list[dict[str, Any]]:
    """Of each picture of a model of latents: how far those are apart, and what the autoencoder alone loses."""
    import torch

    from ornstein.recipes.imported import ImportedCodec

    if not isinstance(model.recipe.codec, ImportedCodec):
        return [{} for _ in shown]
    alone = model.decode(x, torch.float32)
    off = (again - x.cpu()).square().flatten(1).mean(1).sqrt() / x.cpu().square().mean().sqrt()
    return [
        {"latents": round(float(off[k]), 5), "autoencoder": apart(shown[k], alone[k])}
        for k in range(len(shown))
    ]


def apart(picture: np.ndarray, other: np.ndarray) -> dict[str, float | None]:
    """How far two pictures are apart: root mean square and largest in bytes, PSNR in dB (None where they are equal)."""
    import numpy as np

    off = picture.astype(np.float64) - other
    rms = float(np.sqrt(np.square(off).mean()))
    return {
        "rms": round(rms, 4),
        "largest": float(np.abs(off).max()),
        "psnr": round(20 * math.log10(255 / rms), 2) if rms else None,
    }


def _noise_bytes(model: Model, noise: np.ndarray, way: dict[str, Any]) -> bytes:
    """A safetensors file with the tensor ``noise`` (H, W, C), and in its metadata what found it."""
    from safetensors.numpy import save

    from ornstein.record import ModelName

    name = ModelName(name=model.recipe.name, fingerprint=model.bundle and model.bundle.fingerprint)
    record = {"version": 1, "model": name.model_dump(), **way}
    return save({"noise": noise}, {"ornstein": json.dumps(record, ensure_ascii=False)})


def _table(lines: Sequence[dict[str, Any]]) -> str:
    head = f"{'picture':<32}{'rms':>8}{'largest':>9}{'PSNR':>8}{'noise':>8}"
    rows = [
        f"{line['picture'][-31:]:<32}{line['rms']:>8.2f}{line['largest']:>9.0f}"
        f"{'equal' if line['psnr'] is None else format(line['psnr'], '.1f'):>8}{line['deviation']:>8.2f}"
        for line in lines
    ]
    if "latents" not in lines[0]:
        return "\n".join([head, *rows, MEANS])
    rows = [
        f"{row}{line['latents']:>9.4f}{line['autoencoder']['rms']:>13.2f}"
        for row, line in zip(rows, lines, strict=True)
    ]
    return "\n".join([f"{head}{'latents':>9}{'autoencoder':>13}", *rows, MEANS + MEANS_OF_LATENTS])
