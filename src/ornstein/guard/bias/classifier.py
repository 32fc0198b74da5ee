"""Gender and skin tone of a picture, told by a small network that learned from a pack's own labels.

One network (``evaluate/classifier.py``) tells the pairs of both. It learns from half of the families and is tested on
the others, whose people it never saw in any style, gender or tone; audits ask for those alone. Generated pictures are
softer than real ones, so both halves are shown softened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ornstein.data.pack import Pack
from ornstein.data.splits import position
from ornstein.errors import OrnsteinError
from ornstein.evaluate.classifier import Classifier, ClassifierConfig, train_classifier
from ornstein.evaluate.trunk import trunk
from ornstein.evaluate.weights import load_weights, read_header, save_weights
from ornstein.guard.bias.attributes import VALUES, Attribute
from ornstein.guard.bias.labels import Labels, label
from ornstein.rng import stream

WHAT = "attributes"  # stem of its files, and the folder of a pack that holds it
SAMPLES = 80_000  # pictures seen in training
WIDTHS = (16, 32, 64, 128)
SOFTEST, GRAIN = 0.75, 8.0  # smallest share of the side that is kept in blurring; deviation of noise, of 255
CHUNK = 64  # pictures that are softened alike
SURE = 0.6  # a value less likely than this is called unclear

PAIRS = tuple(f"{gender}|{tone}" for gender in VALUES["gender"] for tone in VALUES["skin-tone"])


class AttributeClassifier:
    """Tells the attributes of pictures.

    Args:
        network: tells the pairs.
    """

    def __init__(self, network: Classifier) -> None:
        self.network, self.key = network, network.key

    def see(self, pictures: np.ndarray) -> dict[Attribute, np.ndarray]:
        """The value that each of uint8 (N, H, W, C) premultiplied pictures shows, by attribute.

        Returns:
            Indices of the attribute's ``VALUES``, int64 (N,); one beyond them for what cannot be told.
        """
        shape = [len(VALUES["gender"]), len(VALUES["skin-tone"])]
        pairs = self.network.probabilities(pictures).numpy().reshape(-1, *shape)
        return {"gender": _sure(pairs.sum(2)), "skin-tone": _sure(pairs.sum(1))}


@dataclass(frozen=True)
class Tested:
    """What a classifier saw in pictures it did not learn from.

    Attributes:
        families, styles: names of each picture's, (N,). shown: index of the value that it shows, by attribute, (N,).
        seen: index of the value that was seen, or one beyond them, by attribute, (N,).
    """

    families: np.ndarray
    styles: np.ndarray
    shown: dict[Attribute, np.ndarray]
    seen: dict[Attribute, np.ndarray]


def is_tested(family: str) -> bool:
    """Whether a family is one of those that the classifier never learns from."""
    return position("attributes", family) < 0.5


def find_classifier(
    pack: Pack, progress: Callable[[int, int], None] = lambda seen, of: None
) -> tuple[AttributeClassifier, Labels]:
    """The classifier of a pack's people, and their labels; kept beside the pack after the first time.

    Raises:
        OrnsteinError: the pack has too few people to learn from, or its kept classifier is damaged.
    """
    labels, folder = label(pack), pack.folder / WHAT
    config = ClassifierConfig(names=PAIRS, size=pack.size, channels=pack.channels, widths=WIDTHS)
    facts = {"fingerprint": pack.fingerprint, "config": config.model_dump(mode="json"), "samples": SAMPLES}
    if not facts.items() <= read_header(folder, WHAT).items():
        save_weights(folder, WHAT, _train(pack, labels, config, progress), facts)
    facts, tensors = load_weights(folder, WHAT)
    try:
        network = nn.Sequential(
            trunk(config.channels, config.widths), nn.Linear(config.widths[-1], len(config.names))
        )
        network.load_state_dict(tensors)
    except (ValueError, KeyError, RuntimeError) as error:
        raise OrnsteinError(f"{folder} holds no readable {WHAT}: {error}; delete it") from error
    return AttributeClassifier(Classifier(network, config, f"{WHAT}-{facts['sha256'][:12]}", facts)), labels


def examine(classifier: AttributeClassifier, pack: Pack, labels: Labels) -> Tested:
    """Look at every picture of the families that the classifier did not learn from, softened as in training."""
    held = np.array([is_tested(family) for family in labels.families])
    rows = labels.rows[held]
    parts = [
        softened(pack.pictures(part), "tested", k)
        for k, part in enumerate(np.split(rows, range(CHUNK, len(rows), CHUNK)))
    ]
    return Tested(
        families=labels.families[held],
        styles=np.array(pack.style_names)[pack.styles[rows]],
        shown={attribute: codes[held] for attribute, codes in labels.shown.items()},
        seen=classifier.see(np.concatenate(parts)),
    )


def softened(pictures: np.ndarray, purpose: str, step: int) -> np.ndarray:
    """Some uint8 (N, H, W, C) pictures with less detail and more grain, as generated ones are; others as they were."""
    random = stream(f"softened {purpose}", step)
    x = torch.from_numpy(np.ascontiguousarray(pictures)).movedim(-1, 1).float()
    side = x.shape[-1]
    small = max(8, int(side * random.uniform(SOFTEST, 1)))
    x = F.interpolate(x, (small, small), mode="area")
    x = F.interpolate(x, (side, side), mode="bicubic", align_corners=False)
    grain = random.normal(0, random.uniform(0, GRAIN, (len(x), 1, 1, 1)), x.shape)
    return (x + torch.from_numpy(grain)).clamp_(0, 255).movedim(1, -1).round().byte().numpy()


def _train(
    pack: Pack, labels: Labels, config: ClassifierConfig, progress: Callable[[int, int], None]
) -> nn.Sequential:
    learns = np.array([not is_tested(family) for family in labels.families])
    rows = labels.rows[learns]
    pairs = labels.shown["gender"] * len(VALUES["skin-tone"]) + labels.shown["skin-tone"]
    pictures = pack.pictures(rows)
    step = iter(range(SAMPLES))
    return train_classifier(
        lambda chosen: softened(pictures[chosen], "learned", next(step)), pairs[learns], config, SAMPLES,
        progress=lambda seen: progress(min(seen, SAMPLES), SAMPLES),
    )  # fmt: skip


def _sure(likely: np.ndarray) -> np.ndarray:
    """The likeliest of (N, values), or the number of values where even that one is not likely enough."""
    return np.where(likely.max(1) < SURE, likely.shape[1], likely.argmax(1))
