"""The description of the interface is true: what it allows is answered, and as it says."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.serve.api.running import Running

CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 404, 409, 422]  # a schema cannot say what a policy refuses, nor which models there are
"""


def test_every_route_says_what_it_answers_and_every_error_has_one_shape(open_server: Running) -> None:
    with open_server.http() as client:
        schema: dict[str, Any] = client.get("/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            assert route.get("description") or route.get("summary"), path
            for status, answer in route["responses"].items():
                assert answer["description"], (path, method, status)
                if int(status) >= 400:
                    there = answer["content"]["application/json"]["schema"]["$ref"]
                    assert there.endswith("/ErrorReply"), (path, method, status)
    form = schema["paths"]["/v1/images/edits"]["post"]["requestBody"]["content"]["multipart/form-data"][
        "schema"
    ]
    assert form["properties"]["image"]["format"] == "binary"
    assert form["additionalProperties"] is False


def test_the_description_is_valid_openapi(open_server: Running) -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    with open_server.http() as client:
        validator.validate(client.get("/openapi.json").json())


def test_a_method_that_is_not_taken_is_answered_with_those_that_are(open_server: Running) -> None:
    with open_server.http() as client:
        assert client.options("/v1/outputs/x").headers["allow"] == "DELETE, GET"
        assert client.delete("/v1/me").headers["allow"] == "GET"


@pytest.mark.slow
def test_no_request_that_a_machine_thinks_up_breaks_a_promise(keyed: Running, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    _, secret = keyed.key("machine")
    done = subprocess.run(
        ["st", "--config-file", "schemathesis.toml", "run", f"{keyed.address}/openapi.json", "--no-color",
         "--header", f"Authorization: Bearer {secret}", "--phases", "examples,coverage,fuzzing", "--max-examples", "3",
         "--generation-deterministic", "--continue-on-failure", "--max-time", "30"],
        capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
