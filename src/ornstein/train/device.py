"""Which device to train on."""

from __future__ import annotations

import torch

from ornstein.errors import UsageError


def find_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is the first GPU if there is one, else the CPU.

    Raises:
        UsageError: unknown, or not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise UsageError(f"unknown device {name!r}; known: auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("this machine or this build of torch has no CUDA device; use --device cpu")
    return torch.device(name)
