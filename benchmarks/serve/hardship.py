"""Too much load, long load, clients that leave, and a process that is killed."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import socket
import sqlite3
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import httpx
import numpy as np
from benchmarks.serve.load import PATH, arriving, closed, mixed, quantile, whole
from benchmarks.serve.processes import Service, ours, running

TIMES_TOO_MUCH = 10
OBJECTIVE = 30.0  # seconds: the service's default
LARGE = 200_000  # bytes that a refused body holds: nobody should wait for it to be read


def overload(arguments: argparse.Namespace) -> dict[str, Any]:
    """Ten times what it can do: who is let in is served in time, who is not is told at once."""
    with running("Ornstein", ours()) as service:
        able = len(whole(closed(service.url, 16, 15, mixed(0)))) / 15
        before = service.megabytes
        replies = arriving(service.url, TIMES_TOO_MUCH * able, arguments.seconds, mixed(1))
        alive = service.process.poll() is None
        after = service.megabytes
    made, refused = whole(replies), [reply for reply in replies if reply.status in (429, 503)]
    others = sorted({reply.status for reply in replies} - {200, 429, 503})
    in_time = float(np.mean([reply.seconds <= OBJECTIVE for reply in made]))
    figures = {
        "able": able, "asked": len(replies), "made": len(made), "refused": len(refused), "other statuses": others,
        "alive": alive, "admitted within the objective": in_time, "admitted p99": quantile(made, 0.99),
        "refused p50": quantile(refused, 0.5), "refused p99": quantile(refused, 0.99),
        "refusals that say when": float(np.mean([reply.wait is not None for reply in refused])),
        "pictures a second under overload": len(made) / arguments.seconds, "MB before": before, "MB after": after,
    }  # fmt: skip
    _print(figures)
    return figures


def memory(arguments: argparse.Namespace) -> dict[str, Any]:
    """Resident memory over minutes of load."""
    seen: list[tuple[float, float]] = []
    with running("Ornstein", ours()) as service:
        closed(service.url, 16, 20, mixed(0))
        started, stop = time.perf_counter(), threading.Event()

        def look() -> None:
            while not stop.wait(5):
                seen.append((time.perf_counter() - started, service.megabytes))

        watcher = threading.Thread(target=look)
        watcher.start()
        replies = closed(service.url, 16, 60 * arguments.minutes, mixed(1), warm=0)
        stop.set()
        watcher.join()
    seconds, megabytes = np.array(seen).T
    slope = float(np.polyfit(seconds / 60, megabytes, 1)[0])
    half = len(megabytes) // 2
    figures = {
        "minutes": arguments.minutes, "pictures": len(whole(replies)), "MB at first": float(megabytes[0]),
        "MB at last": float(megabytes[-1]), "MB most": float(megabytes.max()), "MB a minute": slope,
        "MB a minute, second half": float(np.polyfit(seconds[half:] / 60, megabytes[half:], 1)[0]),
    }  # fmt: skip
    _print(figures)
    return figures


def dropped(arguments: argparse.Namespace) -> dict[str, Any]:
    """Clients that leave: seconds until nothing runs any more, beside the seconds of a step."""
    waits = []
    with running("Ornstein", ours()) as service:
        closed(service.url, 1, 3, mixed(0))
        body = mixed(0)(0) | {"num_inference_steps": 400, "n": 2}
        for _ in range(10):
            _leave(service, body)
            left = time.perf_counter()
            while _running(service):
                time.sleep(0.002)
                if time.perf_counter() - left > 60:
                    break
            waits.append(time.perf_counter() - left)
        step = _step(service)
    figures = {
        "times": len(waits),
        "freed within, s": max(waits),
        "median, s": float(np.median(waits)),
        "a step, s": step,
    }
    _print(figures)
    return figures


def _leave(service: Service, body: dict[str, Any]) -> None:
    """Ask, wait until the work has begun, and hang up."""
    where, data = urlparse(service.url), json.dumps(body).encode()
    with socket.create_connection((where.hostname, where.port)) as line:
        length = f"Content-Length: {len(data)}"
        head = f"POST {PATH} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
        line.sendall(head.encode() + data)
        begun = time.perf_counter()
        while not _running(service):
            time.sleep(0.005)
            assert time.perf_counter() - begun < 60, "the work never began"
        time.sleep(0.3)


def _queue(service: Service) -> dict[str, Any]:
    return httpx.get(f"{service.url}/v1/queue", timeout=10).json()


def _running(service: Service) -> int:
    return sum(model["running"] + model["waiting"] for model in _queue(service)["models"].values())


def _step(service: Service) -> float:
    """Seconds of a step of a full batch, by the service's own account of its rate."""
    (model,) = _queue(service)["models"].values()
    return model["rows"] / model["evaluations_per_second"]


def killed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Killed under load, again and again: what was acknowledged is there, and it serves again soon."""
    acknowledged: dict[str, str] = {}
    again: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for turn in range(arguments.times):
            with running("Ornstein", ours(), home=home) as service:
                again.append(service.started)
                stop = threading.Event()
                clients = [
                    threading.Thread(target=_collect, args=(service, turn * 100 + k, acknowledged, stop))
                    for k in range(8)
                ]
                for client in clients:
                    client.start()
                time.sleep(6 + turn)
                service.kill()
                stop.set()
                for client in clients:
                    client.join()
        with running("Ornstein", ours(), home=home) as service:
            again.append(service.started)
            lost = [one for one, digest in acknowledged.items() if _sha256(service, one) != digest]
        books = sqlite3.connect(next(home.rglob("*.sqlite*"), home / "none"))
        intact = books.execute("pragma integrity_check").fetchone()[0]
    figures = {
        "times": arguments.times, "acknowledged": len(acknowledged), "lost": len(lost), "books": intact,
        "serves again within, s": max(again[1:]), "first start, s": again[0],
    }  # fmt: skip
    _print(figures)
    return figures


def _collect(service: Service, seed: int, acknowledged: dict[str, str], stop: threading.Event) -> None:
    """Ask for pictures until the service is gone; keep what came whole."""
    with httpx.Client(timeout=60) as client:
        while not stop.is_set():
            try:
                answer = client.post(service.url + PATH, json=mixed(seed)(seed))
            except httpx.HTTPError:
                return
            if answer.status_code == 200:
                (picture,) = answer.json()["data"]
                acknowledged[picture["id"]] = hashlib.sha256(
                    base64.b64decode(picture["b64_json"])
                ).hexdigest()


def _sha256(service: Service, one: str) -> str:
    answer = httpx.get(f"{service.url}/v1/outputs/{one}/content", timeout=30)
    return hashlib.sha256(answer.content).hexdigest() if answer.status_code == 200 else ""


def _print(figures: dict[str, Any]) -> None:
    for name, value in figures.items():
        print(f"{name:34s} {value:.3f}" if isinstance(value, float) else f"{name:34s} {value}")
