"""Boosted trees on tables, the same everywhere: what tells tables apart, and what tables are worth as training data."""

from __future__ import annotations

from typing import Any

import numpy as np

from ornstein.errors import MissingExtraError
from ornstein.evaluate.tables.columns import Coded, Reading

SETTINGS: dict[str, Any] = {
    "n_estimators": 100, "learning_rate": 0.06, "num_leaves": 15, "min_child_samples": 20, "subsample": 0.8,
    "subsample_freq": 1, "colsample_bytree": 0.8, "n_jobs": 1, "deterministic": True, "force_row_wise": True,
    "verbose": -1,
}  # fmt: skip


class Inputs:
    """The columns of a table that trees look at: numbers with their gaps, and categories as such.

    Args:
        reading: names of the columns. without: a column that is left out, such as the one to be foretold.
    """

    def __init__(self, reading: Reading, without: str | None = None) -> None:
        self.numbers = [k for k, name in enumerate(reading.numbers) if name != without]
        self.kinds = [k for k, name in enumerate(reading.kinds) if name != without]

    def __call__(self, rows: Coded) -> np.ndarray:
        """(N, columns) float64, categories last."""
        return np.concatenate(
            [rows.numbers[:, self.numbers], rows.kinds[:, self.kinds].astype(np.float64)], 1
        )

    @property
    def categories(self) -> list[int]:
        """Places of the categories among the columns."""
        return list(range(len(self.numbers), len(self.numbers) + len(self.kinds)))


def classifier(inputs: Inputs, x: np.ndarray, labels: np.ndarray, seed: int) -> Any:
    """A LightGBM classifier of labels (N,), fitted to rows (N, columns)."""
    return _lightgbm().LGBMClassifier(**SETTINGS, random_state=seed).fit(
        x, labels, categorical_feature=inputs.categories or "auto"
    )  # fmt: skip


def regressor(inputs: Inputs, x: np.ndarray, values: np.ndarray, seed: int) -> Any:
    """A LightGBM regressor of values (N,), fitted to rows (N, columns)."""
    return _lightgbm().LGBMRegressor(**SETTINGS, random_state=seed).fit(
        x, values, categorical_feature=inputs.categories or "auto"
    )  # fmt: skip


def _lightgbm() -> Any:
    try:
        import lightgbm
    except ImportError:
        raise MissingExtraError("measuring a table", "tables") from None
    return lightgbm
