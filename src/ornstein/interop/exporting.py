"""From a bundle to a folder in the layout of diffusers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ornstein import __version__
from ornstein.bundle import CARD, PIPELINE, WEIGHTS, Bundle
from ornstein.data.atomic import link_or_copy, new_folder
from ornstein.errors import UsageError
from ornstein.interop.folder import INDEX, STEMS
from ornstein.process.gaussian import DiscreteBeta, Flow
from ornstein.process.times import ShiftedGrid
from ornstein.recipes.recipe import Recipe

NETWORK = "OrnsteinTransformer"
README = """---
library_name: ornstein
---

{card}
## Reading this folder

`transformer/diffusion_pytorch_model.safetensors` holds the weights by name, `transformer/config.json` the whole recipe:
the network's shape, its path and target, its condition and codec. The network is no class of the diffusers library, so
`DiffusionPipeline.from_pretrained` refuses this folder by that name. `scheduler/` is there only where one of that
library's schedulers runs the same process. To draw: `ornstein.load` on the bundle that this was exported from.
"""


def export_bundle(bundle: Bundle, folder: Path) -> None:
    """Write a bundle in the layout of diffusers, whole or not at all.

    An imported one is what it was imported from, less what was left behind. One of ours is safetensors and JSON under
    the names that the layout has for them, and an index that names a class no other library claims to have.

    Raises:
        UsageError: the folder exists. OrnsteinError: the disk refuses.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists already: export to a new folder")
    with new_folder(folder) as part:
        if bundle.imported:
            for name in bundle.facts.files:
                if name.startswith(f"{PIPELINE}/"):
                    link_or_copy(bundle.folder / name, part / name.removeprefix(f"{PIPELINE}/"))
        else:
            _export_own(bundle, part)


def _export_own(bundle: Bundle, part: Path) -> None:
    recipe = bundle.facts.recipe
    scheduler = _scheduler(recipe)
    index: dict[str, Any] = {
        "_class_name": "OrnsteinPipeline", "_ornstein_version": __version__, "transformer": ["ornstein", NETWORK],
    }  # fmt: skip
    if scheduler:
        index["scheduler"] = ["diffusers", scheduler["_class_name"]]
        _write(part / "scheduler" / "scheduler_config.json", scheduler)
    _write(part / INDEX, index)
    config = {
        "_class_name": NETWORK, "fingerprint": bundle.fingerprint, "encoder": bundle.facts.encoder,
        "recipe": recipe.model_dump(mode="json"),
    }  # fmt: skip
    _write(part / "transformer" / "config.json", config)
    link_or_copy(bundle.folder / WEIGHTS, part / "transformer" / f"{STEMS['diffusers']}.safetensors")
    card = (bundle.folder / CARD).read_text(encoding="utf-8")
    (part / "README.md").write_text(README.format(card=card), encoding="utf-8")


def _scheduler(recipe: Recipe) -> dict[str, Any] | None:
    """The scheduler that runs the same process, where diffusers has one for path and target."""
    path, target, grid = recipe.process.path, recipe.process.target, recipe.sampling.grid
    if isinstance(path, Flow) and target == "flow":
        shift = grid.shift if isinstance(grid, ShiftedGrid) else 1.0
        return {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": shift}
    predictions = {"eps": "epsilon", "v": "v_prediction", "x": "sample"}
    if isinstance(path, DiscreteBeta) and target in predictions:
        schedules = {"linear": "linear", "scaled-linear": "scaled_linear", "cosine": "squaredcos_cap_v2"}
        return {
            "_class_name": "DDIMScheduler", "num_train_timesteps": path.steps, "beta_start": path.beta_start,
            "beta_end": path.beta_end, "beta_schedule": schedules[path.schedule],
            "prediction_type": predictions[target], "rescale_betas_zero_snr": path.zero_terminal, "clip_sample": False,
            "timestep_spacing": "trailing",
        }  # fmt: skip
    return None


def _write(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
