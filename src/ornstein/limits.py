"""What a model may be asked: sizes it makes and was trained at, methods it has, sources and records that fit it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

from ornstein.control.source import Source
from ornstein.errors import OrnsteinError, UsageError
from ornstein.recipes.recipe import Recipe
from ornstein.record import Record
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


def refuse_others(record: Record, fingerprint: str | None, source: Source | None) -> None:
    """Raise OrnsteinError for a picture's record by which a model cannot make it again.

    Args:
        record: of the picture.
        fingerprint: of the model; None for one that was never saved.
        source: that it would be made from.
    """
    made_by, name = record.model.fingerprint, record.model.name
    if made_by is None:
        raise OrnsteinError(f"this picture was made by a model {name!r} that was never saved")
    if made_by != fingerprint:
        mine = fingerprint[:10] if fingerprint else "unsaved"
        raise OrnsteinError(f"this picture was made by another model: {name!r} {made_by[:10]}, not {mine}")
    if record.source != (source and source.brought):
        raise OrnsteinError(_other_source(record, source))


def _other_source(record: Record, source: Source | None) -> str:
    if record.source is None:
        return "this picture was made from noise alone: name no source"
    if source is None:
        name = record.source.picture[:10]
        return f"this picture was made from another one (sha256 of its pixels {name}): name it with --source"
    return "this is not the source, mask or strength that this picture was made from"
