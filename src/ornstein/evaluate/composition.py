"""Prompts that combine things: two objects, colours bound to objects, numbers. Diffusion models often fail here.

Nothing like these stands in a caption of the emoji set, so there are no real pictures to hold beside them; each kind
has a check by program instead, and its rate is reported as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ornstein.evaluate import colours
from ornstein.evaluate.estimate import Estimate, of_mean
from ornstein.evaluate.scorer import TrainedScorer

NEAREST = 10  # concepts of the scorer's vocabulary among which a wanted one must stand
SMALLEST = 0.01  # share of the picture from which a connected piece counts as a thing
INK = 128  # alpha


@dataclass(frozen=True)
class Composed:
    """A prompt and what its picture must hold: things by name, colours, and how many separate pieces (0: any)."""

    prompt: str
    things: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    pieces: int = 0


KINDS: dict[str, tuple[Composed, ...]] = {
    "two things": tuple(
        Composed(f"{a} and {b}", things=(a, b))
        for a, b in (
            ("cat", "dog"), ("red apple", "banana"), ("sun", "crescent moon"), ("automobile", "evergreen tree"),
            ("star", "red heart"), ("pizza", "hamburger"), ("guitar", "trumpet"), ("rocket", "cloud"),
        )
    ),
    "a colour of its own": tuple(
        Composed(f"{colour} {thing}", things=(thing,), colours=(colour,))
        for colour, thing in (
            ("blue", "banana"), ("purple", "dog face"), ("green", "cat face"), ("pink", "frog"),
            ("red", "evergreen tree"), ("yellow", "octopus"), ("blue", "strawberry"), ("green", "pig face"),
        )
    ),
    "two colours, each on its thing": tuple(
        Composed(f"{a} and {b}", colours=(a.split()[0], b.split()[0]), pieces=2)
        for a, b in (
            ("red circle", "blue square"), ("green heart", "yellow star"), ("blue circle", "yellow circle"),
            ("purple heart", "green square"), ("orange square", "blue heart"), ("red square", "green circle"),
        )
    ),
    "a number": tuple(
        Composed(f"{word} {thing}", pieces=count)
        for word, count in (("two", 2), ("three", 3), ("four", 4), ("five", 5))
        for thing in ("red hearts", "blue circles", "yellow stars")
    ),
}  # fmt: skip


def composition(
    draw: Callable[[Sequence[str], Sequence[int]], np.ndarray],
    scorer: TrainedScorer | None,
    vocabulary: Sequence[str],
    tries: int = 4,
    kinds: Mapping[str, Sequence[Composed]] = KINDS,
) -> dict[str, Estimate]:
    """Share of pictures of each kind that hold all they should.

    Args:
        draw: makes pictures, uint8 (N, H, W, C), of prompts and seeds.
        scorer: says which things a picture shows; kinds that need it are left out without one.
        vocabulary: names of the concepts it chooses among.
        tries: pictures of each prompt, with seeds 0, 1, 2 …
        kinds: prompts by kind.
    """
    found: dict[str, Estimate] = {}
    for kind, prompts in kinds.items():
        if scorer is None and any(p.things for p in prompts):
            continue
        asked = [p for p in prompts for _ in range(tries)]
        pictures = draw([p.prompt for p in asked], [seed for _ in prompts for seed in range(tries)])
        hits = np.array([_holds(x, p) for x, p in zip(pictures, asked, strict=True)])
        if scorer is not None:
            hits &= _things(scorer, pictures, asked, vocabulary)
        found[kind] = of_mean(hits)
    return found


def pieces(picture: np.ndarray) -> int:
    """Connected pieces of ink in an RGBA picture (H, W, 4), specks aside."""
    from scipy import ndimage

    found: Any = ndimage.label(picture[..., 3] >= INK, structure=np.ones((3, 3)))
    labels, count = found
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return int((areas >= SMALLEST * labels.size).sum())


def _holds(picture: np.ndarray, wanted: Composed) -> bool:
    coloured = not wanted.colours or colours.shows(picture, list(wanted.colours))
    return coloured and (not wanted.pieces or pieces(picture) == wanted.pieces)


def _things(
    scorer: TrainedScorer, pictures: np.ndarray, asked: Sequence[Composed], vocabulary: Sequence[str]
) -> np.ndarray:
    """Whether every wanted thing is among the nearest concepts of each picture."""
    names = list(dict.fromkeys([*vocabulary, *(thing for p in asked for thing in p.things)]))
    nearest = (
        (scorer.see(pictures) @ scorer.read(names).T).topk(min(NEAREST, len(names)), dim=1).indices.tolist()
    )
    found = [{names[k] for k in row} for row in nearest]
    return np.array([set(p.things) <= seen for p, seen in zip(asked, found, strict=True)])
