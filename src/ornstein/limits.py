"""What a model may be asked: sizes it makes, sizes it was trained at, methods it has."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

from ornstein.control.source import Source
from ornstein.errors import UsageError
from ornstein.recipes.recipe import Recipe
from ornstein.request import Request
from ornstein.sample.fitted import FITTED

SMALLEST, LARGEST = 32, 256
"""Sides of the smallest picture, unless the model was trained at a smaller one, and of the largest."""


def refuse(asked: Iterable[Request], recipe: Recipe, sizes: Sequence[int], limits: tuple[int, int]) -> None:
    """Raise UsageError for what a model cannot do; warn of what it was not trained for.

    Args:
        asked: the requests.
        recipe: of the model.
        sizes: sides that it was trained on.
        limits: sides of the smallest and of the largest picture that it makes.
    """
    multiple, (smallest, largest), listed = recipe.network.multiple, limits, " and ".join(map(str, sizes))
    for request in asked:
        if request.size % multiple or not smallest <= request.size <= largest:
            raise UsageError(
                f"size {request.size} is not supported: this model makes multiples of {multiple} from {smallest} "
                f"to {largest}; it was trained at {listed}"
            )
    for size in {request.size for request in asked} - {recipe.sampling.size, *sizes}:
        warnings.warn(f"this model was trained at {listed} pixels, not {size}", stacklevel=4)
    for request in asked:  # a replayed one may name a fit that is no longer there
        recipe.sampling.method(request.sampler, request.steps, request.guidance)


def refuse_sources(asked: Sequence[Request], sources: Sequence[Source | None], channels: int) -> None:
    """Raise UsageError for sources that requests cannot start from.

    Args:
        asked: the requests.
        sources: one for each, None for those that start from noise.
        channels: of the model's pictures.
    """
    if len(sources) != len(asked):
        raise UsageError(f"{len(asked)} pictures need as many sources, not {len(sources)}")
    for request, source in zip(asked, sources, strict=True):
        if source is None:
            continue
        height, width, found = source.picture.shape
        if (height, width, found) != (request.size, request.size, channels):
            raise UsageError(
                f"the picture is {width} x {height} of {found} channels: this model needs "
                f"{request.size} x {request.size} of {channels}"
            )
        if source.skipped(request.steps) and request.sampler.startswith(FITTED):
            raise UsageError("a fitted sampler starts from noise: choose another one, or strength 1")
        if request.reuse > 1 or request.compose:
            raise UsageError("a composed prompt, or reuse, cannot start from a picture: leave them out")
