"""Tables as files: what is read is what was written, and what cannot be read is said in one line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ornstein.data.table import read_table, write_table
from ornstein.errors import OrnsteinError, UsageError


def written(folder: Path, content: bytes, name: str = "table.csv") -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_separators_and_encodings_are_found(tmp_path: Path, separator: str, encoding: str) -> None:
    text = "name,age\nZoë,31\nJosé,45\n".replace(",", separator)
    read = read_table(written(tmp_path, text.encode(encoding)))
    assert read.frame.to_dict("list") == {"name": ["Zoë", "José"], "age": ["31", "45"]}
    assert (encoding == "cp1252") == any("Windows-1252" in note for note in read.notes)


def test_cells_that_say_nothing_are_missing_and_quotes_hold_separators(tmp_path: Path) -> None:
    read = read_table(written(tmp_path, b'a,b\n"1,5",NA\n,?\nNaN,null\n007,x\n'))
    assert read.frame["a"].tolist() == ["1,5", None, None, "007"]
    assert read.frame["b"].tolist() == [None, None, None, "x"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_table_comes_back_as_it_was_written(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"n": ["1", "2", None], "text, with comma": ['a "b"', "c\nd", "é"]}, dtype=object)
    write_table(frame, tmp_path / f"t{suffix}")
    back = read_table(tmp_path / f"t{suffix}").frame
    assert back.astype(object).where(back.notna(), None).to_dict("list") == frame.to_dict("list")
    assert [file.name for file in tmp_path.iterdir()] == [f"t{suffix}"]


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "t.csv", "is empty"),
        (b"\n\n", "t.csv", "is empty"),
        (b"a,b\n", "t.csv", "has no rows"),
        (b"a,b,a\n1,2,3\n", "t.csv", "two columns named 'a'"),
        (b"a,b\n1,2,3\n4,5,6\n", "t.csv", "more cells than the header"),
        (b"a\0b,c\n1,2\n", "t.csv", "NUL bytes"),
        (b"PAR1 this is no parquet", "t.parquet", "is not a readable table"),
        (b"a,b\n1,2\n", "t.xlsx", "is no table"),
    ],
)
def test_what_is_no_table_is_said_in_one_line(tmp_path: Path, content: bytes, name: str, said: str) -> None:
    with pytest.raises(OrnsteinError, match=said) as caught:
        read_table(written(tmp_path, content, name))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_a_mistake_of_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_table(tmp_path / "none.csv")
