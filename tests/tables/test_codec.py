"""The codec of tables: scores are standard normal, and what comes back is what went in."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ornstein.codec.table import ColumnCodec, TableCodec, fit_kinds, fit_numbers, scores

RANDOM = np.random.default_rng(1)
COUNT = 4000


def fitted(values: np.ndarray, digits: int | None = None) -> ColumnCodec:
    return fit_numbers("x", "number", values, digits, "", 10)


def scored(codec: ColumnCodec, values: np.ndarray) -> np.ndarray:
    low, high = codec.intervals(values)
    return scores(low, high, np.random.default_rng(2).random(len(values))).numpy()


@pytest.mark.parametrize(
    "values",
    [
        RANDOM.normal(size=COUNT),
        RANDOM.lognormal(sigma=2, size=COUNT),
        np.round(RANDOM.normal(40, 12, COUNT)),
        np.where(RANDOM.random(COUNT) < 0.1, 0.0, RANDOM.exponential(size=COUNT)),
        np.round(RANDOM.lognormal(8, 1, COUNT), -2),
    ],
    ids=["normal", "heavy tail", "integers", "many zeros", "heaped"],
)
def test_scores_of_the_training_values_are_standard_normal(values: np.ndarray) -> None:
    z = scored(fitted(values), values)
    assert stats.kstest(z, "norm").statistic < 1.63 / np.sqrt(COUNT)  # not rejected at 1%


def test_repeated_values_come_back_exactly_and_the_others_nearly() -> None:
    values = np.where(
        RANDOM.random(COUNT) < 0.3, RANDOM.choice([10.0, 20.0, 99.5], COUNT), RANDOM.normal(50, 20, COUNT)
    )
    codec = fitted(values)
    z = scored(codec, values)
    back = codec.decode(z, codec.number_kind(values) if codec.categories else None, range(COUNT)).astype(
        float
    )
    repeated = np.isin(values, [10.0, 20.0, 99.5])
    np.testing.assert_array_equal(back[repeated], values[repeated])
    assert np.abs(back - values).max() < 1e-2  # what float32 leaves of a score, in the tails
    assert np.median(np.abs(back - values)[~repeated]) < 1e-5


def test_any_noise_decodes_within_the_bounds_and_to_the_resolution() -> None:
    values = np.round(RANDOM.gamma(2, 30, COUNT), 1)
    codec = fitted(values, digits=1)
    back = codec.decode(RANDOM.normal(size=2000) * 5, None, range(2000)).astype(float)
    assert back.min() >= values.min()
    assert back.max() <= values.max()
    np.testing.assert_allclose(back * 10, np.round(back * 10), atol=1e-9)


def test_a_value_with_much_mass_and_a_missing_one_are_categories_beside_the_number() -> None:
    values = np.where(RANDOM.random(COUNT) < 0.5, 0.0, RANDOM.normal(size=COUNT))
    values[:400] = np.nan
    codec = fitted(values)
    assert codec.kinds == (0.0, None)
    kind = codec.number_kind(values)
    low, high = codec.intervals(values)
    assert (low[kind != 0] == 0).all()
    assert (high[kind != 0] == 1).all()  # of those the number says nothing
    back = codec.decode(np.zeros(COUNT), kind, range(COUNT))
    assert [value is None for value in back] == np.isnan(values).tolist()
    assert (back[(values == 0)] == 0).all()


def test_rare_categories_share_a_bucket_and_come_back_by_their_frequency() -> None:
    values = ["common"] * 500 + [f"rare {k}" for k in range(20) for _ in range(1 + k % 3)]
    codec = fit_kinds("x", "category", values)
    assert codec.kinds == ("common",)
    assert codec.categories == 2
    back = Counter(codec.decode(None, np.ones(6000, np.int64), range(6000)))
    true = Counter(value for value in values if value != "common")
    expected = [true[name] / sum(true.values()) * 6000 for name in true]
    assert stats.chisquare([back[name] for name in true], expected).pvalue > 1e-3
    np.testing.assert_array_equal(codec.kind(["common", "rare 3", "never seen"]), [0, 1, -1])


def test_a_codec_survives_json() -> None:
    codec = TableCodec(
        columns=(fitted(RANDOM.normal(size=500)), fit_kinds("k", "category", ["a", None, True, 3] * 9))
    )
    again = TableCodec.model_validate(json.loads(json.dumps(codec.model_dump(mode="json"))))
    assert again == codec
    assert [type(value) for value in again.columns[1].kinds] == [
        type(value) for value in codec.columns[1].kinds
    ]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40)), min_size=1, max_size=60))
def test_integers_of_any_kind_are_coded_without_nan_and_come_back_as_integers(
    numbers: list[int | None],
) -> None:
    values = np.array([np.nan if v is None else float(v) for v in numbers])
    if np.isnan(values).all():
        return
    codec = fit_numbers("x", "integer", values, 0, "", 3)
    assert abs(sum(codec.shares) - 1) < 1e-9 or not codec.shares
    if codec.numeric:
        assert np.isfinite(scored(codec, values)).all()
        kinds = codec.number_kind(values)
        back = codec.decode(scored(codec, values), kinds if codec.categories else None, range(len(values)))
    else:
        kinds = codec.kind([None if np.isnan(v) else v for v in values])
        back = codec.decode(None, kinds, range(len(values)))
    assert all(
        v is None or (isinstance(v, int) and min(x for x in numbers if x is not None) <= v) for v in back
    )
    assert [v is None for v in back] == [v is None for v in numbers]


def test_the_fields_of_a_table_hold_its_columns_in_order() -> None:
    values = {"a": RANDOM.normal(size=100), "b": np.array(["x", "y"] * 50, object), "c": np.zeros(100)}
    codec = TableCodec(
        columns=(
            fitted(values["a"]).model_copy(update={"name": "a"}),
            fit_kinds("b", "category", list(values["b"])),
        )
    )
    low, high, kinds = codec.encode(values)
    assert low.shape == high.shape == kinds.shape == (100, 1)
    sample = {"numbers": scores(low, high, np.full(low.shape, 0.5)), "kinds": torch.from_numpy(kinds)}
    decoded = codec.decode(sample, range(100))
    assert decoded["b"].tolist() == list(values["b"])
    assert stats.spearmanr(decoded["a"].astype(float), values["a"]).statistic > 0.9999
