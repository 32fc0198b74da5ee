"""Requests on their way: sent twice, given up, too slow, too large, too many, and a database that goes away."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path

import pytest

from ornstein.serve.books import BooksDownError
from ornstein.serve.engine.queue import OverloadedError
from ornstein.serve.pace import FEWEST
from ornstein.serve.service import Bounds
from tests.serve.api.running import Running, picture, running, until

GENERATIONS = "/v1/images/generations"
LONG = {"prompt": "a cow", "num_inference_steps": 1000, "sampler": "dpmpp-3s"}
SHORT = {"prompt": "a cow", "num_inference_steps": 1, "seed": 1}


@pytest.fixture
def hasty(tmp_path: Path, bundle: Path) -> Iterator[Running]:
    """A server with little patience and little room."""
    bounds = Bounds(seconds=1.0, body_seconds=0.5, json_bytes=2000, waiting=4)
    with running(tmp_path, bundle, bounds=bounds) as it:
        yield it


@pytest.fixture
def small(tmp_path: Path, bundle: Path) -> Iterator[Running]:
    """A server with little room, and patience: what lies there may be read late on a busy machine."""
    with running(tmp_path, bundle, bounds=Bounds(json_bytes=2000, upload_bytes=20_000)) as it:
        yield it


def _outcomes(it: Running) -> list[str]:
    return [entry.outcome for entry in it.service.books.history(None)]


def _idle(it: Running) -> bool:
    load = it.service.models["small"].engine.load
    return load.waiting + load.running == 0


def test_the_same_token_with_the_same_body_is_answered_twice_and_made_once(open_server: Running) -> None:
    token = {"Idempotency-Key": "once"}
    with open_server.http() as client:
        first, second = (client.post(GENERATIONS, json=SHORT, headers=token) for _ in range(2))
        assert first.json() == second.json()
        assert client.post(GENERATIONS, json={**SHORT, "seed": 2}, headers=token).status_code == 422
        assert client.post(GENERATIONS, json={**SHORT, "stream": True}, headers=token).status_code == 400
        assert client.post(GENERATIONS, json=SHORT, headers={"Idempotency-Key": "x" * 300}).status_code == 400


def test_a_form_is_the_same_whatever_its_boundary(open_server: Running) -> None:
    token = {"Idempotency-Key": "form"}
    with open_server.http() as client:
        replies = [
            client.post("/v1/images/edits", data={"prompt": "a cow"}, files={"image": picture()}, headers=token)
            for _ in range(2)
        ]  # fmt: skip
    assert replies[0].json() == replies[1].json()


def test_of_many_at_once_with_one_token_one_is_made(open_server: Running) -> None:
    def ask(_: int) -> int:
        with open_server.http() as client:
            reply = client.post(
                GENERATIONS, json={**SHORT, "num_inference_steps": 30}, headers={"Idempotency-Key": "race"}
            )
            assert reply.status_code == 200 or int(reply.headers["retry-after"]) >= 1
            return reply.status_code

    before = len(_outcomes(open_server))
    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(ask, range(6)))
    assert set(statuses) <= {200, 409}
    assert len(_outcomes(open_server)) == before + 1


def test_a_refusal_by_the_policy_is_the_same_again_and_a_failure_is_tried_anew(
    open_server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_server.http() as client:
        refused = [
            client.post(GENERATIONS, json={"prompt": "naked woman"}, headers={"Idempotency-Key": "no"})
            for _ in range(2)
        ]
        assert refused[0].json() == refused[1].json()
        assert [reply.status_code for reply in refused] == [400, 400]
        with monkeypatch.context() as broken:
            broken.setattr(
                open_server.service.books,
                "finish",
                lambda *a, **b: (_ for _ in ()).throw(BooksDownError("x")),
            )
            assert (
                client.post(GENERATIONS, json=SHORT, headers={"Idempotency-Key": "down"}).status_code == 503
            )
        assert client.post(GENERATIONS, json=SHORT, headers={"Idempotency-Key": "down"}).status_code == 200


def test_a_client_that_leaves_frees_its_place(open_server: Running) -> None:
    host, port = open_server.address.removeprefix("http://").split(":")
    body = json.dumps(LONG).encode()
    with socket.create_connection((host, int(port))) as client:
        client.sendall(
            f"POST {GENERATIONS} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        until(lambda: not _idle(open_server))
    until(lambda: _idle(open_server))
    until(lambda: _outcomes(open_server)[0] != "running")
    assert _outcomes(open_server)[0] == "cancelled"  # long before it would have been done


def test_a_client_that_leaves_a_stream_frees_its_place(open_server: Running) -> None:
    with open_server.http() as client, client.stream(
        "POST", GENERATIONS, json={**LONG, "num_inference_steps": 400, "stream": True, "partial_images": 3}
    ) as reply:  # fmt: skip
        assert next(reply.iter_lines()).startswith("event: image_generation.partial_image")
    until(lambda: _idle(open_server))
    until(lambda: _outcomes(open_server)[0] != "running")
    assert _outcomes(open_server)[0] == "cancelled"


def test_what_takes_too_long_is_stopped_and_told(hasty: Running) -> None:
    with hasty.http() as client:
        reply = client.post(GENERATIONS, json=LONG)
        assert reply.status_code == 504
        assert reply.json()["error"]["code"] == "timeout"
        until(lambda: _idle(hasty))
        until(
            lambda: client.post(GENERATIONS, json=SHORT).status_code == 200
        )  # a busy machine may be late, too


def _raw(it: Running, head: str, *chunks: bytes, pause: float = 0.0) -> bytes:
    """What a server says to bytes that come when they come."""
    host, port = it.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(
            f"POST {GENERATIONS} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{head}\r\n".encode()
        )
        for chunk in chunks:
            client.sendall(chunk)
            time.sleep(pause)
        said = b""
        while b"}}" not in said:
            said += client.recv(65536)
        return said


def test_a_body_that_drips_is_given_up(hasty: Running) -> None:
    assert _raw(hasty, "Content-Length: 100\r\n", b"{").startswith(b"HTTP/1.1 408")
    assert _raw(hasty, "Content-Length: 100\r\n", *([b" "] * 8), pause=0.1).startswith(b"HTTP/1.1 408")


def test_a_body_that_is_too_large_is_refused_by_its_header_and_as_it_comes(small: Running) -> None:
    assert _raw(small, "Content-Length: 99999999\r\n").startswith(b"HTTP/1.1 413")
    chunks = [b"3e8\r\n" + b" " * 1000 + b"\r\n"] * 4
    assert _raw(small, "Transfer-Encoding: chunked\r\n", *chunks).startswith(b"HTTP/1.1 413")
    with small.http() as client:
        reply = client.post("/v1/images/edits", data={"prompt": "x"}, files={"image": b"x" * 50_000})
        assert reply.status_code == 413
        assert reply.json()["error"]["code"] == "body_too_large"


def test_overload_is_refused_before_a_body_is_read_and_says_when_to_come_back(
    hasty: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = hasty.service.models["small"].engine

    def full(*_: object, **__: object) -> None:
        raise OverloadedError("too busy", 7.2)

    monkeypatch.setattr(engine, "admit", full)
    said = _raw(hasty, "Content-Length: 1000\r\n")  # which never comes
    assert said.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 8" in said.lower()
    assert b"overloaded" in said


def test_a_burst_before_anybody_was_answered_is_let_in_as_far_as_it_can_be_answered(hasty: Running) -> None:
    service = hasty.service
    service.objective = 0.1  # seconds; a picture takes about a hundredth

    def comes_in(_: int) -> bool:
        try:
            service.admit("somebody")
        except OverloadedError:
            return False
        service.pace.enter()  # on its way to the engine, which knows nothing of it yet
        return True

    assert FEWEST <= len(list(takewhile(comes_in, range(1000)))) < 100


def test_beyond_the_room_that_there_is_requests_are_refused_at_once(hasty: Running) -> None:
    statuses: list[int] = []
    waits: list[float] = []

    def ask(_: int) -> None:
        with hasty.http() as client:
            began = time.monotonic()
            status = client.post(GENERATIONS, json=LONG).status_code
            statuses.append(status)
            if status == 503:
                waits.append(time.monotonic() - began)

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {503, 504, 408}  # a busy machine may send a body late
    assert statuses.count(503) >= 12
    assert (
        max(waits) < 10
    )  # beside the engine and all clients in one process, on a machine that does other things
    until(lambda: hasty.http().get("/v1/queue").json()["running"] == 0)
    until(lambda: hasty.http().post(GENERATIONS, json=SHORT).status_code == 200)


def test_a_database_that_is_down_is_a_503_and_all_goes_on_when_it_is_back(
    open_server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object, **__: object) -> None:
        raise BooksDownError("the database does not answer")

    with open_server.http() as client:
        with monkeypatch.context() as broken:
            for name in ("accept", "ping", "history"):
                broken.setattr(open_server.service.books, name, down)
            for reply in (
                client.post(GENERATIONS, json=SHORT),
                client.get("/ready"),
                client.get("/v1/history"),
            ):
                assert reply.status_code == 503
                assert int(reply.headers["retry-after"]) >= 1
            assert client.get("/health").status_code == 200
        assert client.get("/ready").status_code == 200
        assert client.post(GENERATIONS, json=SHORT).status_code == 200


def test_what_goes_wrong_within_says_nothing_of_where(
    open_server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret path /home/x")

    monkeypatch.setattr(open_server.service.models["small"].guarded.publisher, "file", broken)
    with open_server.http() as client:
        reply = client.post(GENERATIONS, json=SHORT)
    assert reply.status_code == 500
    assert "secret" not in reply.text
    assert _outcomes(open_server)[0] == "failed"


def test_history_pages_and_reuses_settings(open_server: Running) -> None:
    with open_server.http() as client:
        said = {**SHORT, "seed": 4242, "guidance_scale": 1.5, "negative_prompt": "grass"}
        client.post(GENERATIONS, json=said)
        first = client.get("/v1/history", params={"limit": 1}).json()
        assert (
            first["data"][0]["settings"] | {"guidance_scale": 1.5, "seed": 4242}
            == first["data"][0]["settings"]
        )
        assert first["data"][0]["spent"]["evaluations"] > 0
        older = client.get("/v1/history", params={"limit": 1, "before": first["next"]}).json()
        assert older["data"][0]["id"] != first["data"][0]["id"]
        found = client.get("/v1/history", params={"search": "4242"}).json()["data"]
        assert [line["id"] for line in found] == [first["data"][0]["id"]]


def test_no_prompt_is_logged(
    open_server: Running, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with open_server.http() as client:
        client.post(GENERATIONS, json={**SHORT, "prompt": "xyzzy marmalade"})
        client.post(GENERATIONS, json={"prompt": "xyzzy naked woman"})
        client.get("/v1/history", params={"search": "xyzzy"})
    said = "".join(capfd.readouterr()) + caplog.text
    assert "xyzzy" not in said
