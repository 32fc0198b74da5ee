"""Hostile bodies and pictures: nothing may be a 500, and nothing of another key may come out."""

from __future__ import annotations

import argparse
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from benchmarks.serve.processes import BARE, Service, ours, running
from PIL import Image

FIELDS = (
    "prompt", "model", "n", "size", "quality", "style", "response_format", "output_format", "output_compression",
    "background", "moderation", "stream", "partial_images", "user", "negative_prompt", "num_inference_steps",
    "guidance_scale", "seed", "sampler", "compose", "rule", "schedule", "strength",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 10**400, -0.0, 1e308, 1e-320, float("nan"), float("inf"), "", " ",
    "cat", "\0", "\ud800", "\u202e\u200b", "a" * 10_000, "../../etc/passwd", "%2e%2e/", "64x64", "0x0", "-1x5",
    "999999999x999999999", "9" * 400, "auto", "url", "b64_json", "dpmpp-2m", "rescaled:share=nan", "[a|b", "(((((",
    [], [[]], [None] * 1000, {}, {"a": {"b": {}}}, {"$ref": "#"}, ["cat"], "{{7*7}}", "' or 1=1 --", "<script>",
)  # fmt: skip
PATHS = ("/v1/images/generations", "/v1/images/edits", "/v1/images/variations")
READ = (
    "/v1/outputs/{}", "/v1/outputs/{}/content", "/v1/models/{}", "/v1/models/{}/card", "/v1/history?search={}",
    "/v1/history?before={}&limit={}", "/v1/costs?since={}", "/v1/outputs/{}/content?format={}&background={}", "/{}",
)  # fmt: skip

SCOPES = ("--scope", "generate", "--scope", "edit", "--scope", "read")
Random = np.random.Generator
Send = Callable[[httpx.Client], httpx.Response]


def bodies(random: Random) -> Send:
    """JSON that is nearly right, or not JSON at all."""
    body: dict[str, Any] = {"prompt": "cat", "num_inference_steps": 1}
    for _ in range(int(random.integers(1, 4))):
        body[str(random.choice(FIELDS))] = VALUES[int(random.integers(len(VALUES)))]
    try:
        data = json.dumps(body).encode()
    except ValueError:
        data = b'{"prompt": "cat", "seed": NaN}'
    match int(random.integers(6)):
        case 0:
            data = data[: int(random.integers(len(data) + 1))]
        case 1:
            data = _mutated(random, data)
        case 2:
            data = b"[" * 20_000 + data
        case _:
            pass
    kind = str(
        random.choice(["application/json"] * 6 + ["text/plain", "application/xml", "multipart/form-data", ""])
    )
    path = str(random.choice(PATHS))
    return lambda client: client.post(path, content=data, headers={"content-type": kind})


def pictures(random: Random) -> Send:
    """Forms with pictures that are none, or too much."""
    image, mask = hostile(random), hostile(random)
    name = str(random.choice(["a.png", "../../a.png", "a\0.png", "\u202egnp.exe", "x" * 5000, ""]))
    files: dict[str, Any] = {
        "image": (name, image, str(random.choice(["image/png", "text/html", "image/svg+xml"])))
    }
    if random.random() < 0.5:
        files["mask"] = ("m.png", mask, "image/png")
    fields = {
        "prompt": "cat",
        "num_inference_steps": "1",
        "strength": str(random.choice(["0.2", "nan", "-1", "1e9", ""])),
    }
    path = str(random.choice(PATHS[1:]))
    return lambda client: client.post(path, data=fields, files=files)


def hostile(random: Random) -> bytes:
    """A picture file of the kind that nobody should send."""
    good = _png(Image.fromarray(random.integers(0, 256, (64, 64, 4), dtype=np.uint8)))
    match int(random.integers(9)):
        case 0:
            return good[: int(random.integers(len(good)))]
        case 1:
            return _mutated(random, good)
        case 2:
            return _bomb(int(random.integers(20_000, 60_000)))
        case 3:
            return os.urandom(int(random.integers(1, 5000)))
        case 4:
            return b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://169.254.169.254/"/></svg>'
        case 5:
            return _png(Image.new("L", (1, 5000)))
        case 6:
            file = io.BytesIO()
            Image.new("CMYK", (32, 48)).save(file, "JPEG")
            return file.getvalue()
        case 7:
            file = io.BytesIO()
            frames = [Image.new("RGB", (8, 8), (k, 0, 0)) for k in range(50)]
            frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
            return file.getvalue()
        case _:
            return b""


def readings(random: Random) -> Send:
    """Addresses with what does not belong there."""
    words = [str(value)[:2000] for value in VALUES]
    path = str(random.choice(READ)).format(*(str(random.choice(words)) for _ in range(3)))
    path = path.encode("utf-8", "ignore").decode().replace("\0", "%00")
    method = str(random.choice(["GET", "GET", "GET", "DELETE", "PUT", "OPTIONS"]))
    return lambda client: client.request(method, path[:4000])


def fuzz(arguments: argparse.Namespace) -> dict[str, Any]:
    """As many hostile requests, by one key, beside pictures of another."""
    statuses: Counter[int] = Counter()
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        mine, other = (_key(home, name) for name in ("mine", "other"))
        with running("Ornstein", ours(BARE), home=home) as service:
            theirs = _make(service, other)

            def one(number: int) -> None:
                random = np.random.default_rng(number)
                send = (bodies, bodies, pictures, readings)[number % 4](random)
                headers = {"authorization": f"Bearer {mine}"}
                with httpx.Client(base_url=service.url, headers=headers, timeout=120) as client:
                    try:
                        answer = send(client)
                    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError) as error:
                        statuses[0] += 1
                        if service.process.poll() is not None:
                            broken.append(f"{number}: gone after {type(error).__name__}")
                        return
                statuses[answer.status_code] += 1
                if answer.status_code in (500, 502, 504) or "Traceback" in answer.text[:5000]:
                    broken.append(f"{number}: {answer.status_code} {answer.text[:200]}")
                if any(name in answer.text for name in theirs):
                    broken.append(f"{number}: shows another key's picture")

            with ThreadPoolExecutor(8) as pool:
                list(pool.map(one, range(arguments.count)))
            leaks = sum(_reads(service, mine, name) for name in theirs)
            alive = service.process.poll() is None
    figures = {
        "requests": arguments.count, "statuses": {str(key): count for key, count in sorted(statuses.items())},
        "500, or a trace": len(broken), "first": broken[:5], "another key's pictures that were read": leaks,
        "alive": alive,
    }  # fmt: skip
    for name, value in figures.items():
        print(f"{name:40s} {value}")
    return figures


def _key(home: Path, name: str) -> str:
    command = [
        sys.executable,
        "-m",
        "ornstein",
        "keys",
        "create",
        name,
        *SCOPES,
        "--json",
    ]
    environment = os.environ | {"ORNSTEIN_HOME": str(home / "models")}
    return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)[
        "secret"
    ]


def _make(service: Service, secret: str) -> list[str]:
    body = {"prompt": "a fox", "n": 2, "num_inference_steps": 2}
    headers = {"authorization": f"Bearer {secret}"}
    answer = httpx.post(f"{service.url}/v1/images/generations", json=body, headers=headers, timeout=60)
    return [picture["id"] for picture in answer.raise_for_status().json()["data"]]


def _reads(service: Service, secret: str, name: str) -> int:
    """How many ways there are to another key's picture."""
    headers = {"authorization": f"Bearer {secret}"}
    tried = [
        ("GET", f"/v1/outputs/{name}"), ("GET", f"/v1/outputs/{name}/content"), ("DELETE", f"/v1/outputs/{name}"),
    ]  # fmt: skip
    found = [
        httpx.request(verb, service.url + path, headers=headers, timeout=30).status_code
        for verb, path in tried
    ]
    history = httpx.get(f"{service.url}/v1/history", headers=headers, timeout=30).text
    return sum(status != 404 for status in found) + (name in history)


def _mutated(random: Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(int(random.integers(1, 10))):
        out[int(random.integers(len(out)))] = int(random.integers(256))
    return bytes(out)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _bomb(side: int) -> bytes:
    """A PNG whose header promises more pixels than it holds."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100_000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
