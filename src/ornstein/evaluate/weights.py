"""A small trained network on disk: its weights beside what is known of it, written whole, read only if unaltered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ornstein.data.atomic import new_folder
from ornstein.errors import OrnsteinError


def save_weights(folder: Path, what: str, network: nn.Module, facts: Mapping[str, Any]) -> None:
    """Write ``WHAT.safetensors`` and ``WHAT.json``; weights in bfloat16, running variances too."""
    from safetensors.torch import save

    tensors = {
        name: value.to(torch.bfloat16) if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    content = save({name: value.contiguous() for name, value in tensors.items()})
    header = {"sha256": hashlib.sha256(content).hexdigest(), **facts}
    with new_folder(folder, force=True) as part:
        (part / f"{what}.safetensors").write_bytes(content)
        (part / f"{what}.json").write_text(json.dumps(header, indent=1), encoding="utf-8")


def read_header(folder: Path, what: str) -> dict[str, Any]:
    """What is known of the network in a folder; empty where there is none.

    Raises:
        OrnsteinError: a header that cannot be read.
    """
    file = folder / f"{what}.json"
    try:
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, ValueError) as error:
        raise OrnsteinError(f"{folder} holds no readable {what}: {error}") from error


def load_weights(folder: Path, what: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and float32 weights.

    Raises:
        OrnsteinError: there are none, or they are damaged or altered.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        header = json.loads((folder / f"{what}.json").read_text(encoding="utf-8"))
        content = (folder / f"{what}.safetensors").read_bytes()
        altered = hashlib.sha256(content).hexdigest() != header["sha256"]
        tensors = {} if altered else {name: value.float() for name, value in load(content).items()}
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise OrnsteinError(f"{folder} holds no readable {what}: {error}") from error
    if altered:
        raise OrnsteinError(f"{folder / what}.safetensors was altered: train the {what} again")
    return header, tensors
