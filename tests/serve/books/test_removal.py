"""What is erased is gone from rows, files and replies; what it cost stays, without whose it was."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import astuple, replace
from datetime import timedelta
from pathlib import Path

import pytest

from ornstein.errors import UsageError
from ornstein.guard.policy import Records
from ornstein.serve.books import Books, BooksError, Erased, Reply
from ornstein.serve.books.values import now
from tests.serve.books.kept import accepted, day, finished, made


def everything(books: Books) -> str:
    """Every value in the database, as text."""
    tables = ("requests", "outputs", "decisions", "replies", "costs", "keys", "settings")
    with books.database.reading() as session:
        connection = session.connection()
        return " ".join(str(connection.exec_driver_sql(f"SELECT * FROM {table}").all()) for table in tables)


def age(books: Books, hours: float = 2) -> None:
    """Let the store's files have been written so many hours ago."""
    for path in Path(books.store.name).rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 3600 * hours,) * 2)


def sums(books: Books) -> tuple:
    (line,) = books.costs(by=())
    return astuple(replace(line, joules=round(line.joules, 6), price=round(line.price, 6)))


def test_a_request_goes_with_its_files_and_replies(books: Books):
    (gone,), (left,) = finished(books, "r"), finished(books, "s")
    books.replies.again("ann", "token", "body")
    books.replies.remember("ann", "token", Reply(200, b"a red fox"), request="r")
    before = sums(books)
    assert books.erase(request="r") == Erased(requests=1, outputs=1, files=1, replies=1)
    assert books.request("ann", "r") is None and books.output("ann", "r-0") is None
    assert not books.store.has(gone.sha256) and books.store.has(left.sha256)
    assert books.replies.again("ann", "token", "another").state == "new"
    assert sums(books) == before
    with pytest.raises(UsageError, match="nothing to erase"):
        books.erase(request="r")


def test_of_a_key_nothing_is_left_but_sums(books: Books):
    key, _ = books.keys.create("Annabel", ("read",))
    for k in range(7):
        finished(books, f"r{k}", key=key.id, outputs=2, prompt="a purple fox", created=day(k % 3))
    finished(books, "theirs", key="bob")
    books.accept(accepted("running", key=key.id))
    books.replies.again(key.id, "unfinished", "body")
    before = sums(books)
    assert books.erase(key=key.id) == Erased(requests=8, outputs=14, files=14, replies=1)
    text = everything(books)
    assert key.id not in text and "Annabel" not in text and "purple" not in text
    assert sums(books) == before
    assert [(line.day, line.requests) for line in books.costs(by=("day", "key")) if line.key == ""] == [
        ("2026-03-01", 3), ("2026-03-02", 2), ("2026-03-03", 2),
    ]  # fmt: skip
    assert len(books.history(None)) == 1
    with pytest.raises(BooksError, match="erased meanwhile"):
        books.finish("running", "done")


def test_a_file_that_another_row_names_stays(books: Books):
    books.accept(accepted("r"))
    books.accept(accepted("s"))
    books.finish("r", "done", [made(books, "a", b"same"), made(books, "b", b"same")])
    books.finish("s", "done", [made(books, "c", b"same")])
    digest = books.output("ann", "c").outputs[0].sha256
    assert books.erase(output="a") == Erased(outputs=1)
    assert books.erase(request="r").files == 0 and books.store.get(digest) == b"same"
    assert books.erase(output="c") == Erased(requests=1, outputs=1, files=1)
    assert not books.store.has(digest)


def test_a_request_goes_with_the_last_of_its_outputs(books: Books):
    finished(books, "r", outputs=2)
    assert books.erase(output="r-1").requests == 0
    assert [made.id for made in books.request("ann", "r").outputs] == ["r-0"]
    assert books.erase(output="r-0").requests == 1
    assert books.request("ann", "r") is None


def test_pruning_takes_what_is_older_than_the_policy_keeps(books: Books):
    for k, old in enumerate((200, 181, 179, 0)):
        finished(books, f"r{k}", created=now() - timedelta(days=old))
    assert books.prune(180) == Erased(requests=2, outputs=2, files=2)
    assert {entry.id for entry in books.history("ann")} == {"r2", "r3"}
    assert books.prune(None) == Erased()
    assert sums(books)[3] == 4  # requests in the sums


def test_more_than_fits_a_transaction_is_erased(books: Books, monkeypatch):
    monkeypatch.setattr("ornstein.serve.books.removal.PORTION", 3)
    for k in range(8):
        finished(books, f"r{k}", created=day(k))
    assert books.erase(before=day(7)) == Erased(requests=7, outputs=7, files=7)
    assert [entry.id for entry in books.history("ann")] == ["r7"]


def test_orphans_missing_and_damaged_files_are_found(books: Books):
    (whole,), (lost,), (bad,) = finished(books, "r"), finished(books, "s"), finished(books, "t")
    orphan = books.store.put(b"nobody's")
    assert books.check().orphans == ()  # young: somebody may be about to finish
    age(books)
    books.store.delete(lost.sha256)
    books.store.place.write(f"{bad.sha256[:2]}/{bad.sha256[2:4]}/{bad.sha256}", b"other bytes")
    found = books.check()
    assert (found.orphans, found.missing, found.damaged) == ((orphan,), (lost.sha256,), (bad.sha256,))
    assert found.files == 3 and not found.sound
    assert books.prune().files == 1
    assert not books.store.has(orphan) and books.store.has(whole.sha256)


def test_a_file_that_went_before_its_row_came_is_refused(books: Books):
    books.accept(accepted("late"))
    picture = made(books, "late-0", b"same")
    finished_same(books, "r")
    books.erase(request="r")
    with pytest.raises(BooksError, match="lacks"):
        books.finish("late", "done", [picture])
    books.finish("late", "done", [made(books, "late-0", b"same")])
    assert books.check().sound


def test_a_row_cannot_come_while_its_file_goes(books: Books, monkeypatch):
    books.accept(accepted("late"))
    finished_same(books, "r")
    picture = made(books, "late-0", b"same")
    delete, going, outcome = books.store.delete, threading.Event(), []

    def finish() -> None:
        going.wait(60)
        try:
            books.finish("late", "done", [picture])
            outcome.append("written")
        except BooksError as error:
            outcome.append(str(error))

    def slowly(digest: str) -> bool:
        going.set()
        time.sleep(0.5)  # long enough for `finish` to write its row, were it let in
        return delete(digest)

    monkeypatch.setattr(books.store, "delete", slowly)
    thread = threading.Thread(target=finish)
    thread.start()
    books.erase(request="r")
    thread.join()
    assert len(outcome) == 1 and outcome != ["written"]
    assert books.request("ann", "late").outputs == () and books.check().sound


def finished_same(books: Books, name: str) -> None:
    books.accept(accepted(name))
    books.finish(name, "done", [made(books, f"{name}-0", b"same")])


def test_no_byte_of_an_erased_prompt_is_left_in_the_file(tmp_path: Path):
    books = Books.open(
        f"sqlite:///{tmp_path / 'books.sqlite3'}", store=tmp_path, kept=Records(prompts="clear")
    )
    for k in range(50):
        finished(
            books,
            f"r{k}",
            key="ann" if k % 2 else "bob",
            prompt=f"a purple fox of {'ann' if k % 2 else 'bob'}",
        )

    def written() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.glob("books.sqlite3*"))

    assert b"fox of ann" in written()
    books.erase(key="ann")
    assert b"fox of ann" not in written() and b"fox of bob" in written()


def test_one_thing_at_a_time_is_erased(books: Books):
    for given in ({}, {"key": "a", "request": "b"}):
        with pytest.raises(UsageError, match="say what to erase"):
            books.erase(**given)
