"""A database that really goes away while the server runs: told of as such, and nothing goes out meanwhile."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import httpx

from ornstein.serve.books import Books
from tests.serve.api.running import Running, running, until
from tests.serve.books.conftest import postgres
from tests.serve.books.postgres import PostgresServer

__all__ = ["postgres"]

GENERATIONS = "/v1/images/generations"
SHORT = {"prompt": "a cow", "num_inference_steps": 1, "seed": 1}


def _down(reply: httpx.Response) -> bool:
    """Whether it is the error that says so, in the one shape that errors have."""
    error = reply.json()["error"]
    assert "cow" not in reply.text and "INSERT" not in reply.text
    return (
        reply.status_code == 503 and int(reply.headers["retry-after"]) >= 1 and "database" in error["message"]
    )


def test_a_server_that_stops_is_a_503_and_all_goes_on_when_it_is_back(
    postgres: PostgresServer, tmp_path: Path, bundle: Path
) -> None:
    with running(tmp_path, bundle, database=postgres.database()) as it, it.http() as client:
        made = client.post(GENERATIONS, json=SHORT).json()["data"][0]["id"]
        postgres.stop()
        try:
            assert _down(client.post(GENERATIONS, json=SHORT))
            for path in ("/v1/history", f"/v1/outputs/{made}", "/ready"):
                assert _down(client.get(path)), path
            assert client.get("/health").status_code == 200
        finally:
            postgres.start()
        assert client.get("/ready").status_code == 200
        assert client.post(GENERATIONS, json=SHORT).status_code == 200
        history = client.get("/v1/history").json()["data"]
        assert [line["outcome"] for line in history] == ["done", "done"]  # what was refused never came in
        assert client.get(f"/v1/outputs/{made}").json()["credential"]["state"] == "trusted"


def test_what_is_made_while_it_stops_does_not_go_out(
    postgres: PostgresServer, tmp_path: Path, bundle: Path
) -> None:
    url = postgres.database()
    said = {**SHORT, "num_inference_steps": 200, "stream": True, "partial_images": 1}
    with running(tmp_path, bundle, database=url) as it, it.http() as client:
        with client.stream("POST", GENERATIONS, json=said) as reply:
            lines = reply.iter_lines()
            assert next(lines) == "event: image_generation.partial_image"
            postgres.stop()
            rest = [line for line in lines if line.startswith(("event:", "data:"))]
        try:
            assert rest[-2] == "event: error"
            assert "database" in json.loads(rest[-1].removeprefix("data: "))["error"]["message"]
            assert not any("completed" in line for line in rest)
        finally:
            postgres.start()
        until(lambda: client.get("/ready").status_code == 200)
        assert client.post(GENERATIONS, json=SHORT).status_code == 200
        assert [line["outputs"] == [] for line in client.get("/v1/history").json()["data"]] == [False, True]
    again = Books.open(url, store=tmp_path / "store")
    again.recover()  # as the next server does when it starts
    assert [entry.outcome for entry in again.history(None)] == ["done", "lost"]
    again.close()


def test_a_file_that_another_holds_is_a_503_until_it_lets_go(open_server: Running) -> None:
    file = open_server.service.books.database.url.database
    other = sqlite3.connect(file, isolation_level=None)
    with open_server.http() as client:
        assert client.post(GENERATIONS, json=SHORT).status_code == 200
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        assert _down(client.post(GENERATIONS, json=SHORT))
        assert time.monotonic() - began < 10
        assert client.get("/v1/history").status_code == 200  # readers need not wait for writers
        other.execute("ROLLBACK")
        assert client.post(GENERATIONS, json=SHORT).status_code == 200
    other.close()


def test_a_file_that_cannot_be_read_any_more_is_a_503_until_it_can(open_server: Running) -> None:
    file = Path(str(open_server.service.books.database.url.database))
    with open_server.http() as client:
        assert client.get("/ready").status_code == 200
        open_server.service.books.database.close()  # as a pool does with connections that grew old
        away = file.rename(file.with_suffix(".away"))
        file.mkdir()
        try:
            assert _down(client.post(GENERATIONS, json=SHORT))
            assert _down(client.get("/ready"))
        finally:
            file.rmdir()
            away.rename(file)
        assert client.post(GENERATIONS, json=SHORT).status_code == 200
