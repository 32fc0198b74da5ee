"""Which class does a picture show? A small network that is trained where it is needed, in a minute.

Trained on real pictures it judges class-conditional models and gives features to compare; trained on generated ones it
tells what they are worth as training data (``utility``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ornstein.assembly import fast_dtype
from ornstein.config import Config, parse
from ornstein.data.augment import moved
from ornstein.data.manifest import TRAIN
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError
from ornstein.evaluate.trunk import rate, to_pixels, trunk
from ornstein.evaluate.weights import load_weights, read_header, save_weights
from ornstein.rng import stream

WHAT = "classifier"  # stem of its files, and the folder of a pack that holds it
BATCH = 128
RATE, DECAY = 2e-3, 0.05  # of AdamW: highest rate, weight decay
MOVE, ZOOM = 0.05, 0.1  # of the pictures it learns from


class ClassifierConfig(Config):
    """Shape of a classifier.

    Attributes:
        names: of the classes. size: side of the pictures it looks at. channels: numbers of their pixels.
        widths: channels of the convolutions, halving the side each time.
    """

    names: tuple[str, ...] = Field(min_length=2)
    size: int = Field(default=28, ge=8)
    channels: int = Field(default=1, ge=1, le=4)
    widths: tuple[int, ...] = (32, 64, 128)


class Classifier:
    """A trained classifier; a ``FeatureNetwork`` whose features are the averages before the last layer.

    Args:
        network: trunk and head.
        config: its shape.
        key: names it in caches.
        facts: what it learned from and how often it is right.
    """

    name = "Classifier"

    def __init__(
        self, network: nn.Sequential, config: ClassifierConfig, key: str, facts: dict[str, Any]
    ) -> None:
        self.network, self.config, self.key, self.facts = network.eval(), config, key, facts
        self.names, self.width = config.names, config.widths[-1]

    def __call__(self, pictures: np.ndarray, /) -> Float[Tensor, "rows width"]:
        """Features of uint8 (N, H, W, C) pictures."""
        return self._run(self.network[0], pictures)

    def classify(self, pictures: np.ndarray) -> Int[Tensor, " rows"]:
        """The likeliest class of each of uint8 (N, H, W, C) pictures, as an index of `names`."""
        return self._run(self.network, pictures).argmax(1)

    def probabilities(self, pictures: np.ndarray) -> Float[Tensor, "rows names"]:
        """How likely each class is for each of uint8 (N, H, W, C) pictures; rows sum to 1."""
        return self._run(self.network, pictures).softmax(1)

    def right(self, pictures: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Whether each picture is taken for the class named beside it, (N,) bool."""
        return self.classify(pictures).numpy() == codes(names, self.names)

    @torch.inference_mode()
    def _run(self, part: nn.Module, pictures: np.ndarray) -> Tensor:
        starts = range(0, len(pictures), 4 * BATCH)
        return torch.cat([part(to_pixels(pictures[k : k + 4 * BATCH], self.config.size)) for k in starts])


def enough(count: int) -> int:
    """Samples to train a classifier with on `count` pictures: each fifty times, within what repays."""
    return min(240_000, max(5_000, 50 * count))


def train_classifier(
    pictures: Callable[[np.ndarray], np.ndarray],
    labels: np.ndarray,
    config: ClassifierConfig,
    samples: int,
    seed: int = 0,
    progress: Callable[[int], None] = lambda seen: None,
) -> nn.Sequential:
    """Train trunk and head.

    Args:
        pictures: maps indices to uint8 (n, H, W, C) pictures.
        labels: class of each picture, as an index of the config's names, (N,).
        config: shape of the network.
        samples: pictures seen, drawn by the seed with repeats.
        seed: of weights, draws and moves.
        progress: told how many were seen.

    Raises:
        OrnsteinError: a class without pictures.
    """
    empty = set(range(len(config.names))) - set(labels.tolist())
    if empty:
        raise OrnsteinError(f"no picture of {', '.join(config.names[k] for k in sorted(empty))} to train on")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            trunk(config.channels, config.widths), nn.Linear(config.widths[-1], len(config.names))
        )
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    dtype, steps = fast_dtype(), max(1, samples // BATCH)
    for step in range(steps):
        random = stream("classifier", seed, step)
        chosen = random.integers(0, len(labels), BATCH)
        x = to_pixels(pictures(chosen), config.size).movedim(1, -1)
        x = moved(x, random, MOVE, ZOOM, "edge").movedim(-1, 1).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            scores = network(x)
        F.cross_entropy(scores.float(), torch.from_numpy(labels[chosen]).long()).backward()
        for group in optimiser.param_groups:
            group["lr"] = RATE * rate(step / steps)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        progress((step + 1) * BATCH)
    return network.eval()


def codes(names: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Names as indices of `classes`, (N,). Raises OrnsteinError for a name that is none of them."""
    place = {name: k for k, name in enumerate(classes)}
    unknown = set(names) - place.keys()
    if unknown:
        raise OrnsteinError(f"{sorted(unknown)[0]!r} is none of the classes {', '.join(classes)}")
    return np.array([place[name] for name in names])


def reference_classifier(
    pack: Pack, progress: Callable[[int, int], None] = lambda seen, of: None
) -> Classifier:
    """The classifier of a pack's concepts, trained on its training split; kept beside the pack after the first time.

    Args:
        pack: pictures of at least two concepts.
        progress: told pictures seen, and of how many.
    """
    folder = pack.folder / WHAT
    if read_header(folder, WHAT).get("fingerprint") != pack.fingerprint:
        _train_reference(pack, folder, progress)
    facts, tensors = load_weights(folder, WHAT)
    try:
        config = parse(ClassifierConfig, facts["config"])
        network = nn.Sequential(
            trunk(config.channels, config.widths), nn.Linear(config.widths[-1], len(config.names))
        )
        network.load_state_dict(tensors)
    except (ValueError, KeyError, RuntimeError) as error:
        raise OrnsteinError(f"{folder} holds no readable {WHAT}: {error}; delete it") from error
    return Classifier(network, config, f"{WHAT}-{facts['sha256'][:12]}", facts)


def _train_reference(pack: Pack, folder: Path, progress: Callable[[int, int], None]) -> None:
    config = ClassifierConfig(names=tuple(pack.concept_names), size=pack.size, channels=pack.channels)
    rows, pictures = pack.indices(TRAIN), pack.decode()
    samples = enough(len(rows))
    network = train_classifier(
        lambda chosen: pictures[rows[chosen]], pack.concepts[rows], config, samples,
        progress=lambda seen: progress(min(seen, samples), samples),
    )  # fmt: skip
    facts: dict[str, Any] = {
        "config": config.model_dump(mode="json"), "pack": pack.name, "fingerprint": pack.fingerprint,
        "samples": samples,
    }  # fmt: skip
    held = np.flatnonzero(pack.splits != TRAIN)
    if len(held):
        network.to(torch.bfloat16).float()  # as it is kept
        found = Classifier(network, config, "", {}).classify(pack.pictures(held)).numpy()
        facts["held-out accuracy"] = round(float((found == pack.concepts[held]).mean()), 4)
    save_weights(folder, WHAT, network, facts)
