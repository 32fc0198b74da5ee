"""The folder of bulk work: killed between any two writes, it ends as if nobody had."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from ornstein.errors import OrnsteinError, UsageError
from ornstein.request import Request
from ornstein.serve.bulk import results as subject
from ornstein.serve.bulk.maker import Batch, Chunk
from ornstein.serve.bulk.order import Job, Order, Task
from ornstein.serve.bulk.results import Results
from tests.serve.ordered import lines

JOB = Job(prompts="0" * 64, rows=512, order=Order(), model="m", sampling="s", policy="p")
PLAN = {
    0: [[2], [1, 4], [3, 5]],
    1: [[], [6], [7, 8]],
    2: [[9], [10]],
}  # rows of each batch; batch 0 is refused


def batches(chunk: int, done: tuple[int, ...]) -> Iterator[Batch]:
    for number, rows in enumerate(PLAN[chunk]):
        if number in done:
            continue
        files = {f"00000/{row:08d}.png": b"picture %d" % row for row in rows if number}
        made = [
            {"file_name": name, "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
        ]
        told = [
            {"row": row, "picture": 1, **more}
            for row, more in zip(rows, made or [{"why": "nö"}] * len(rows), strict=True)
        ]
        yield Batch(chunk, number, len(PLAN[chunk]), told, files)


def work(folder: Path) -> None:
    request = Request(prompt="cat", seed=1, steps=1, guidance=1, sampler="ddim", size=32)
    with Results.open(folder, JOB) as results:
        for number in range(results.state.chunks, len(PLAN)):
            task = Task(row=1, picture=1, id=None, file="a.png", request=request)
            for batch in batches(number, results.chunk(number, [task]).done):
                results.add(batch)


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


class Killed(BaseException):
    """What no code catches."""


class Disk:
    """Kills at the n-th operation: before it, in the middle of it where it adds to a file, or after it."""

    def __init__(self, at: int, when: str, patch: pytest.MonkeyPatch) -> None:
        self.left, self.when = at, when
        patch.setattr(os, "fsync", lambda handle: None)  # a kill takes nothing that was written
        patch.setattr(subject, "_write", self._killing(subject._write))
        patch.setattr(subject, "durable", self._killing(subject.durable))
        patch.setattr(subject, "append", self._killing(subject.append, self._half))
        patch.setattr(Path, "unlink", self._killing(Path.unlink))

    def _killing(self, real: Any, half: Any = None) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            self.left -= 1
            now = self.left == 0
            if now and self.when == "before":
                raise Killed
            if now and self.when == "within" and half:
                half(*arguments)
                raise Killed
            out = real(*arguments, **more)
            if now:
                raise Killed
            return out

        return call

    @staticmethod
    def _half(path: Path, data: bytes, mode: int) -> None:
        with path.open("ab") as file:
            file.write(data[: len(data) // 2])


def killed(folder: Path, at: int, when: str) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        Disk(at, when, patch)
        try:
            work(folder)
        except Killed:
            return True
    return False


def test_killed_between_any_two_writes_it_ends_as_if_nobody_had(tmp_path: Path) -> None:
    work(tmp_path / "whole")
    whole = content(tmp_path / "whole")
    assert [line["row"] for line in lines(tmp_path / "whole/metadata.jsonl")] == [1, 3, 4, 5, 6, 7, 8, 10]
    assert [line["row"] for line in lines(tmp_path / "whole/refused.jsonl")] == [2, 9]
    for when in ("before", "within", "after"):
        at = 1
        while killed(folder := tmp_path / f"{when}-{at}", at, when):
            work(folder)
            assert content(folder) == whole, (when, at)
            at += 1
        assert at > 30


@pytest.mark.parametrize("at", range(2, 30, 5))
def test_killed_again_and_again(at: int, tmp_path: Path) -> None:
    work(tmp_path / "whole")
    times = 0
    while killed(tmp_path / "often", at, "within"):
        times += 1
        assert times < 100 or at < 4
        if times == 100:
            break
    work(tmp_path / "often")
    assert content(tmp_path / "often") == content(tmp_path / "whole")


def test_what_a_power_cut_took_is_made_again(tmp_path: Path) -> None:
    def files(folder: Path) -> list[Path]:
        return [folder / "00000/00000006.png", folder / ".ornstein/00000001-0001.json"]

    def stopped(folder: Path) -> None:
        """Chunk 0 finished, chunk 1 begun."""
        with Results.open(folder, JOB) as results:
            for batch in (*batches(0, ()), *list(batches(1, ()))[:2]):
                results.add(batch)

    work(tmp_path / "whole")
    for k in range(2):
        for left in (b"", b"{"):
            folder = tmp_path / f"{k}-{len(left)}"
            stopped(folder)
            files(folder)[k].write_bytes(left)
            with Results.open(folder, JOB) as results:
                assert results.chunk(1, []).done == (0,)
            work(folder)
            assert content(folder) == content(tmp_path / "whole")


def test_what_a_worker_sent_twice_stands_there_once(tmp_path: Path) -> None:
    with Results.open(tmp_path / "out", JOB) as results:
        for chunk in (1, 0, 2):  # and in any order
            for batch in batches(chunk, ()):
                results.add(batch)
                results.add(batch)
    work(tmp_path / "whole")
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_two_processes_are_refused_one_folder(tmp_path: Path) -> None:
    work(tmp_path)
    with FileLock(tmp_path / ".ornstein/lock"), pytest.raises(OrnsteinError, match="another process"):
        work(tmp_path)


def test_another_job_and_another_folder_are_refused(tmp_path: Path) -> None:
    work(tmp_path / "out")
    other = JOB.model_copy(update={"policy": "q", "order": Order(n=2, settings={"steps": 3})})
    with (
        pytest.raises(UsageError, match=r"\(the policy, steps, n differed\)"),
        Results.open(tmp_path / "out", other),
    ):
        pass
    with pytest.raises(UsageError, match="holds something else"), Results.open(tmp_path, JOB):
        pass
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="holds something else"), Results.open(tmp_path / "file", JOB):
        pass
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["job.json", "state.json"])
@pytest.mark.parametrize("text", ["", "[]", "{}x", '{"chunks": "many"}'])
def test_a_changed_state_is_told_in_one_line(name: str, text: str, tmp_path: Path) -> None:
    work(tmp_path)
    (tmp_path / ".ornstein" / name).write_text(text)
    with pytest.raises(OrnsteinError, match="was changed"):
        work(tmp_path)


def test_metadata_that_was_cut_is_not_gone_on_with(tmp_path: Path) -> None:
    work(tmp_path)
    (tmp_path / "metadata.jsonl").write_text("")
    with pytest.raises(OrnsteinError, match="shorter"):
        work(tmp_path)


def test_a_chunk_tells_what_is_done(tmp_path: Path) -> None:
    with Results.open(tmp_path, JOB) as results:
        first, second, _ = batches(0, ())
        results.add(second)
        assert results.chunk(0, []) == Chunk(number=0, tasks=(), held=None, done=(1,))
        results.add(first)
        assert results.chunk(0, []) == Chunk(number=0, tasks=(), held=((2, 1),), done=(0, 1))
        assert results.finished == 3
