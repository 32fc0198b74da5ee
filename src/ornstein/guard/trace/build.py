"""Make the index of a bundle: train its descriptor, describe what was trained on, calibrate on what was held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ornstein.bundle import MANIFEST, Bundle
from ornstein.data import manifest
from ornstein.data.manifest import TRAIN, Row
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.guard.trace.calibrate import Null, calibrating, honest
from ornstein.guard.trace.descriptor import (
    AT_ONCE,
    DescriptorConfig,
    DescriptorNetwork,
    ready,
    to_input,
)
from ornstein.guard.trace.index import AT_ONCE as ONE_LOOK
from ornstein.guard.trace.index import FEWEST, Index, quantised
from ornstein.guard.trace.thumbnails import Thumbnails
from ornstein.guard.trace.training import train_descriptor
from ornstein.guard.trace.verifier import VerifierConfig, VerifierNetwork, numbers_of_a_pair
from ornstein.guard.trace.verifying import fitted, gathered
from ornstein.recipes.recipe import Recipe
from ornstein.rng import stream
from ornstein.saving import with_sources

Progress = Callable[[int, int], None]

DOUBLES, OF_SOME = (
    0.01,
    2000,
)  # alpha at which a trained picture counts as the double of another; how many are asked
WIDTH, MANY = 128, 50_000  # numbers of a description; half of them for so many pictures
SAMPLES = 250_000  # pictures that a descriptor learns from at most; about a dozen minutes on one core
SAMPLES_A_QUERY = 8  # of the descriptor, for each that the verifier learns from
THUMBNAIL, SMALL = (32, 3), (23, 2)  # side, and bits of a pixel; the smaller for so many pictures as above
EACH = 100  # times that it sees each picture of a small set


def build(
    bundle: Bundle,
    pack: Pack | None = None,
    samples: int | None = None,
    progress: Progress = lambda seen, of: None,
) -> Bundle:
    """Put an index into a bundle, or a new one in the place of the old.

    Args:
        bundle: that tells what it learned from.
        pack: that holds those pictures; the recipe's where None.
        samples: pictures the descriptor learns from; by the size of the set where None.
        progress: told pictures seen, and of how many.

    Raises:
        OrnsteinError: the bundle tells nothing, its pack is not at hand or lacks some pictures, or the disk refuses.
    """
    folder, data = pack_of(bundle), bundle.facts.data
    assert data is not None, "pack_of refuses"
    rows = manifest.read(bundle.folder / MANIFEST)
    return with_sources(
        bundle, index_of(rows, data.root, pack or Pack.open(folder), samples, progress).to_bytes()
    )


def pack_of(bundle: Bundle) -> Path:
    """The folder of the pack that a model learned from, as its recipe says. Raises OrnsteinError: it tells nothing."""
    recipe = bundle.facts.recipe
    if bundle.facts.data is None or not isinstance(recipe, Recipe):
        raise OrnsteinError(f"{bundle.folder} does not tell what it learned from: there is nothing to index")
    return Path(recipe.data.pack)


def index_of(
    rows: Sequence[Row],
    root: str,
    pack: Pack,
    samples: int | None = None,
    progress: Progress = lambda seen, of: None,
) -> Index:
    """The index of all rows that were trained on; those held out calibrate it.

    Args:
        rows: of a manifest.
        root: its hash.
        pack: that holds their pictures.
        samples: pictures the descriptor learns from; by the size of the set where None.
        progress: told pictures seen, and of how many.

    Raises:
        OrnsteinError: fewer than three rows were trained on, or the pack lacks some.
    """
    trained = [row for row in rows if row.split == TRAIN]
    if len(trained) < FEWEST:
        raise OrnsteinError("an index needs three pictures that were trained on, or more")
    pictures = _pictures(trained, pack)
    width = WIDTH if len(trained) < MANY else WIDTH // 2
    config = DescriptorConfig(width=width)
    samples = samples or min(SAMPLES, EACH * len(trained))
    families = np.unique([row.family or row.id for row in trained], return_inverse=True)[1]
    network = train_descriptor(
        pictures, families, config, samples,
        progress=lambda seen, _: progress(min(seen, samples), samples),
    )  # fmt: skip
    index = described(network, [row.id for row in trained], pictures, root)
    index = replace(
        index, verifier=verifier_of(index, trained, pictures, max(FEWEST, samples // SAMPLES_A_QUERY))
    )
    known = set(pack.ids)
    held = [row for row in rows if row.split != TRAIN and row.id in known]
    return calibrated(index, held, _pictures(held, pack), trained, pictures)


def described(network: DescriptorNetwork, ids: Sequence[str], pictures: np.ndarray, root: str) -> Index:
    """The index of uint8 (N, H, W, C) pictures, not calibrated yet, with the network's weights as they are kept."""
    weights = {
        name: value.to(torch.bfloat16) if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    vectors, scale = quantised(ready(network.config, weights)(pictures))
    side, bits = THUMBNAIL if len(pictures) < MANY else SMALL
    seen = [
        to_input(pictures[start : start + AT_ONCE], network.config.size)
        for start in range(0, len(pictures), AT_ONCE)
    ]
    small = Thumbnails.of(torch.cat(seen), side, bits)
    untrained = VerifierNetwork(VerifierConfig(numbers=numbers_of_a_pair()))
    none = Null(torch.empty(0))
    return Index(network.config, weights, tuple(ids), vectors, scale, small, untrained, none, root, {})


def verifier_of(index: Index, trained: Sequence[Row], pictures: np.ndarray, queries: int) -> VerifierNetwork:
    """A verifier of altered copies of an index's pictures, uint8 (N, H, W, C)."""
    works = [f"{row.concept}\n{row.holder}" if row.style else row.id for row in trained]

    def look(seen: Tensor) -> tuple[Tensor, Tensor]:
        found = [index.find(part) for part in seen.split(ONE_LOOK)]
        numbers = torch.cat([index.compared(one) for one in found])
        return torch.cat([one.where[:, : numbers.shape[1]] for one in found]), numbers

    numbered = np.unique(works, return_inverse=True)[1]
    return fitted(gathered(look, pictures, numbered, index.config.size, queries))


def calibrated(
    index: Index, held: Sequence[Row], pictures: np.ndarray, trained: Sequence[Row], known: np.ndarray
) -> Index:
    """The index with the scores of half of the honest held-out pictures.

    Args:
        index: to calibrate.
        held: rows that were held out.
        pictures: of them, uint8 (M, H, W, C).
        trained: rows of the index.
        known: pictures of these.
    """
    fair = honest(held, pictures, trained, known)
    half = fair.copy()
    half[fair] = calibrating([row.id for row, good in zip(held, fair, strict=True) if good])
    null = Null(index.look(pictures[half]).score.sort().values)
    some = np.sort(stream("doubles").permutation(len(known))[:OF_SOME])
    counts = {
        "held out": len(held), "honest": int(fair.sum()), "calibrated on": int(half.sum()),
        "trained pictures asked": len(some),
        "of these like another": index.doubles(known, some, null.threshold(DOUBLES)),
    }  # fmt: skip
    return replace(index, null=null, facts=counts)


def _pictures(rows: Sequence[Row], pack: Pack) -> np.ndarray:
    """The rows' pictures, in their order. Raises OrnsteinError where the pack lacks some."""
    places = {one: place for place, one in enumerate(pack.ids)}
    lacking = [row.id for row in rows if row.id not in places]
    if lacking:
        some = f"{len(lacking)} of the pictures that were trained on, such as {lacking[0]}"
        raise OrnsteinError(f"{pack.folder} lacks {some}: name the pack the model learned from with --pack")
    return pack.pictures(np.array([places[row.id] for row in rows], dtype=np.int64))
