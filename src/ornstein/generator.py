"""From seeds and prompts to samples: what a model does before anything is written, read or recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ornstein.assembly import (
    AutocastNetwork,
    ConditionedNetwork,
    InferenceCopies,
    fast_dtype,
)
from ornstein.condition.classes import ClassEncoder
from ornstein.condition.parts import Phrase
from ornstein.condition.text import TextEncoder
from ornstein.condition.tokens import Tokens
from ornstein.control.keep import Keep, free
from ornstein.control.source import Source
from ornstein.denoise.posterior import Denoiser
from ornstein.denoise.precondition import Network, NetworkDenoiser
from ornstein.drawing import Imprint
from ornstein.errors import UsageError
from ornstein.guide.classifier_free import ClassifierFree, Guided
from ornstein.guide.rules import RuleSetting, on_path
from ornstein.guide.schedules import ScheduleSetting
from ornstein.process.fields import pad
from ornstein.process.noise import row_noise
from ornstein.process.times import TimeGrid
from ornstein.prompts import Prompt, several
from ornstein.recipes.recipe import Recipe
from ornstein.reuse import ReusingNetwork
from ornstein.sample.loop import State, trajectory
from ornstein.sample.registry import find_method
from ornstein.sample.stepper import Method


class Generator:
    """Network, condition encoder and recipe.

    Args:
        recipe: what it is made of.
        network: the weights.
        encoder: turns prompts into conditions.
        device: where the network runs.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: ConditionedNetwork,
        encoder: TextEncoder | ClassEncoder,
        device: torch.device | str = "cpu",
    ) -> None:
        self.recipe, self.encoder = recipe, encoder
        self.device = torch.device(device)
        self.dtype = fast_dtype(self.device)
        self.network = network.to(self.device)
        self._copies = InferenceCopies()

    def encode(self, pictures: np.ndarray) -> Tensor:
        """Uint8 pictures (rows, H, W, C), premultiplied, to samples, float32 on the model's device."""
        return self.recipe.codec.encode(pictures).to(self.device)

    def decode(self, x: Tensor, dtype: torch.dtype) -> np.ndarray:
        """Samples to uint8 pictures (rows, H, W, C); a codec with a network of its own computes in `dtype`."""
        return self.recipe.codec.decode(x)

    def denoiser(
        self, network: Callable[..., Tensor] | None = None, dtype: torch.dtype | None = None
    ) -> NetworkDenoiser:
        """The denoiser of this model; `network` stands in for its own weights (compiled, or averaged).

        Where no gradients are wanted (``torch.inference_mode``, ``torch.no_grad``) when this is called, the model's own
        weights are run by ``inference``.
        """
        dtype = dtype or self.dtype
        if network is None:
            network = self.network if torch.is_grad_enabled() else self.inference(dtype)
        call = AutocastNetwork(network, dtype)
        return NetworkDenoiser(call, self.recipe.process.path, self.recipe.process.target)

    def inference(self, dtype: torch.dtype | None = None) -> nn.Module:
        """The network as pictures are made with it (``net.inference``): a copy, until weights change."""
        return self._copies.of(self.network, dtype or self.dtype)

    def trajectory(
        self,
        prompts: Sequence[Prompt],
        seeds: Sequence[int],
        *,
        steps: Sequence[int],
        guidance: Sequence[float],
        sampler: str,
        negatives: Sequence[str],
        size: int,
        rule: RuleSetting | None = None,
        schedule: ScheduleSetting | None = None,
        reuse: int = 1,
        imprint: Imprint | None = None,
        sources: Sequence[Source | None] = (),
        network: nn.Module | None = None,
        dtype: torch.dtype | None = None,
        between: Callable[[Network], Network] | None = None,
    ) -> Iterator[State]:
        """Yield the sampler's states for one batch: one prompt, seed, number of steps and scale a row.

        `between` gives what stands between the denoiser and its network, and so sees every evaluation.
        """
        path = self.recipe.process.path
        method, grids = self.plan(sampler, steps, size)
        x, ways, keep = self.begin(seeds, size, grids, imprint, sources)
        condition = self.condition(prompts, negatives, guidance, grids)
        denoiser = self.denoiser(network, dtype)
        if reuse > 1:
            reusing = ReusingNetwork.of(denoiser.network, reuse)
            denoiser, condition = replace(denoiser, network=reusing), reusing.begin(condition)
        if between is not None:
            denoiser = replace(denoiser, network=between(denoiser.network))
        denoiser = self.guided(denoiser, rule, schedule)
        yield from trajectory(method, denoiser, path, x, ways, condition, seeds, keep)

    def plan(
        self, sampler: str, steps: Sequence[int], size: int | None = None
    ) -> tuple[Method, list[Tensor]]:
        """The method of a name, and for each row the times that so many steps visit, on the ``grid`` of `size`."""
        path, grid = self.recipe.process.path, self.grid(size)
        for fit in self.recipe.sampling.fits:
            if fit.name == sampler:
                return fit.method(), [fit.times(path)] * len(steps)
        method = find_method(sampler)
        return method, [method.times(grid, count, path) for count in steps]

    def grid(self, size: int | None = None) -> TimeGrid:
        """Which times pictures of `size` visit; of the model's own size where None."""
        return self.recipe.sampling.grid

    def begin(
        self,
        seeds: Sequence[int],
        size: int,
        grids: Sequence[Tensor],
        imprint: Imprint | None = None,
        sources: Sequence[Source | None] = (),
    ) -> tuple[Tensor, list[Tensor], Keep | None]:
        """Where each row starts, the times it visits, and what puts back what may not change; None where all may.

        Args:
            seeds: one a row.
            size: side in pixels.
            grids: all times of each row; a source lets it start at a later one (SDEdit: Meng et al. 2021, arXiv
                2108.01073).
            imprint: changes the noise.
            sources: one a row, None for those that start from noise alone; () for none at all.

        Returns:
            Samples (rows, *shape), float32; the rest of the grids; a ``loop.Control``.

        Raises:
            UsageError: a size this model's network cannot have.
        """
        if not any(sources):
            return self.start(seeds, size, [grid[0] for grid in grids], imprint), list(grids), None
        shape, path = self.recipe.codec.shape(size), self.recipe.process.path
        noise = self.noise(seeds, size, imprint)
        clean = torch.zeros(len(seeds), *shape, dtype=torch.float32)
        rows = [row for row, source in enumerate(sources) if source is not None]
        clean[rows] = self.encode(np.stack([source.picture for source in sources if source])).cpu()
        ways = [
            grid if source is None else grid[source.skipped(len(grid) - 1) :]
            for grid, source in zip(grids, sources, strict=True)
        ]
        at = path(torch.stack([way[0] for way in ways])).like(noise)
        x = at.alpha.float() * clean + at.sigma.float() * noise
        plain = torch.tensor([source is None for source in sources])
        if plain.any():
            x[plain] = noise[plain] * at.scale.float()[plain]
        changes = free(sources, shape)
        keep = (
            None if changes.all() else Keep(path, *(part.to(self.device) for part in (clean, noise, changes)))
        )
        x = x.to(self.device)
        first = torch.stack([way[0] for way in ways]).to(x)
        return (x if keep is None else keep(x, first, torch.arange(len(x)))), ways, keep

    def start(
        self, seeds: Sequence[int], size: int, times: Sequence[Tensor], imprint: Imprint | None = None
    ) -> Tensor:
        """Noise as it is at each row's first time: (rows, *shape of a sample), float32.

        Raises:
            UsageError: a size this model's network cannot have.
        """
        noise = self.noise(seeds, size, imprint)
        scale = self.recipe.process.path(torch.stack(list(times))).scale.float()
        return (noise * pad(scale, noise)).to(self.device)

    def noise(self, seeds: Sequence[int], size: int, imprint: Imprint | None = None) -> Tensor:
        """Noise of unit variance, float32 (rows, *shape of a sample), on the CPU. Raises as ``start``."""
        recipe = self.recipe
        if size % recipe.network.multiple:
            raise UsageError(
                f"size {size} is not a multiple of {recipe.network.multiple}, as this model needs"
            )
        noise = row_noise(seeds, 0, torch.empty(len(seeds), *recipe.codec.shape(size), dtype=torch.float32))
        assert isinstance(noise, Tensor)
        return noise if imprint is None else imprint(noise, seeds)

    def condition(
        self,
        prompts: Sequence[Prompt],
        negatives: Sequence[str],
        guidance: Sequence[float],
        grids: Sequence[Tensor] = (),
    ) -> Guided:
        """What ``guided`` denoisers are told of each row; parts that take turns need the `grids` of ``plan``."""
        plain = [prompt for prompt in prompts if isinstance(prompt, str)]
        return Guided(
            self._encode(plain) if len(plain) == len(prompts) else several(self._encode, prompts, grids),
            self._encode(negatives),
            torch.tensor(guidance, dtype=torch.float32, device=self.device),
        )

    def _encode(self, prompts: Sequence[str | Phrase]) -> Tokens:
        return self.encoder.encode(prompts).to(self.device)

    def guided(
        self, denoiser: Denoiser, rule: RuleSetting | None = None, schedule: ScheduleSetting | None = None
    ) -> Denoiser:
        """A denoiser that follows its ``condition``, by this rule and schedule or else as the recipe says."""
        settings = self.recipe.sampling
        chosen = on_path(rule or settings.rule, self.recipe.process.path)
        return ClassifierFree(denoiser, settings.interval, chosen, schedule or settings.schedule)
