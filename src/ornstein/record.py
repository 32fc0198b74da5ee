"""The replay record: everything needed to make a picture again, bit for bit; it travels inside the picture."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from ornstein import __version__
from ornstein.config import Config
from ornstein.control.source import Brought
from ornstein.request import Request

MAX_ROWS = 64
MAX_BUCKET = 4 * MAX_ROWS
LATER = ("policy", "mark", "second", "source")


class ModelName(Config):
    """Which model: its name for people, and a hash of recipe and weights; None for one that was never saved."""

    name: str = Field(max_length=200)
    fingerprint: str | None = Field(pattern=r"^[0-9a-f]{64}$")


class Computation(Config):
    """How it was computed: numbers depend on the shape of a batch and on how work is split over threads.

    Attributes:
        rows: of the batch. row: this picture's. dtype: of the products. threads: that shared the work.
        bucket: rows of every call of the network, where others' pictures filled it up; None where it was the batch.
    """

    rows: int = Field(ge=1, le=MAX_ROWS)
    row: int = Field(ge=0, lt=MAX_ROWS)
    dtype: Literal["float32", "bfloat16"]
    threads: int = Field(ge=1, le=1024)
    bucket: Annotated[int, Field(ge=1, le=MAX_BUCKET)] | None = None

    @model_validator(mode="after")
    def _inside(self) -> Computation:
        if self.row >= self.rows:
            raise ValueError(f"row {self.row} lies outside a batch of {self.rows}")
        return self

    @model_serializer(mode="wrap")
    def _shortly(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As ``Record``."""
        return {name: value for name, value in whole(self).items() if value is not None}


class Platform(Config):
    """What computed it; another one may round differently."""

    ornstein: str = Field(max_length=100)
    torch: str = Field(max_length=100)
    machine: str = Field(max_length=200)

    @classmethod
    def here(cls, device: torch.device) -> Platform:
        """This process, computing on `device`."""
        machine = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
        if device.type == "cuda":
            machine += f" {torch.cuda.get_device_name(device)}"
        return cls(ornstein=__version__, torch=torch.__version__, machine=machine)

    def differences(self, other: Platform) -> list[str]:
        """What differs, one phrase for each: ``"torch 2.12.0 then, 2.13.0 now"``."""
        mine, theirs = self.model_dump(), other.model_dump()
        return [
            f"{name} {mine[name]} then, {theirs[name]} now" for name in mine if mine[name] != theirs[name]
        ]


class FileForm(Config):
    """How the picture was written.

    Attributes:
        format: of the file. background: what stands behind transparent parts; None for nothing.
        quality: of WebP and JPEG, 0 to 100; None for lossless WebP and JPEG at 95.
    """

    format: Literal["png", "webp", "jpeg"] = "png"
    background: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")] | None = None
    quality: Annotated[int, Field(ge=0, le=100)] | None = None

    @model_serializer(mode="wrap")
    def _shortly(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without a quality that was not chosen, which old records do not know."""
        return {name: value for name, value in whole(self).items() if value is not None or name != "quality"}


class Mark(Config):
    """The code that the noise of a picture carries, and the first digits of the sha256 of the key it was made with."""

    key: str = Field(pattern=r"^[0-9a-f]{16}$")
    code: int = Field(ge=0, lt=4096)


class Second(Config):
    """A mark in finished pixels: how it is made, and the first digits of the sha256 of its key."""

    how: Literal["pattern", "rivagan"]
    key: str = Field(pattern=r"^[0-9a-f]{16}$")


class Record(Config):
    """One picture's record, version 1.

    Attributes:
        policy: hash of the policy under which it was made; None without a guard. mark: None without a watermark.
        second: the mark that its file gets; None without. source: what it was made from; None for noise alone.
    """

    version: Literal[1] = 1
    request: Request
    model: ModelName
    computation: Computation
    platform: Platform
    form: FileForm = FileForm()
    policy: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    mark: Mark | None = None
    second: Second | None = None
    source: Brought | None = None

    @model_serializer(mode="wrap")
    def _shortly(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what was not there, of what old records do not know: those replay to the same bytes."""
        return {name: value for name, value in whole(self).items() if value is not None or name not in LATER}


@contextmanager
def sharing(count: int) -> Iterator[None]:
    """Share work over as many threads as then, as far as this machine has cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(count, max(before, os.cpu_count() or 1)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
