"""One run: a family trained, drawn from and measured, in a folder that is there whole or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

from ornstein.data.atomic import new_folder
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.recipes.recipe import Recipe

from .diffusion import Diffusion
from .family import Family, Settings
from .gan import Gan
from .measure import Draw, Judge, samples_per_second
from .networks import count_weights
from .train import Trained, train
from .vae import Vae

FAMILIES: tuple[type[Family], ...] = (Diffusion, Vae, Gan)
EVALUATIONS = (1, 2, 4, 8)  # of the diffusion model, beside its usual number
RESULT, WEIGHTS, SAMPLES = "result.json", "generator.safetensors", "samples.npz"
AT_ONCE = 64
FEW = 0.02  # precision or recall below which a run counts as diverged
DECIDED = 0.05  # nats of the pairing loss, log 2 at a draw, below which the discriminator has won
LAST = 0.1  # share of the run over which that is looked at
POINTS = 100  # of a loss curve that are kept


@dataclass(frozen=True)
class Plan:
    """What a run is a function of, apart from the machine."""

    kind: type[Family]
    settings: Settings
    seed: int
    budget: float
    evaluations: tuple[int, ...] = ()

    def facts(self, pack: Pack, recipe: Recipe, count: int) -> dict[str, Any]:
        """The same as plain values, with what it is run on."""
        return {
            "family": self.kind.name, "settings": asdict(self.settings), "batch": self.kind.batch,
            "seed": self.seed, "budget": self.budget, "evaluations": list(self.evaluations), "samples": count,
            "pack": pack.fingerprint, "network": recipe.network.model_dump(mode="json"),
        }  # fmt: skip


def run(
    plan: Plan,
    folder: Path,
    pack: Pack,
    recipe: Recipe,
    judge: Judge,
    progress: Callable[[int, int], None] = lambda step, of: None,
) -> dict[str, Any]:
    """The result of a run, from its folder where it is finished.

    Raises:
        OrnsteinError: the folder holds another run.
    """
    facts = plan.facts(pack, recipe, judge.count)
    if folder.exists():
        return _finished(folder, facts)
    trained = train(plan.kind, recipe, plan.settings, plan.seed, pack, plan.budget, progress)
    with new_folder(folder) as part:
        result = {"plan": facts, **_training(trained), **_drawing(trained.family, plan, judge, part)}
        result["diverged"] = verdict(trained, result)
        save_file(trained.family.generator.state_dict(), part / WEIGHTS)
        (part / RESULT).write_text(json.dumps(result, indent=1) + "\n")
    return result


def verdict(trained: Trained, figures: dict[str, Any]) -> list[str]:
    """Every sign that a run has diverged; empty for a sound one."""
    found = [trained.diverged] if trained.diverged else []
    found += [f"{key} {figures[key]:.3f}" for key in ("precision", "recall") if figures[key] < FEW]
    last = trained.curve[-math.ceil(LAST * len(trained.curve)) :] if trained.curve else []
    won = [losses["discriminator"] for losses in last if "discriminator" in losses]
    if won and float(np.mean(won)) < DECIDED:
        found.append(f"discriminator's loss {float(np.mean(won)):.3f}")
    return found


def samples_of(folder: Path) -> np.ndarray:
    """The pictures of a finished run, uint8 (N, H, W, C)."""
    with np.load(folder / SAMPLES) as file:
        return file["pictures"]


def _finished(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    try:
        result = json.loads((folder / RESULT).read_text())
        changed = sorted(key for key in facts if result["plan"].get(key) != facts[key])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise OrnsteinError(f"{folder} is not a finished run: delete it, or choose another --out") from error
    if changed:
        raise OrnsteinError(
            f"{folder} was made with another {changed[0]}: delete it, or choose another --out"
        )
    return result


def _training(trained: Trained) -> dict[str, Any]:
    family, curve = trained.family, trained.curve
    kept = sorted({round(k) for k in np.linspace(0, len(curve) - 1, min(POINTS, len(curve)))})
    return {
        "weights": count_weights(family.generator),
        "helper weights": count_weights(family.helper) if family.helper else 0,
        "steps": trained.steps, "flops": trained.flops, "seconds": trained.seconds,
        "curve": [{"step": k, **curve[k]} for k in kept],
    }  # fmt: skip


def _drawing(family: Family, plan: Plan, judge: Judge, folder: Path) -> dict[str, Any]:
    seeds = range(plan.seed * judge.count, (plan.seed + 1) * judge.count)
    pictures = _pictures(family.recipe, family.draw, seeds)
    np.savez_compressed(folder / SAMPLES, pictures=pictures)
    found = {**judge(pictures), "samples_per_second": samples_per_second(family.draw)}
    if isinstance(family, Diffusion):
        usual = {"evaluations": family.recipe.sampling.steps}
        usual |= {key: found[key] for key in ("fdr", "samples_per_second")}
        found["sweep"] = [*(_point(family, n, seeds, judge) for n in plan.evaluations), usual]
    return found


def _point(family: Diffusion, evaluations: int, seeds: Sequence[int], judge: Judge) -> dict[str, Any]:
    """Distance and rate of the diffusion model at another number of evaluations."""
    draw = partial(family.draw, evaluations=evaluations)
    pictures = _pictures(family.recipe, draw, seeds)
    return {
        "evaluations": evaluations, "fdr": judge.fdr(pictures), "samples_per_second": samples_per_second(draw)
    }  # fmt: skip


def _pictures(recipe: Recipe, draw: Draw, seeds: Sequence[int]) -> np.ndarray:
    parts = (draw(seeds[k : k + AT_ONCE]) for k in range(0, len(seeds), AT_ONCE))
    return np.concatenate([recipe.codec.decode(part) for part in parts])
