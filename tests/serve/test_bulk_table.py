"""Files of prompts: three formats say the same, and what cannot be meant is one line that names the row."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from ornstein.errors import OrnsteinError, UsageError
from ornstein.model import Model
from ornstein.serve.bulk import table
from ornstein.serve.bulk.order import Order, Prompts
from tests.serve.ordered import write_csv

ROWS = [
    {"prompt": 'a "red" apple,\nwith a stalk', "id": "ä1", "seed": 7, "steps": 5, "guidance": 2.5},
    {"prompt": "a dog", "id": "2", "negative": "blue", "compose": True},
    {"prompt": "ein Bär", "seed": 2**53 - 1},
]


def write(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".csv":
        return write_csv(path, rows)
    if path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    else:
        pa.parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_three_formats_order_the_same_pictures(suffix: str, tmp_path: Path, model: Model) -> None:
    names = dict.fromkeys(name for row in ROWS for name in row)
    whole = [{name: row.get(name) for name in names} for row in ROWS]
    path = write(tmp_path / f"prompts.{suffix}", whole)
    prompts = Prompts(path, Order(settings={"steps": 3}), model)
    assert prompts.survey() == 3
    ((number, tasks),) = prompts.chunks()
    first, second, third = (task.request for task in tasks)
    assert number == 0
    assert [task.id for task in tasks] == ["ä1", "2", None]
    assert (first.prompt, first.seed, first.steps, first.guidance) == (
        'a "red" apple, with a stalk',
        7,
        5,
        2.5,
    )
    assert (second.negative, second.compose, second.steps) == ("blue", True, 3)
    assert (third.prompt, third.seed, third.compose) == ("ein Bär", 2**53 - 1, False)


def test_what_pandas_writes_for_a_missing_number_is_missing(tmp_path: Path, model: Model) -> None:
    path = write(
        tmp_path / "a.parquet", [{"prompt": "cat", "steps": float("nan")}, {"prompt": "cat", "steps": 3.0}]
    )
    ((_, tasks),) = Prompts(path, Order(), model).chunks()
    assert [task.request.steps for task in tasks] == [model.recipe.sampling.steps, 3]


def test_seeds_follow_from_the_row_or_from_its_id_wherever_it_stands(tmp_path: Path, model: Model) -> None:
    def seeds(order: Order, *rows: dict) -> list[int]:
        ((_, tasks),) = Prompts(write(tmp_path / "a.jsonl", list(rows)), order, model).chunks()
        return [task.request.seed for task in tasks]

    a, b, plain = {"prompt": "cat", "id": "a"}, {"prompt": "cat", "id": "b"}, {"prompt": "cat"}
    assert seeds(Order(), a, b) == seeds(Order(), b, a)[::-1]
    assert seeds(Order(), plain, plain) == seeds(Order(), plain, plain)
    assert len({*seeds(Order(), a, b, plain, plain), *seeds(Order(seed=1), a, b, plain, plain)}) == 8
    first, second = seeds(Order(n=2), a)
    assert second == first + 1


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", b"cat", ".csv, .jsonl, .parquet"),
        ("a.csv", b"", "has no column 'prompt'"),
        ("a.csv", b"promt\ncat\n", "no column 'prompt': it has 'promt'"),
        ("a.csv", b"prompt\n", "has no rows"),
        ("a.csv", b"prompt,prompt\ncat,dog\n", "two columns 'prompt'"),
        ("a.csv", b"prompt,seed\ncat,1\ndog\n", "row 2: it has not as many cells"),
        ("a.csv", b"prompt,seed\ncat,1,2\n", "row 1: it has not as many cells"),
        ("a.csv", b'prompt\n"cat\n', "unexpected end"),
        ("a.csv", b"prompt\n" + b"x" * 200_000, "field larger"),
        ("a.csv", b"prompt\n" + b"x" * 2_000_000, "more than"),
        ("a.csv", b"prompt\n\xff\xfe\n", "not UTF-8"),
        ("a.csv", b"prompt,stepz\ncat,3\n", "row 1: unknown key 'stepz'; did you mean 'steps'"),
        ("a.csv", b"prompt,steps\ncat,3\ndog,many\n", "row 2: steps"),
        ("a.csv", b"prompt,size\ncat,32\ndog,31\n", "row 2: size 31 is not supported"),
        ("a.csv", b"prompt,sampler\ncat,eulr\n", "row 1: "),
        ("a.csv", b"prompt,id\n,1\n", "row 1: prompt"),
        ("a.jsonl", b'{"prompt": "cat"}\n\n[1]\n', "row 2: write a mapping"),
        ("a.jsonl", b'{"prompt": "cat"\n', "row 1: it is not JSON"),
        ("a.jsonl", b"[" * 100_000, "row 1: it is not JSON"),
        ("a.jsonl", b'{"prompt": ["cat"]}\n', "row 1: prompt"),
        ("a.jsonl", b'{"prompt": "cat", "seed": -1}\n', "row 1: seed must be"),
        ("a.jsonl", b'{"prompt": "cat", "seed": 1e999}\n', "row 1: seed"),
        ("a.jsonl", b'{"prompt": "c\\u0000at"}\n', "row 1: the prompt holds"),
        ("a.jsonl", b'{"prompt": "cat", "rule": {"kind": "stright"}}\n', "row 1: "),
        ("a.parquet", b"PAR1 and nothing else", "not a whole Parquet file"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_row(
    name: str, content: bytes, told: str, tmp_path: Path, model: Model
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=told) as met:
        Prompts(tmp_path / name, Order(), model).survey()
    assert "\n" not in str(met.value)
    assert str(met.value).startswith(str(tmp_path / name))


def test_a_class_that_is_none_is_found_before_anything_is_made(tmp_path: Path, grey: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [{"prompt": "coat"}] * 3 + [{"prompt": "boat"}])
    with pytest.raises(UsageError, match=r"row 4: .*'coat'"):
        Prompts(path, Order(), Model.load(grey)).survey()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OrnsteinError, match="cannot read"):
        list(table.read(tmp_path / "none.csv"))


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_memory_does_not_grow_with_the_file(suffix: str, tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = write(
            tmp_path / f"{count}.{suffix}", [{"prompt": f"a red apple {k}" * 4} for k in range(count)]
        )
        tracemalloc.start()
        assert sum(1 for _ in table.read(path)) == count
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(2_000)  # what is loaded at first use
    assert peak(40_000) < 1.5 * peak(4_000) + 100_000
