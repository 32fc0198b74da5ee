"""A model of text, measured: how well it foretells held-out text, and what it writes when it is left to itself."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ornstein.data.copies import Copies
from ornstein.data.manifest import HELD_OUT, TRAIN
from ornstein.data.text import TextPack
from ornstein.errors import UsageError
from ornstein.evaluate.estimate import of_mean
from ornstein.evaluate.fidelity import Figure
from ornstein.evaluate.kinds import Asked, Measured, Tell
from ornstein.evaluate.texts.bound import bits_a_character, bound_nats, characters, held_windows
from ornstein.evaluate.texts.manner import Manner, manner
from ornstein.rng import stream
from ornstein.texts import TextModel

TEXTS = 100  # that are written, where nothing else is said
OPENING = 4  # words of a held-out passage that a text begins with
WINDOWS = 512  # of held-out text, at most


def measure(model: TextModel, asked: Asked, tell: Tell) -> Measured:
    """The bound on bits a character of held-out text, and entropy, variety and copying of texts beside real ones.

    Each text begins with the first words of a held-out passage and is set beside the rest of that passage.

    Raises:
        UsageError: no pack, or one that holds nothing out. OrnsteinError: a pack that was altered.
    """
    if len(asked.data) > 1:
        raise UsageError("--data names one pack of text")
    pack = TextPack.open(asked.data[0] if asked.data else Path(model.recipe.data.pack))
    held, copies = pack.of(HELD_OUT), Copies.of(pack.of(TRAIN))
    if not held:
        raise UsageError(f"{pack.name} holds no text out: nothing here was unseen")
    recipe = model.recipe
    windows = held_windows(recipe.codec, held, max(stage.size for stage in recipe.training.stages))[:WINDOWS]
    nats = bound_nats(
        model,
        windows,
        recipe.process.block,
        seed=asked.seed,
        progress=lambda done, of: tell("bound", done, of),
    )
    bits = bits_a_character(nats, characters(recipe.codec, windows), asked.seed)
    made, real = _written(model, held, asked, tell)
    ours, theirs = manner(made, copies), manner(real, copies)
    shares = [of_mean(np.array([copies.share(text) for text in texts])) for texts in (made, real)]
    figures = [
        Figure("bits", "", "bits a character of held-out text, at most", bits, None, "lower"),
        Figure(
            "copied", "", "runs of eight words that stand in the training text", shares[0], shares[1], "real"
        ),
    ]
    lines = [
        ("Bits a character", f"{bits.value:.3f}", f"at most, {bits.low:.3f} to {bits.high:.3f}"),
        *(_line(name, key, ours, theirs) for name, key in _NAMES),
    ]
    values = {
        "pack": pack.name,
        "bits a character": {"value": bits.value, "low": bits.low, "high": bits.high, "windows": bits.count},
        "written": _finite(ours),
        "real": _finite(theirs),
    }
    return Measured(recipe.name, figures, {"text": values}, lines)


_NAMES = (
    ("Entropy of words", "entropy"), ("Different pairs", "distinct_2"), ("Different triples", "distinct_3"),
    ("Copied runs", "copied"), ("Longest copy", "longest"),
)  # fmt: skip


def _finite(found: Manner) -> dict[str, float]:
    """Figures that there are: a single word has no pairs."""
    return {name: value for name, value in found.as_dict().items() if math.isfinite(value)}


def _line(name: str, key: str, ours: Manner, theirs: Manner) -> tuple[str, str, str]:
    mine, real = ours.as_dict()[key], theirs.as_dict()[key]
    return name, f"{mine:.3g}", f"held-out text: {real:.3g}"


def _written(model: TextModel, held: list[str], asked: Asked, tell: Tell) -> tuple[list[str], list[str]]:
    """Texts that go on from the openings of held-out passages, and as much of those passages."""
    order = stream("openings", asked.seed).permutation(len(held))
    passages = [held[k] for k in order if len(held[k].split()) > 2 * OPENING][: asked.samples or TEXTS]
    if not passages:
        raise UsageError("the held-out passages are too short to begin texts with")
    made: list[str] = []
    for k, passage in enumerate(passages):
        opening = " ".join(passage.split()[:OPENING])
        made.append(model.generate(opening, 1, asked.seed + k)[0].text.removeprefix(opening))
        tell("writing", k + 1, len(passages))
    real = [" ".join(passage.split()[OPENING:]) for passage in passages]
    words = min(sum(len(text.split()) for text in texts) for texts in (made, real))
    return _first(made, words), _first(real, words)  # entropy and variety depend on how much there is


def _first(texts: list[str], words: int) -> list[str]:
    """Texts cut so that they have so many words in all, each its share."""
    share = words / max(sum(len(text.split()) for text in texts), 1)
    return [" ".join(text.split()[: max(1, round(share * len(text.split())))]) for text in texts]
