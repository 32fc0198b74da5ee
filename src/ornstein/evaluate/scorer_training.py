"""How a scorer is trained: pictures beside their captions, and every other caption of the batch as the wrong answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ornstein.assembly import fast_dtype
from ornstein.condition.text import Corpus, TextEncoder
from ornstein.data.augment import moved
from ornstein.data.draw import CAPTION_WEIGHTS, ConceptFirst
from ornstein.data.manifest import TRAIN
from ornstein.data.pack import Pack
from ornstein.evaluate.retrieval import Recall, Search, places
from ornstein.evaluate.scorer import Scorer, ScorerConfig, TrainedScorer
from ornstein.evaluate.trunk import rate, to_pixels
from ornstein.rng import stream

RATE, DECAY = 1e-3, 0.05  # of AdamW: highest rate, weight decay
MOVE, ZOOM = 1 / 12, 1 / 6  # of the pictures it learns from
KS = (1, 5)


def train_scorer(
    pack: Pack,
    folder: Path,
    samples: int,
    batch: int = 512,
    seed: int = 0,
    captions: Sequence[float] = CAPTION_WEIGHTS,
    cache: Path | None = None,
    config: ScorerConfig | None = None,
    encoder_folder: Path | None = None,
    progress: Callable[[int, float], None] = lambda seen, loss: None,
) -> TrainedScorer:
    """Train a scorer on a pack's training split and write it to `folder`.

    Args:
        pack: pictures with captions; what it holds out measures the scorer and is never trained on.
        folder: replaced when the training is done.
        samples: pictures seen.
        batch: pictures compared with one another at a time.
        seed: of weights, draws and shifts.
        captions: weight of each caption form of an item, in the pack's order.
        cache: folder of encoded captions (beside `folder`); a training run's own (``runs/NAME/cache``) fits.
        config: shape of the networks; by default that of the pack's pictures.
        encoder_folder: holds the text encoder if it lies in no usual place.
        progress: told samples seen and the loss.
    """
    config = config or ScorerConfig(size=pack.size, channels=pack.channels)
    encoder = TextEncoder.find(encoder_folder, config.length)
    texts = [c for index in pack.indices(TRAIN) for c in pack.captions(int(index))[: len(captions)]]
    corpus = encoder.corpus(texts, cache or folder.parent / "cache")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        scorer = Scorer(config)
    optimiser = torch.optim.AdamW(scorer.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    draw, steps = ConceptFirst(pack, TRAIN, captions), max(1, samples // batch)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * rate(step / steps)
        loss = _loss(scorer, pack, corpus, *draw(seed, step, batch), seed=seed, step=step)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        progress((step + 1) * batch, float(loss.detach()))
    facts = {"pack": pack.name, "fingerprint": pack.fingerprint, "samples": steps * batch}
    TrainedScorer.save(folder, scorer, facts)
    trained = TrainedScorer.load(folder, encoder_folder)
    measured = {split: recalls(trained, pack, split) for split in sorted(set(pack.splits.tolist()))}
    TrainedScorer.save(folder, scorer, {**facts, "retrieval": measured})
    return TrainedScorer.load(folder, encoder_folder)


def contrast(seen: Tensor, read: Tensor, same: Tensor, temperature: Tensor) -> Tensor:
    """Cross-entropy of matching pictures to texts and texts to pictures.

    Args:
        seen: unit vectors of pictures (B, D).
        read: unit vectors of their texts (B, D).
        same: (B, B) bool, true where a picture's text is also another's: all of these are right answers.
        temperature: logarithm of the factor on cosines, capped at 100 as in CLIP.
    """
    scores = temperature.exp().clamp(max=100.0) * seen @ read.T
    right = same.float() / same.sum(1, keepdim=True)
    return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2


def recalls(scorer: TrainedScorer, pack: Pack, split: str, most: int = 1000) -> dict[str, float | int]:
    """R@1 and R@5 of finding a real picture's plain caption among those of its split, one picture a caption.

    Splits of more than `most` captions are thinned evenly, so that figures of splits compare.
    """
    rows = pack.indices(split)
    captions = np.array([pack.captions(int(row))[0] for row in rows])
    rows = rows[np.sort(np.unique(captions, return_index=True)[1])]
    rows = rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]
    found = search(scorer, pack.pictures(rows), [pack.captions(int(row))[0] for row in rows])
    each: list[Recall] = [found.recall(k) for k in KS]
    return {"captions": len(rows), **{f"R@{r.k}": round(r.rate, 4) for r in each}}


def search(scorer: TrainedScorer, pictures: np.ndarray, captions: Sequence[str]) -> Search:
    """Search each picture's own caption among all of them; equal captions are all right."""
    names = np.unique(np.asarray(captions), return_inverse=True)[1]
    right = torch.from_numpy(names[:, None] == names[None, :])
    found = places(scorer.see(pictures) @ scorer.read(captions).T, right)
    return Search(found.numpy(), right.sum(1).numpy(), np.full(len(names), len(names)))


def _loss(
    scorer: Scorer,
    pack: Pack,
    corpus: Corpus,
    rows: np.ndarray,
    captions: Sequence[str],
    *,
    seed: int,
    step: int,
) -> Tensor:
    random = stream("scorer", seed, step)
    x = moved(to_pixels(pack.pictures(rows), scorer.config.size).movedim(1, -1), random, MOVE, ZOOM, "empty")
    tokens, dtype = corpus.encode(captions), fast_dtype()
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        seen = scorer.pictures(x.movedim(-1, 1).to(memory_format=torch.channels_last))
    names = np.unique(np.asarray(captions), return_inverse=True)[1]
    same = torch.from_numpy(names[:, None] == names[None, :])
    return contrast(seen.float(), scorer.texts(tokens.states, tokens.mask), same, scorer.temperature)
