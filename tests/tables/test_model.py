"""A model of a table: laws of its rows, conditions, gaps, copies."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ornstein.bundle import Bundle
from ornstein.data import manifest
from ornstein.errors import OrnsteinError, UsageError
from ornstein.tables import TableModel
from ornstein.tables.rows import row_hashes
from ornstein.train.loop import Trainer
from ornstein.train.tables import table_task
from tests.common import default_dtype
from tests.tables.conftest import SMALL, task


@pytest.fixture(scope="module")
def rows(model: TableModel) -> pd.DataFrame:
    return model.generate(600, seed=1).frame


def test_rows_do_not_depend_on_torch_s_default_dtype(model: TableModel) -> None:
    wishes: dict[str, Any] = {"where": ["age>40"], "seed": 3}
    plain = model.generate(20, **wishes).frame
    with default_dtype(torch.bfloat16):
        pd.testing.assert_frame_equal(model.generate(20, **wishes).frame, plain)


def test_rows_follow_the_laws_of_the_table(rows: pd.DataFrame, frame: pd.DataFrame) -> None:
    assert list(rows.columns) == list(frame.columns)
    assert abs((rows.sex == "F").mean() - 0.7) < 0.08
    tall = rows.groupby("sex").height.mean()
    assert 11 < tall["M"] - tall["F"] < 19  # 15 in truth; 0 where columns were drawn apart
    residual = rows.weight - (rows.height - 100) * 0.9
    assert residual.std() < 4.5  # 2 in truth; above 9 where columns were drawn apart
    children = rows[rows.age < 13]
    assert (children.job.dropna() == "none").mean() > 0.75
    assert abs(rows.job.isna().mean() - 0.1) < 0.05


def test_a_compiled_network_is_asked_as_the_plain_one_is() -> None:
    learning = task()
    batch = learning.batch(learning.recipe.training.stages[0], 0, 4)
    compiled = torch.compile(learning.model.network, backend="eager")
    theirs, ours = (learning.losses(network, batch) for network in (compiled, learning.model.network))
    assert torch.equal(theirs.weighted, ours.weighted)


def test_values_keep_their_form(rows: pd.DataFrame, frame: pd.DataFrame) -> None:
    assert rows.age.dtype == np.int64
    assert rows.age.between(frame.age.min(), frame.age.max()).all()
    assert (np.round(rows.height, 1) == rows.height).all()
    assert (rows.country == "NO").all()
    assert rows.id.tolist() == list(range(601, 1201))  # beyond every key of the training table
    assert pd.to_datetime(rows.born, format="%Y-%m-%d").notna().all()
    years = (pd.Timestamp("2024-01-01") - pd.to_datetime(rows.born)).dt.days / 365
    assert np.corrcoef(years, rows.age)[0, 1] > 0.9


def test_a_row_depends_on_its_seed_and_number_alone(model: TableModel, rows: pd.DataFrame) -> None:
    few = model.generate(7, seed=1).frame
    pd.testing.assert_frame_equal(few, rows.head(7))
    assert not model.generate(7, seed=2).frame.drop(columns="id").equals(few.drop(columns="id"))


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        (["sex=M"], lambda f: f.sex == "M"),
        (["age>60"], lambda f: f.age > 60),
        (["age>=20", "age<30"], lambda f: (f.age >= 20) & (f.age < 30)),
        (["sex=F", "height>172"], lambda f: (f.sex == "F") & (f.height > 172)),
        (["job=smith|cook", "age!=40"], lambda f: f.job.isin(["smith", "cook"]) & (f.age != 40)),
        (["born>=2000-01-01"], lambda f: f.born >= "2000-01-01"),
    ],
)
def test_every_row_meets_the_conditions(model: TableModel, where: list[str], holds: Any) -> None:
    made = model.generate(60, seed=3, where=where)
    assert len(made.frame) == 60
    assert holds(made.frame).all()
    assert made.record.where == tuple(where)


def test_the_rest_of_a_row_follows_a_condition(model: TableModel) -> None:
    men = model.generate(200, seed=4, where=["sex=M"]).frame
    heavy = model.generate(200, seed=4, where=["weight>78"]).frame
    assert men.height.mean() > 175  # 180 in truth, 169 without the condition
    assert (heavy.sex == "M").mean() > 0.7  # 0.97 in truth, 0.3 without


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("agee>60", "no column 'agee'; did you mean 'age'"),
        ("age>200", "cannot be met: age lies in 0 to 89"),
        ("age>60 and", "not a number"),
        ("sex=Q", "sex has no 'Q'"),
        ("sex>F", "has categories"),
        ("age", "is no condition"),
        ("age>", "is no condition"),
        ("born>yesterday", "a date such as"),
        ("id=4", "is key"),
        ("country=NO", "is constant"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_said_before_anything_is_made(
    model: TableModel, where: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        model.generate(5, where=[where])


def test_conditions_that_exclude_each_other_end_with_one_line(model: TableModel) -> None:
    with pytest.raises(UsageError, match="cannot be met"):
        model.generate(5, where=["age>60", "age<50"])
    with pytest.raises(OrnsteinError, match="only 0 of 5 rows meet age<3 and job=cook"):
        model.generate(5, where=["age<3", "job=cook", "height>190", "sex=F"], steps=1)


def test_a_rare_value_can_be_asked_for(tmp_path: Path) -> None:
    names = ["common"] * 150 + [f"rare {k % 25}" for k in range(50)]
    frame = pd.DataFrame({"name": names, "x": np.random.default_rng(0).normal(size=200)})
    trainer = Trainer(table_task(frame, "rare", changes=["training.samples=3000", *SMALL]), tmp_path)
    list(trainer.steps())
    model = trainer.averaged_model()
    assert set(model.generate(40, where=["name=rare 3"]).frame.name) == {"rare 3"}
    made = set(model.generate(60, where=["name!=common", "name!=rare 3"], copies=True).frame.name)
    assert len(made) > 10
    assert made <= set(names) - {"common", "rare 3"}


def test_balanced_rows_have_equal_shares(model: TableModel) -> None:
    made = model.generate(90, seed=5, balanced="job").frame
    assert set(made.job.value_counts()) <= {22, 23}
    with pytest.raises(UsageError, match="only a column of few values"):
        model.generate(5, balanced="height")
    with pytest.raises(UsageError, match="contradict"):
        model.generate(5, balanced="sex", where=["sex=F"])


def test_gaps_are_filled_by_what_the_row_tells_and_nothing_else_changes(
    model: TableModel, frame: pd.DataFrame
) -> None:
    holes = frame.copy().astype(object)
    random = np.random.default_rng(0)
    for name in ("sex", "weight", "age"):
        holes.loc[random.random(len(holes)) < 0.3, name] = None
    filled = model.impute(holes, seed=1)
    kept = holes.notna()
    for name in frame.columns:
        assert filled.loc[kept[name], name].tolist() == holes.loc[kept[name], name].tolist()
    assert filled.notna().all().all()  # those that were gaps in training, too
    gone = ~kept.weight
    error = (filled.weight[gone].astype(float) - frame.weight[gone]).abs().mean()
    assert (
        error
        < 0.6
        * (frame.weight[gone] - frame.weight.sample(frac=1, random_state=1).to_numpy()[gone]).abs().mean()
    )
    pd.testing.assert_frame_equal(filled, model.impute(holes, seed=1))
    pd.testing.assert_frame_equal(filled.head(9), model.impute(holes.head(9), seed=1), check_dtype=False)


def test_values_never_seen_stay_in_an_imputed_table(model: TableModel) -> None:
    strange = pd.DataFrame({"sex": ["X", "F"], "height": [999.0, None], "shoes": [41, 42]})
    filled = model.impute(strange)
    assert filled.sex.tolist() == ["X", "F"]
    assert filled.height[0] == 999.0
    assert filled.shoes.tolist() == [41, 42]
    assert filled.job.notna().all()  # a column that was wanting is a column of gaps
    dated = model.impute(pd.DataFrame({"born": ["1990-05-01", None], "age": [None, None]}))
    assert dated.born[0] == "1990-05-01"
    assert 20 < dated.age[0] < 50  # 33 in truth
    with pytest.raises(UsageError, match="none of the model's columns"):
        model.impute(pd.DataFrame({"shoes": [41, 42]}))


def test_a_rare_training_row_is_never_generated(
    model: TableModel, frame: pd.DataFrame, monkeypatch: Any
) -> None:
    copying = {
        column.name: np.array([value if value == value else None for value in frame[column.name]], object)
        for column in model.codec.columns if column.type != "key"
    }  # fmt: skip
    born = pd.to_datetime(frame.born)
    copying["born"] = np.array(((born - pd.Timestamp(0)).dt.days).tolist(), object)
    honest = type(model.codec).decode

    def decode(codec: Any, sample: Any, seeds: Any) -> dict[str, np.ndarray]:  # a network that memorised
        made = honest(codec, sample, seeds)
        first = min(seeds) >> 40 == 1 << 16  # of the first attempt
        return {name: copying[name][: len(seeds)] if first else values for name, values in made.items()}

    monkeypatch.setattr(type(model.codec), "decode", decode)
    made = model.generate(50, seed=1)
    assert made.record.blocked == 50
    assert made.record.drawn == 100
    assert model.generate(50, seed=1, copies=True).record.blocked == 0


def test_a_bundle_holds_hashes_and_no_rows(bundle: Path, frame: pd.DataFrame) -> None:
    opened = Bundle.open(bundle)
    rows = manifest.read(bundle / "manifest.parquet")
    assert len(rows) == len(frame)
    codec, recipe = opened.facts.recipe.codec, opened.facts.recipe
    text = (bundle / "model.json").read_text() + json.dumps([manifest.as_dict(row) for row in rows])
    heights = {f"{height}," for height in frame.height}
    assert sum(height in text for height in heights) < len(heights)  # quantiles, not the column
    values: Any = {column.name: column.values for column in task().found}
    assert sorted(row_hashes(codec, values, recipe.data.salt)) == sorted(row.sha256 for row in rows)


def test_a_stopped_run_resumes_to_the_same_weights_and_clocks(tmp_path: Path) -> None:
    changes = ('training.stages=[{"batch": 16}]',)
    whole = Trainer(task(1920, *changes), tmp_path / "whole")
    list(whole.steps())
    stopped = Trainer(task(1920, *changes), tmp_path / "stopped")
    for _ in zip(range(105), stopped.steps()):  # noqa: B905 - beyond the first setting of the clocks
        pass
    stopped.save()
    resumed = Trainer(task(1920, *changes), tmp_path / "stopped")
    list(resumed.steps())
    for (name, mine), theirs in zip(
        whole.model.network.state_dict().items(), resumed.model.network.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, theirs), name


def test_clocks_are_learned_and_rise(model: TableModel) -> None:
    warp = model.network.numbers_warp
    assert isinstance(warp, torch.Tensor)
    identity = torch.linspace(0, 1, warp.shape[1])
    assert (warp - identity).abs().max() > 0.02
    assert all((later >= earlier).all() for earlier, later in pairwise(warp.T))


@pytest.mark.parametrize(
    "columns",
    [
        {"only": np.random.default_rng(0).normal(size=50)},
        {"only": np.random.default_rng(0).choice(["a", "b"], 50)},
        {"few": [1.5, None] * 25, "empty": [None] * 50},
    ],
    ids=["one number", "one category", "gaps alone"],
)
def test_tables_of_one_column_are_learned(columns: dict[str, Any], tmp_path: Path) -> None:
    trainer = Trainer(
        table_task(pd.DataFrame(columns), "one", changes=["training.samples=3000", *SMALL]), tmp_path
    )
    list(trainer.steps())
    made = trainer.averaged_model().generate(20, seed=1, copies=True).frame
    assert list(made.columns) == list(columns)


def test_a_table_of_few_rows_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="1 rows are too few"):
        table_task(frame.head(1), "one")
