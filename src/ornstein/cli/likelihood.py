"""``ornstein likelihood``: how many bits a byte of a picture costs a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ornstein.cli.evaluate import progress
from ornstein.cli.generate import Json
from ornstein.cli.invert import Prompt
from ornstein.cli.pictures import read_pictures

if TYPE_CHECKING:
    import numpy as np

    from ornstein.evaluate.estimate import Estimate
    from ornstein.inverse import Bits
    from ornstein.model import Model

MEANS = "an upper bound on the bits for a byte, as far as the steps go; low is likely"
SIGNAL = (
    "held-out minus training: above 0, the model finds what it learned from more likely than what it never saw, "
    "a sign of memorisation"
)

SIGNAL_OF_REFERENCE = (
    "held-out minus reference, the pack's training split: above 0, the model may have learned from the one and not the "
    "other; what it learned from is not known"
)


def likelihood(
    model: Annotated[str, typer.Argument(help="A model's name or its folder.")],
    pictures: Annotated[
        list[Path] | None, typer.Argument(help="Picture files; else pictures of the training pack.")
    ] = None,
    prompt: Prompt = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="A pack of unseen pictures; else what the training pack holds out. An imported model needs one."
        ),
    ] = None,
    count: Annotated[
        int, typer.Option(help="Held-out pictures of a pack, and as many it learned from.")
    ] = 64,
    steps: Annotated[int, typer.Option(help="Steps of the way to noise.")] = 30,
    draws: Annotated[int, typer.Option(help="Estimates of each picture, that are averaged.")] = 1,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    as_json: Json = False,
) -> None:
    """Bits per dimension: of held-out and of training pictures, or of files."""
    from ornstein.errors import UsageError
    from ornstein.inverse import refuse_latents
    from ornstein.model import Model

    if pictures and against is not None:
        raise UsageError("give picture files, or a pack with --against")
    if not pictures and prompt:
        raise UsageError("a pack's pictures have prompts of their own: --prompt is for picture files")
    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"seed must be 0 to {MAX_SEED}, not {seed}")
    ready = Model.load(model)
    refuse_latents(ready)
    settings = {"steps": steps, "draws": draws, "seed": seed}
    said = (
        _of_files(ready, pictures, prompt or [""], settings)
        if pictures
        else _of_pack(ready, against, count, settings)
    )
    typer.echo(json.dumps({"model": ready.recipe.name, **settings, **said}) if as_json else _text(said))


MAX_SEED = 2**32


def _of_files(
    model: Model, files: list[Path], prompts: list[str], settings: dict[str, int]
) -> dict[str, Any]:
    recipe = model.recipe
    shown = read_pictures(files, recipe.sampling.size, recipe.codec.channels)
    bits = _bits(model, "pictures", shown, prompts[0] if len(prompts) == 1 else prompts, settings)
    return {
        "level": bits.level,
        "pictures": [
            {
                "picture": str(file),
                "bits": round(value, 4),
                "error": None if error != error else round(error, 4),
            }
            for file, value, error in zip(files, bits.pictures.tolist(), bits.errors.tolist(), strict=True)
        ],
    }


def _of_pack(model: Model, against: Path | None, count: int, settings: dict[str, int]) -> dict[str, Any]:
    from ornstein.errors import OrnsteinError, UsageError
    from ornstein.evaluate.estimate import difference, of_mean
    from ornstein.evaluate.sets import real_pictures

    if count < 2:
        raise UsageError(f"count must be 2 or more, not {count}: one picture has no interval")
    if model.bundle is None:
        raise OrnsteinError("a model that was never saved does not tell what it learned from")
    real, seed, size = real_pictures(model.bundle, against), settings["seed"], model.recipe.sampling.size
    chosen = {
        "held_out": (real.held, real.some_unseen(count, seed)),
        real.words.known: (real.training, real.some_learned(count, seed)),
    }
    found: dict[str, Estimate] = {}
    level: float | None = (
        None  # the first set decides it for both, or their difference would be one of levels
    )
    for name, (pack, rows) in chosen.items():
        prompts = [pack.captions(int(row))[0] for row in rows]
        shown = real.pictures(pack, rows, size)[..., : model.recipe.codec.channels]
        bits = _bits(model, name.replace("_", "-"), shown, prompts, settings, level)
        found[name], level = of_mean(bits.pictures.numpy(), seed), bits.level
    found["difference"] = difference(found["held_out"], found[real.words.known])
    return {"level": level} | {name: vars(estimate) for name, estimate in found.items()}


def _bits(
    model: Model,
    what: str,
    shown: np.ndarray,
    prompts: str | list[str],
    settings: dict[str, int],
    level: float | None = None,
) -> Bits:
    from ornstein.inverse import bits_of

    with progress() as tell:
        return bits_of(model, shown, prompts, **settings, level=level, progress=lambda *k: tell(what, *k))


def _text(said: dict[str, Any]) -> str:
    if "pictures" in said:
        lines = [
            f"{line['picture'][-47:]:<48}{line['bits']:>8.3f}"
            + (f" ± {line['error']:.3f}" if line["error"] is not None else "")
            for line in said["pictures"]
        ]
        return "\n".join([*lines, f"bits: {MEANS}; ±: standard error over draws"])
    lines = [
        f"{name.replace('_', '-'):<12}{e['value']:>8.3f}  ({e['low']:.3f} to {e['high']:.3f}), {e['count']} pictures"
        for name, e in said.items()
        if name != "level"
    ]
    signal = SIGNAL if "training" in said else SIGNAL_OF_REFERENCE
    return "\n".join([*lines, f"bits per dimension: {MEANS}; brackets are 95% intervals", signal])
