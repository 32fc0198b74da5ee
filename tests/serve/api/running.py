"""A real server in a thread, pictures to send it, and what clients see of it."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from openai import OpenAI
from PIL import Image

from ornstein.serve.books import Key, Limits
from ornstein.serve.listening import bound, server
from ornstein.serve.opening import open_service
from ornstein.serve.service import Bounds, Service

ALL = ("generate", "edit", "read")


@dataclass(frozen=True)
class Running:
    """A server that listens. `address`: without a slash at its end."""

    address: str
    service: Service
    server: uvicorn.Server

    def openai(self, secret: str = "none", **options: Any) -> Any:
        """OpenAI's client, as it is; it does not try again."""
        return OpenAI(base_url=f"{self.address}/v1", api_key=secret, max_retries=0, timeout=60, **options)

    def http(self, secret: str | None = None, **options: Any) -> httpx.Client:
        """A plain client."""
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        return httpx.Client(base_url=self.address, headers=headers, timeout=60, **options)

    def key(self, name: str, *scopes: str, **limits: Any) -> tuple[Key, str]:
        """A new key and its secret."""
        return self.service.books.keys.create(name, scopes or ALL, Limits(**limits))


@contextmanager
def running(
    folder: Path,
    *bundles: Path,
    bounds: Bounds | None = None,
    keyed: bool = False,
    database: str | None = None,
) -> Iterator[Running]:
    """A server of bundles on books of its own, ready; `keyed`: it was started when there was a key already."""
    database = database or f"sqlite:///{folder / 'books.sqlite3'}"
    if keyed:
        open_service(bundles, database=database, store=str(folder / "store")).books.keys.create(
            "first", ["admin"]
        )
    service = open_service(bundles, database=database, store=str(folder / "store"), bounds=bounds)
    service.load(bundles)
    listening, it = bound("127.0.0.1", 0), server(service, grace=3)
    thread = threading.Thread(target=it.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until(lambda: it.started)
    try:
        yield Running(f"http://127.0.0.1:{listening.getsockname()[1]}", service, it)
    finally:
        it.should_exit = True
        thread.join(20)


def until(true: Any, seconds: float = 20.0) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it never came true"
        time.sleep(0.01)


def png(array: np.ndarray) -> bytes:
    """A picture file of straight RGBA, RGB or grey pixels."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def picture(side: int = 32, seed: int = 0) -> bytes:
    """A PNG of smooth colours, opaque RGBA."""
    coarse = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), np.uint8)
    image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).convert("RGBA")
    return png(np.asarray(image))


def mask(side: int = 32) -> bytes:
    """A mask whose upper half is transparent: to be drawn anew."""
    array = np.zeros((side, side, 4), np.uint8)
    array[side // 2 :, :, 3] = 255
    return png(array)


def pixels(data: bytes) -> np.ndarray:
    """The pixels of a file, straight RGBA."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
