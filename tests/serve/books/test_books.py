"""What is written into the books is read out of them, by whom it belongs to, and survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import event

from ornstein.errors import UsageError
from ornstein.guard.decision import Decision, Finding
from ornstein.guard.policy import Records
from ornstein.serve.books import Books, BooksError, Made
from ornstein.serve.books.values import now
from tests.serve.books.kept import CHARGE, SPENT, START, accepted, day, finished, made

WHY = Decision(
    stage="prompt", action="transform", rule="blood", reason="no gore", changed="a kind fox",
    finding=Finding(checker="words", label="blood", where="bloody"),
)  # fmt: skip
AGAIN = Decision(stage="output", action="transform", rule="copies", reason="near", changed="seed 7 became 9")


def test_an_entry_comes_back_as_it_went_in(books: Books):
    books.accept(accepted())
    running = books.request("ann", "r")
    assert (running.outcome, running.outputs, running.finished) == ("running", (), None)
    picture = made(books, "o", seed=2**53 - 1, decisions=(AGAIN,))
    books.finish("r", "done", [picture], [WHY], SPENT, CHARGE)
    entry = books.request("ann", "r")
    assert (entry.outcome, entry.prompt, entry.created) == ("done", "a red fox", START)
    assert entry.settings == {"sampler": "heun", "steps": 8, "negative": "a hidden word"}
    assert entry.outputs == (picture,) and entry.decisions == (WHY,)
    assert (entry.spent, entry.charge) == (SPENT, CHARGE)
    assert entry.output("o") == picture
    with pytest.raises(KeyError):
        entry.output("another")


def test_nobody_reads_what_another_key_asked_for(books: Books):
    finished(books, "mine")
    finished(books, "theirs", key="bob")
    assert [entry.id for entry in books.history("ann")] == ["mine"]
    assert books.output("ann", "theirs-0") is None and books.request("ann", "theirs") is None
    assert books.output("bob", "theirs-0").id == "theirs"
    assert {entry.id for entry in books.history(None)} == {"mine", "theirs"}
    with pytest.raises(UsageError, match="no request 'theirs'"):
        books.history("ann", before="theirs")


def test_pages_of_history_hold_every_request_once(books: Books):
    for k in range(25):  # in threes of the same moment
        finished(books, f"r{k:02}", created=START + timedelta(seconds=k // 3), outputs=2)
    seen, before = [], None
    while page := books.history("ann", before=before, limit=4):
        seen += [entry.id for entry in page]
        before = page[-1].id
    assert seen == [f"r{k:02}" for k in reversed(range(25))]


def test_a_page_takes_as_many_queries_whatever_it_holds(books: Books):
    for k in range(12):
        finished(books, f"r{k}", outputs=3)
    asked: list[str] = []
    event.listen(books.database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    books.history("ann", limit=1)
    few = len(asked)
    asked.clear()
    assert len(books.history("ann", limit=12)) == 12
    assert len(asked) == few


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("red fox", "fox swap"), ("FOX red", "fox swap"), ("owl", "owl"), ("ÉTÉ", "summer"), ("12345", "swap"),
        ("heun", "fox owl summer swap"), ("%", "owl"), ("_", ""), ("fox owl", ""), ("'; drop table requests", ""),
    ],
)  # fmt: skip
def test_a_search_finds_requests_that_hold_every_word(books: Books, search: str, found: str):
    prompts = {"fox": "A Red Fox", "swap": "a fox, red", "owl": "an owl, 100% owl", "summer": "un été"}
    for name, prompt in prompts.items():
        books.accept(accepted(f"id-{name}", prompt=prompt))
        books.finish(f"id-{name}", "done", [made(books, name, seed=12345 if name == "swap" else 7)])
    entries = books.history("ann", search=search)
    assert sorted(entry.outputs[0].id for entry in entries) == found.split()


def test_where_prompts_are_hashed_no_word_of_one_is_in_the_database(opened: Callable[..., Books], tmp_path):
    books = opened(kept=Records(prompts="hash"), hashed=lambda text: f"hash of {len(text)}")
    books.accept(
        accepted(prompt="a secretive fox", settings={"prompt": "a secretive fox", "negative": "hidden"})
    )
    told = Decision(stage="prompt", action="transform", changed="a secretive bear", finding=WHY.finding)
    record = {"request": {"prompt": "a secretive fox", "negative": "hidden", "seed": 3}}
    picture = Made("o", books.store.put(b"x"), "png", 8, 8, 3, record, (AGAIN,))
    books.finish("r", "done", [picture], [told])
    entry = books.request("ann", "r")
    assert entry.prompt is None and entry.outputs[0].record == {"request": {"seed": 3}}
    assert entry.outputs[0].decisions == (AGAIN,)  # a seed is no word
    assert not books.history("ann", search="fox")
    assert books.history("ann", search="a secretive fox")  # as a whole, by its hash
    with books.database.reading() as session:
        rows = [
            str(row)
            for table in ("requests", "outputs", "decisions")
            for row in session.connection().exec_driver_sql(f"SELECT * FROM {table}")
        ]
    text = " ".join(rows)
    assert "hash of 15" in text
    assert not any(word in text for word in ("fox", "bear", "hidden", "bloody"))


def test_the_same_request_cannot_be_accepted_twice(books: Books):
    books.accept(accepted())
    with pytest.raises(UsageError, match="already"):
        books.accept(accepted(prompt="another"))
    assert books.request("ann", "r").prompt == "a red fox"


def test_finishing_is_all_or_nothing(books: Books):
    books.accept(accepted())
    good = made(books, "o")
    with pytest.raises(BooksError, match="lacks"):
        books.finish("r", "done", [good, Made("p", "0" * 64, "png", 8, 8, 1)], [WHY], SPENT)
    with pytest.raises(BooksError) as refused:
        books.finish("r", "done", [good, good], [WHY], SPENT)  # one id twice
    assert "\n" not in str(refused.value)
    entry = books.request("ann", "r")
    assert (entry.outcome, entry.outputs, entry.decisions) == ("running", (), ())


def test_any_text_can_be_kept(books: Books):
    for k, text in enumerate(["\0 nul", "\ud800 surrogate", "\u202e right to left", "x" * 50_000, "🦊"]):
        books.accept(accepted(f"r{k}", prompt=text))
    assert books.request("ann", "r4").prompt == "🦊"
    assert len(books.request("ann", "r3").prompt) == 10_000


def test_threads_do_not_lose_each_others_entries(books: Books):
    failed: list[Exception] = []

    def work(thread: int) -> None:
        try:
            for k in range(8):
                finished(books, f"t{thread}-{k}", key=f"key{thread % 3}")
                books.history(f"key{thread % 3}", search="fox")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(books.history(None, limit=200)) == 128


CHILD = """
import os, signal, sys
from ornstein.serve.books import Accepted, Books, Made
books = Books.open(sys.argv[1], store=sys.argv[2])
books.accept(Accepted("whole", "ann", "emoji", "generation"))
books.finish("whole", "done", [Made("o", books.store.put(b"picture"), "png", 8, 8, 1)])
books.accept(Accepted("cut", "ann", "emoji", "generation"))
books.replies.again("ann", "token", "body")
books.store.put(b"nobody's")
print("ready", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_acknowledged_is_lost_to_a_kill(url: str, opened: Callable[..., Books], tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CHILD, url, str(tmp_path / "store")], capture_output=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL and done.stdout == b"ready\n", done.stderr.decode()
    books = opened()
    assert books.recover() == 1
    whole, cut = books.request("ann", "whole"), books.request("ann", "cut")
    assert whole.outcome == "done" and books.store.get(whole.outputs[0].sha256) == b"picture"
    assert cut.outcome == "lost" and cut.finished is not None
    assert books.replies.again("ann", "token", "body").state == "new"
    assert books.check().sound
    assert books.recover() == 0


def test_recovery_leaves_alone_what_lives(opened: Callable[..., Books]):
    alive, elsewhere = opened(server=None), opened(server="another-machine:17")
    alive.accept(accepted("mine", created=day(0)))
    elsewhere.accept(accepted("far", created=day(0)))
    today = opened(server=f"{os.uname().nodename}:{os.getppid()}")
    today.accept(accepted("neighbour", created=now()))
    fresh = opened(server="third:1")
    fresh.accept(accepted("own", created=now()))
    assert fresh.recover() == 3  # its own, and both that are a year old
    outcomes = {entry.id: entry.outcome for entry in fresh.history(None)}
    assert outcomes == {"mine": "lost", "far": "lost", "own": "lost", "neighbour": "running"}


def test_secrets_are_shared_by_name_and_kept(opened: Callable[..., Books]):
    first, second = opened(), opened()
    secret = first.secret("urls")
    assert len(secret) == 32 and second.secret("urls") == secret
    assert second.secret("other") != secret


def test_pictures_are_counted_by_key_and_time(books: Books):
    finished(books, "old", outputs=4, created=day(-1))
    finished(books, "new", outputs=2)
    finished(books, "theirs", key="bob", outputs=2)
    books.accept(accepted("running", count=3))
    books.accept(accepted("refused", count=5))
    books.finish("refused", "refused", [], [WHY])
    assert books.pictures("ann", START) == 5
