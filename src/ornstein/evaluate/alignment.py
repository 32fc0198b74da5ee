"""Do pictures show what their prompts say? By a trained scorer, and by programs that look at colour and background."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ornstein.evaluate import colours
from ornstein.evaluate.estimate import of_mean
from ornstein.evaluate.fidelity import Figure
from ornstein.evaluate.scorer import TrainedScorer
from ornstein.evaluate.scorer_training import search

CLEAR = 16  # alpha up to which a corner counts as transparent
CORNER = 4  # pixels of each side that make a corner


def alignment(
    scorer: TrainedScorer,
    generated: np.ndarray,
    real: np.ndarray,
    prompts: Sequence[str],
    styles: Sequence[str] = (),
) -> Iterator[Figure]:
    """Figures of generated pictures beside those of the real pictures that the prompts are captions of.

    Args:
        scorer: trained on the same kind of pictures, never on these.
        generated: uint8 (N, H, W, C), premultiplied.
        real: uint8 (N, H, W, C), premultiplied.
        prompts: one a picture of each.
        styles: names of styles that prompts may end in.
    """
    texts = scorer.read(prompts)
    yield _figure(
        "alignment", "picture and prompt: mean cosine", lambda p: (scorer.see(p) * texts).sum(1).double(),
        generated, real,
    )  # fmt: skip
    for k in (1, 5):
        yield _figure(
            f"prompt-r{k}", f"the right prompt of {len(set(prompts)):,} among the nearest {k}",
            lambda p, k=k: search(scorer, p, prompts).places <= k, generated, real,
        )  # fmt: skip
    drawn = [row for row, prompt in enumerate(prompts) if styles and prompt.endswith(tuple(styles))]
    if drawn:
        yield _figure(
            "style", "nearer to its prompt than to the prompt in another style",
            lambda p: shows_style(scorer, p, [prompts[row] for row in drawn], styles), generated[drawn], real[drawn],
        )  # fmt: skip
    asked = [(row, words) for row, prompt in enumerate(prompts) if (words := colours.named(prompt))]
    if asked:
        rows = np.array([row for row, _ in asked])
        yield _figure(
            "colour", "a colour that the prompt names covers enough of the picture",
            lambda p: np.array([colours.shows(x, words) for x, (_, words) in zip(p, asked, strict=True)]),
            generated[rows], real[rows],
        )  # fmt: skip
    if generated.shape[-1] == 4 and (real[..., 3] < 255).any():  # of opaque pictures no corner is ever clear
        yield _figure("background", "all four corners are transparent", clear_corners, generated, real)


def shows_style(
    scorer: TrainedScorer, pictures: np.ndarray, prompts: Sequence[str], styles: Sequence[str]
) -> np.ndarray:
    """Whether each picture lies nearer to its prompt than to the prompt in any other style, (N,) bool.

    Args:
        scorer: compares pictures with texts.
        pictures: uint8 (N, H, W, C), premultiplied.
        prompts: each ends in one of the styles.
        styles: names of all styles.
    """
    seen = scorer.see(pictures)
    longest = sorted(styles, key=len, reverse=True)  # one name may end in another
    things = [next(p.removesuffix(name) for name in longest if p.endswith(name)) for p in prompts]
    cosines = torch.stack(
        [(seen * scorer.read([thing + style for thing in things])).sum(1) for style in styles], dim=1
    )
    best = [int(k) for k in cosines.argmax(1)]
    return np.array([p == t + styles[k] for p, t, k in zip(prompts, things, best, strict=True)])


def clear_corners(pictures: np.ndarray) -> np.ndarray:
    """Whether the corners of each RGBA picture (N, H, W, 4) are transparent on average: (N,) bool."""
    alpha, c = pictures[..., 3].astype(np.float64), CORNER
    corners = [
        alpha[:, v, h].mean((1, 2)) for v in (slice(c), slice(-c, None)) for h in (slice(c), slice(-c, None))
    ]
    return np.max(corners, axis=0) <= CLEAR


def _figure(
    key: str,
    title: str,
    measure: Callable[[np.ndarray], Tensor | np.ndarray],
    generated: np.ndarray,
    real: np.ndarray,
) -> Figure:
    return Figure(key, "", title, of_mean(measure(generated)), of_mean(measure(real)), "higher")
