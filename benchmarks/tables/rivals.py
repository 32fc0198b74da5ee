"""The rivals: CTGAN, TVAE, a Gaussian copula, SMOTE; and two that show the scale: independent columns, and a copy.

Each has four settings; ``runs.py`` takes the best by rows held out of the training rows, the same way for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from scipy.stats import norm, rankdata

from ornstein.rng import stream

from .frames import Complete

Setting = dict[str, Any]
Sampler = Callable[[int], pd.DataFrame]  # maps a number of rows to as many
CTGAN_UPDATES, TVAE_UPDATES = 1300, 2000  # of the weights: up to a minute on an idle core


@dataclass(frozen=True)
class Method:
    """How tables are made.

    Attributes:
        fit: maps (table, target, seed, setting, effort) to a sampler; `effort` is a share of the updates.
        settings: what is tried.
    """

    fit: Callable[[Complete, str, int, Setting, float], Sampler]
    settings: tuple[Setting, ...] = ({},)


def _ctgan(table: Complete, target: str, seed: int, setting: Setting, effort: float) -> Sampler:
    from ctgan import CTGAN  # pyright: ignore[reportMissingImports]

    return _deep(CTGAN, table, seed, CTGAN_UPDATES * effort, setting)


def _tvae(table: Complete, target: str, seed: int, setting: Setting, effort: float) -> Sampler:
    from ctgan import TVAE  # pyright: ignore[reportMissingImports]

    return _deep(TVAE, table, seed, TVAE_UPDATES * effort, setting)


def _deep(kind: Any, table: Complete, seed: int, updates: float, setting: Setting) -> Sampler:
    batch = setting.get("batch_size", 500)
    epochs = max(1, round(updates / max(1, len(table.frame) // batch)))
    model = kind(**setting, epochs=epochs, enable_gpu=False)
    model.set_random_state(seed)
    model.fit(table.frame, table.kinds)
    return model.sample


def _copula(table: Complete, target: str, seed: int, setting: Setting, effort: float) -> Sampler:
    """Normal scores of every column, categories by frequency, and their correlations, shrunk a little."""
    random, shrink = stream("copula", seed), setting["shrink"]
    names = [*table.numbers, *table.kinds]
    margins = {name: np.sort(table.frame[name].to_numpy()) for name in table.numbers}
    counts = {name: table.frame[name].value_counts() for name in table.kinds}
    least = 0.5 / len(table.frame)

    def uniform(name: str) -> np.ndarray:
        """Where each value lies in its column, from 0 to 1; ties are spread at random over their share."""
        values = table.frame[name].to_numpy()
        if name in margins:
            return (rankdata(values, "min") - 1 + random.random(len(values)) * _tied(values)) / len(values)
        shares = counts[name].to_numpy() / len(values)
        place = counts[name].index.get_indexer(pd.Index(values))
        at = random.random(len(values)) if setting["spread"] else 0.5
        return np.cumsum(shares)[place] - at * shares[place]

    scores = norm.ppf(np.clip([uniform(name) for name in names], least, 1 - least))
    held = (1 - shrink) * np.corrcoef(scores) + (shrink + 1e-6) * np.eye(len(names))
    root = np.linalg.cholesky(held / held[0, 0])

    def value(name: str, u: np.ndarray) -> np.ndarray:
        if name in margins:
            return np.quantile(margins[name], u, method=setting["between"])
        upper = np.cumsum(counts[name].to_numpy()) / len(table.frame)
        return counts[name].index.to_numpy()[np.searchsorted(upper[:-1], u, "right")]

    def sample(rows: int) -> pd.DataFrame:
        drawn = norm.cdf(random.normal(size=(rows, len(names))) @ root.T)
        return pd.DataFrame({name: value(name, u) for name, u in zip(names, drawn.T, strict=True)})

    return sample


def _tied(values: np.ndarray) -> np.ndarray:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return count[place]


def _smote(table: Complete, target: str, seed: int, setting: Setting, effort: float) -> Sampler:
    """Rows between neighbours (SMOTENC), as TabDDPM uses it: within a class, or within half the range of a number."""
    from imblearn.over_sampling import SMOTENC  # pyright: ignore[reportMissingImports]

    random = stream("smote", seed)
    frame = table.frame
    strata = frame[target] if target in table.kinds else (frame[target] > frame[target].median()).map(str)

    def sample(rows: int) -> pd.DataFrame:
        counts = strata.value_counts()
        drawn = random.multinomial(rows, counts / counts.sum())
        asked = {name: int(counts[name] + extra) for name, extra in zip(counts.index, drawn, strict=True)}
        maker = SMOTENC(
            categorical_features=table.kinds, sampling_strategy=cast(Any, asked), k_neighbors=setting["k"],
            random_state=int(random.integers(2**31)),
        )  # fmt: skip
        made = pd.DataFrame(maker.fit_resample(frame, strata)[0])[len(frame) :].reset_index(drop=True)
        return made.iloc[random.permutation(len(made))].reset_index(drop=True)

    return sample


def _independent(table: Complete, target: str, seed: int, setting: Setting, effort: float) -> Sampler:
    random = stream("independent", seed)
    return lambda rows: pd.DataFrame({name: random.choice(table.frame[name], rows) for name in table.frame})


def _copy(table: Complete, target: str, seed: int, setting: Setting, effort: float) -> Sampler:
    random = stream("copy", seed)
    return lambda rows: table.frame.iloc[random.permutation(len(table.frame))[:rows]].reset_index(drop=True)


METHODS: dict[str, Method] = {  # cheapest first
    "independent": Method(_independent),
    "copy": Method(_copy),
    "copula": Method(_copula, (
        {"shrink": 0.0, "between": "linear", "spread": True}, {"shrink": 0.0, "between": "nearest", "spread": True},
        {"shrink": 0.0, "between": "nearest", "spread": False}, {"shrink": 0.05, "between": "linear", "spread": False},
    )),
    "smote": Method(_smote, ({"k": 1}, {"k": 3}, {"k": 5}, {"k": 10})),
    "tvae": Method(_tvae, (
        {}, {"loss_factor": 1}, {"embedding_dim": 32, "batch_size": 250},
        {"compress_dims": (256, 256), "decompress_dims": (256, 256), "loss_factor": 4},
    )),
    "ctgan": Method(_ctgan, (
        {}, {"generator_lr": 5e-4, "discriminator_lr": 5e-4}, {"batch_size": 250, "embedding_dim": 64},
        {"batch_size": 250, "generator_lr": 1e-3, "discriminator_lr": 1e-3},
    )),
}  # fmt: skip


def one_thread() -> None:
    """Keep fits comparable, and the machine usable."""
    torch.set_num_threads(1)
