"""Learning pictures: what ``ornstein train`` does with a packed set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ornstein.bundle import Bundle
from ornstein.condition.text import TextEncoder
from ornstein.condition.tokens import Tokens
from ornstein.data.augment import moved
from ornstein.data.draw import ConceptFirst, Uniform
from ornstein.data.manifest import Row, refuse
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.model import Model
from ornstein.net.backbone import training_flops
from ornstein.net.patched import PatchedConfig
from ornstein.recipes.recipe import Recipe, Stage
from ornstein.rng import stream
from ornstein.sample.loop import sample_last
from ornstein.train.objective import denoising_loss, weight
from ornstein.train.start import starting_model
from ornstein.train.task import Losses


@dataclass(frozen=True)
class PictureBatch:
    """What one step trains on: clean samples, times, noise and conditions, rows first."""

    x: Tensor
    t: Tensor
    noise: Tensor
    condition: Tokens

    def select(self, rows: Tensor) -> PictureBatch:
        """Pick rows."""
        return PictureBatch(self.x[rows], self.t[rows], self.noise[rows], self.condition.select(rows))


class PictureTask:
    """A ``Task``: pictures of a pack, from their captions or classes.

    Args:
        recipe: resolved (see ``resolve``).
        pack: the data.
        cache: folder of encoded captions.
        device: where to train.
        caption_progress: told (done, of) while captions are encoded.
    """

    def __init__(
        self,
        recipe: Recipe,
        pack: Pack,
        cache: Path,
        device: torch.device | str = "cpu",
        encoder_folder: Path | None = None,
        caption_progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self.recipe, self.pack = recipe, pack
        self.model = Model.from_recipe(recipe, encoder_folder)
        start = starting_model(recipe)
        self.start: Bundle | None = start and start.bundle
        if start is not None:
            self.model.network.load_state_dict(start.network.state_dict())
        self.model.network.to(device)
        self.model.device = torch.device(device)
        section = recipe.data
        draw = ConceptFirst if section.draw == "concept-first" else Uniform
        self.draw = draw(pack, "train", caption_weights=section.captions)
        self.conditions = self.model.encoder
        if isinstance(self.conditions, TextEncoder):
            used = len(section.captions)
            captions = [c for index in pack.indices("train") for c in pack.captions(int(index))[:used]]
            self.conditions = self.conditions.corpus(captions, cache, caption_progress)

    def batch(self, stage: Stage, step: int, count: int) -> PictureBatch:
        """As of ``Task``."""
        seed = self.recipe.training.seed
        indices, captions = self.draw(seed, step, count)
        x = self.recipe.codec.encode(self.pack.pictures(indices, stage.size))
        if most := self.recipe.data.augment:
            x = moved(x, stream("augment", seed, step), most, 2 * most, "edge")
        random = stream("train", seed, 0, step)  # the 0 is the rank, for the day there are several
        law = stage.times or self.recipe.objective.times
        t = law.draw(random, count, self.recipe.process.path)
        noise = torch.from_numpy(random.standard_normal(tuple(x.shape), dtype=np.float32))
        dropped = torch.from_numpy(random.random(count) < self.recipe.objective.dropout)
        condition = self.conditions.encode(captions).drop(dropped)
        device = self.model.device
        return PictureBatch(x.to(device), t.to(device), noise.to(device), condition.to(device))

    def losses(self, network: Callable[..., Tensor], batch: PictureBatch) -> Losses:
        """As of ``Task``: squared errors of the posterior mean."""
        objective, path = self.recipe.objective, self.recipe.process.path
        weighted = denoising_loss(
            self.model.denoiser(network), path, batch.x, batch.t, batch.noise, batch.condition,
            objective.weight, objective.cap,
        )  # fmt: skip
        logsnr = path(batch.t).logsnr
        plain = weighted.detach() / weight(objective.weight, logsnr.float(), objective.cap)
        return Losses(weighted, plain, torch.sigmoid(-logsnr / 2))

    def flops(self, stage: Stage) -> float:
        """As of ``Task``."""
        return flops_per_sample(self.model, stage.size)

    def with_weights(self, weights: Mapping[str, Tensor]) -> Model:
        """As of ``Task``."""
        model = Model.from_recipe_with(self.recipe, self.model.encoder)
        model.network.load_state_dict(weights)
        return model

    def rows(self) -> Iterable[Row]:
        """As of ``Task``: the pack's."""
        return self.pack.rows()

    def sample(self, model: Model, stage: Stage) -> np.ndarray | None:
        """As of ``Task``: a picture of each of the recipe's prompts, on white."""
        prompts = self.recipe.training.prompts
        return sample_grid(model, prompts, stage.size) if prompts else None


@torch.inference_mode()
def sample_grid(model: Model, prompts: tuple[str, ...], size: int) -> np.ndarray:
    """One picture a prompt of side `size`, seeds 0, 1, 2 …, at the recipe's defaults, on white: (H, W, 3) uint8."""
    section, count = model.recipe.sampling, len(prompts)
    x = sample_last(
        model.trajectory(
            prompts, list(range(count)), steps=[section.steps] * count, guidance=[section.guidance] * count,
            sampler=section.sampler, negatives=[""] * count, size=size,
        )
    )  # fmt: skip
    assert isinstance(x, Tensor)
    pictures = model.recipe.codec.decode(x)
    if pictures.shape[-1] == 4:
        pictures = pictures[..., :3] + (255 - pictures[..., 3:])
    columns = int(np.ceil(np.sqrt(count)))
    empty = np.full((-count % columns, *pictures.shape[1:]), 255, np.uint8)
    rows = np.concatenate([pictures, empty]).reshape(-1, columns, *pictures.shape[1:])
    grid = rows.transpose(0, 2, 1, 3, 4).reshape(rows.shape[0] * rows.shape[2], -1, pictures.shape[-1])
    return np.repeat(grid, 3, axis=-1) if grid.shape[-1] == 1 else grid


def resolve(recipe: Recipe, pack: Pack) -> Recipe:
    """Fill in what the data decides: the pixels' deviation, measured on up to 4,096 evenly spaced training items.

    Raises:
        OrnsteinError: a licence the recipe does not allow, other channels than the codec's, or nothing to train on.
    """
    refuse(pack.rows(), set(recipe.data.licences))
    train = pack.indices("train")
    if len(train) == 0:
        raise OrnsteinError(f"{pack.name} has no training items")
    if pack.channels != recipe.codec.channels:
        raise OrnsteinError(
            f"{pack.name} has {pack.channels} channels, the recipe's codec {recipe.codec.channels}"
        )
    if recipe.codec.deviation != 1.0:
        return recipe
    if recipe.training.start is not None:  # the start's weights know its scale
        return recipe.model_copy(update={"codec": Model.load(recipe.training.start).recipe.codec})
    chosen = train[np.linspace(0, len(train) - 1, min(4096, len(train))).astype(int)]
    parts = [part for part in np.array_split(chosen, 16) if len(part)]
    total = sum(np.square(pack.pictures(part) / 127.5 - 1.0).mean() * len(part) for part in parts)
    deviation = round(math.sqrt(total / len(chosen)), 4) or 1.0
    return recipe.model_copy(update={"codec": recipe.codec.model_copy(update={"deviation": deviation})})


def flops_per_sample(model: Model, size: int) -> float:
    """Forward and backward products of one picture: of a transformer 6 x parameters x tokens, the usual count, which
    leaves attention out; of a network whose weights are not used equally often, what torch counts.
    """
    network, states = model.recipe.network, model.encoder.length
    if isinstance(network, PatchedConfig):
        return 6.0 * (network.tokens(size) + states) * sum(p.numel() for p in model.network.parameters())
    return training_flops(network, model.recipe.codec.shape(size), states)
