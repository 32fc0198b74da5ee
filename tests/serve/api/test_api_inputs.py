"""Bad input: one shape of error, the field named, and never a 500."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ornstein.serve.api.errors import BROKEN
from tests.serve.api.running import Running, mask, picture

GENERATIONS = "/v1/images/generations"


def _refused(reply: Any, status: int) -> dict[str, Any]:
    """The error of a reply, which is the shape that all have."""
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert error["message"] and error["message"] != BROKEN and "\n" not in error["message"]
    assert error["type"]
    assert {"param", "code"} <= set(error)
    assert reply.headers["x-request-id"]
    assert "Traceback" not in reply.text
    return error


@pytest.mark.parametrize(
    ("said", "param", "hint"),
    [
        ({"promt": "x"}, "promt", "prompt"),
        ({"num_steps": 3}, "num_steps", "num_inference_steps"),
        ({"prompt": ""}, "prompt", "at least 1"),
        ({"prompt": "x" * 2001}, "prompt", "2000"),
        ({"prompt": 7}, "prompt", "string"),
        ({"prompt": None}, "prompt", "string"),
        ({"n": 0}, "n", "greater"),
        ({"n": 11}, "n", "10"),
        ({"n": "2"}, "n", "integer"),
        ({"n": 1e300}, "n", "integer"),
        ({"n": True}, "n", "integer"),
        ({"size": "1024x1024"}, "size", "256x256"),
        ({"size": "32x40"}, "size", "square"),
        ({"size": "-1x-1"}, "size", "pattern"),
        ({"size": "99999x99999"}, "size", "256x256"),
        ({"size": "../../etc"}, "size", "pattern"),
        ({"quality": "best"}, "quality", "'low'"),
        ({"output_format": "gif"}, "output_format", "'png'"),
        ({"output_format": "jpeg", "background": "transparent"}, None, "JPEG"),
        ({"output_compression": 50}, None, "webp"),
        ({"response_format": "file"}, "response_format", "'url'"),
        ({"partial_images": 2}, None, "stream"),
        ({"partial_images": 4, "stream": True}, "partial_images", "3"),
        ({"num_inference_steps": 100_000}, "num_inference_steps", "1000"),
        ({"guidance_scale": 1e9}, "guidance_scale", "30"),
        ({"seed": -1}, "seed", "0"),
        ({"seed": 2**60}, "seed", "9007199254740991"),
        ({"sampler": "dpmp-2m"}, None, "dpmpp-2m"),
        ({"sampler": "fitted"}, None, "fit"),
        ({"rule": "rescald"}, None, "rescaled"),
        ({"rule": "rescaled:share"}, None, "name=value"),
        ({"style": "Note style"}, "style", "Noto style"),
        ({"compose": True, "prompt": "a AND"}, None, ""),
        ({"model": "x" * 201}, "model", "200"),
        ({"prompt": "a\u0000b"}, None, "text"),
        ({"prompt": "a\ud800b"}, None, ""),
    ],
)
def test_a_field_that_cannot_be_meant_is_named(
    open_server: Running, said: dict[str, Any], param: str | None, hint: str
) -> None:
    body = {"prompt": "a cow", **said}
    with open_server.http() as client:
        error = _refused(
            client.post(GENERATIONS, content=json.dumps(body), headers={"content-type": "application/json"}),
            400,
        )
    assert param is None or error["param"] == param
    assert hint in error["message"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/json", 400), (b"{", "application/json", 400), (b"[]", "application/json", 415),
        (b'"x"', "application/json", 415), (b"[" * 50_000, "application/json", 400),
        (b'{"prompt": NaN}', "application/json", 400),
        (b'{"prompt": "a cow", "guidance_scale": NaN}', "application/json", 400),
        (b'{"prompt": "a cow", "seed": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b"\xff\xfe\x00", "application/json", 400), (b'{"prompt": "a cow"}', "text/plain", 415),
        (b"prompt=a+cow", "application/x-www-form-urlencoded", 415),
    ],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_refused(
    open_server: Running, content: bytes, kind: str, status: int
) -> None:
    with open_server.http() as client:
        _refused(client.post(GENERATIONS, content=content, headers={"content-type": kind}), status)


def test_paths_and_methods_that_are_not_there_answer_in_the_same_shape(open_server: Running) -> None:
    with open_server.http() as client:
        _refused(client.get("/v1/nothing"), 404)
        _refused(client.put("/v1/history"), 405)
        _refused(client.get("/v1/models/smal"), 404)
        _refused(client.get("/v1/outputs/img_0"), 404)
        _refused(client.get("/v1/outputs/%2e%2e%2fkey"), 404)
        _refused(client.get("/v1/outputs/x/content?format=exe"), 400)
        _refused(client.get("/v1/history?limit=1000"), 400)
        _refused(client.get("/v1/history?before=none"), 400)
        _refused(client.get("/v1/costs?by=person"), 400)


@pytest.mark.parametrize(
    ("files", "words", "status", "hint"),
    [
        ({}, {"prompt": "x"}, 415, "multipart"),
        ({"file": picture()}, {"prompt": "x"}, 400, "image"),
        ({"image": picture()}, {}, 400, "prompt"),
        ({"image": picture()}, {"prompt": "x", "strenght": "1"}, 400, "strength"),
        ({"image": picture()}, {"prompt": "x", "strength": "2"}, 400, "strength"),
        ({"image": picture()}, {"prompt": "x", "strength": "nan"}, 400, "strength"),
        ({"image": picture()}, {"prompt": "x", "n": "many"}, 400, "n"),
        ({"image": picture(), "mask": mask(16)}, {"prompt": "x"}, 400, "16 x 16"),
        ({"image": picture(), "mask": picture()}, {"prompt": "x"}, 400, "transparent"),
        ({"image": picture(), "mask": b"no"}, {"prompt": "x"}, 400, "mask"),
        ({"image": b""}, {"prompt": "x"}, 400, "picture"),
        ({"mask": mask()}, {"prompt": "x"}, 400, "image"),
        ({"mask": mask()}, {"prompt": "x", "image_url": "https://example.com/a.png"}, 400, "no addresses"),
    ],
)
def test_a_form_that_cannot_be_meant_is_told_why(
    open_server: Running, files: dict[str, bytes], words: dict[str, str], status: int, hint: str
) -> None:
    with open_server.http() as client:
        reply = client.post(
            "/v1/images/edits", data=words, files={name: (name, data) for name, data in files.items()}
        )
    assert hint in _refused(reply, status)["message"]


def test_one_picture_is_edited_at_a_time_and_parts_are_few(open_server: Running) -> None:
    with open_server.http() as client:
        twice = [("image[]", ("a", picture())), ("image[]", ("b", picture()))]
        assert (
            "one picture"
            in _refused(client.post("/v1/images/edits", data={"prompt": "x"}, files=twice), 400)["message"]
        )
        many = [("image", (str(k), b"x")) for k in range(9)]
        _refused(client.post("/v1/images/edits", data={"prompt": "x"}, files=many), 400)
        words = {f"field{k}": "x" for k in range(99)}
        _refused(client.post("/v1/images/edits", data=words, files={"image": picture()}), 400)
        _refused(
            client.post("/v1/images/edits", data={"prompt": "x" * 40_000}, files={"image": picture()}), 400
        )
        broken = {"content-type": "multipart/form-data"}
        _refused(client.post("/v1/images/edits", content=b"--x", headers=broken), 400)


def test_what_came_back_says_nothing_of_the_machine(open_server: Running) -> None:
    with open_server.http() as client:
        reply = client.get("/v1/models")
    assert "server" not in reply.headers
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in reply.headers["content-security-policy"]
