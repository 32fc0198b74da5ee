"""One replica of the server under Ray Serve: closed without a key, and what goes out is a picture."""

from __future__ import annotations

import base64
import logging
import socket
from pathlib import Path

import httpx
import pytest

from ornstein.errors import OrnsteinError, UsageError
from ornstein.serve.books import Books

ray = pytest.importorskip("ray")
cluster = pytest.importorskip("ornstein.serve.cluster")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_a_replica_answers_those_who_have_a_key(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    _, secret = Books.open(None).keys.create("test", ["generate", "read"])
    app = cluster.application({"models": str(bundle)})
    address = f"http://127.0.0.1:{(port := free_port())}"
    ray.init(
        num_cpus=2, object_store_memory=100 << 20, include_dashboard=False, log_to_driver=False,
        logging_level=logging.ERROR,
    )  # fmt: skip
    try:
        cluster.serve.start(http_options={"host": "127.0.0.1", "port": port})
        cluster.serve.run(app, name="ornstein", route_prefix="/")
        asked = {"prompt": "a cat", "size": "32x32", "seed": 1}
        with httpx.Client(base_url=address, timeout=60) as client:
            assert client.get("/health").json()["models"] == ["small"]
            assert client.post("/v1/images/generations", json=asked).status_code == 401
            client.headers["Authorization"] = f"Bearer {secret}"
            said = client.post("/v1/images/generations", json=asked)
        assert said.status_code == 200, said.text
        assert base64.b64decode(said.json()["data"][0]["b64_json"]).startswith(b"\x89PNG")
    finally:
        cluster.serve.shutdown()
        ray.shutdown()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"model": "emoji"}, "unknown key 'model'; did you mean 'models'"),
        ({"least": 3, "most": 2}, "least is 3, more than most, 2"),
        ({"models": "emoji,emojo"}, "no model 'emojo'; did you mean 'emoji'"),
        ({"cpus": 0}, "cpus"),
    ],
)
def test_settings_that_cannot_be_meant(given: dict[str, object], told: str) -> None:
    with pytest.raises((UsageError, OrnsteinError), match=told):
        cluster.application(given)
