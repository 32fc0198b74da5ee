"""Energy: read from a counter where the machine has one that may be read, else estimated from time.

A GPU counts what it draws itself (NVML). A processor counts for its whole package, whoever works on it (RAPL), and
mostly lets only the administrator read that. Everything else is an assumption, named here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import torch

WATTS_A_CORE = 10.0  # of a server under load, memory and losses included
WATTS_A_GPU = 400.0  # of a data centre's GPU under load
POWERCAP = Path("/sys/class/powercap")

Counter = Callable[[], float]
"""Tells joules since some moment in the past; never falls."""


def counter(device: torch.device) -> Counter | None:
    """The counter of what computes on a device; None where there is none that may be read."""
    return _gpu_counter(device) if device.type == "cuda" else _package_counter(POWERCAP)


def estimated_watts(device: torch.device, cores: int) -> float:
    """What a device draws under load, by assumption: a GPU, or so many cores."""
    return WATTS_A_GPU if device.type == "cuda" else cores * WATTS_A_CORE


def _gpu_counter(device: torch.device) -> Counter | None:
    try:
        pynvml = importlib.import_module("pynvml")
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # no library, no rights, or a GPU without a counter
        return None
    return lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000


def _package_counter(folder: Path) -> Counter | None:
    """Of all packages of a processor: the zones directly below; those within them would count twice."""
    try:
        zones = [_Zone(zone) for zone in sorted(folder.glob("intel-rapl:?")) if _is_package(zone)]
    except (OSError, ValueError):
        return None
    return (lambda: sum(zone.joules() for zone in zones)) if zones else None


def _is_package(zone: Path) -> bool:
    return (zone / "name").read_text().startswith("package")


class _Zone:
    """A RAPL zone: microjoules that begin again at zero where the register is full."""

    def __init__(self, folder: Path) -> None:
        self._file, self._range = folder / "energy_uj", int((folder / "max_energy_range_uj").read_text())
        self._last, self._total = int(self._file.read_text()), 0

    def joules(self) -> float:
        """Since this began, provided that somebody asks more often than the register fills: every few minutes."""
        try:
            found = int(self._file.read_text())
        except (OSError, ValueError):
            return self._total / 1e6
        self._total += (found - self._last) % (self._range + 1)
        self._last = found
        return self._total / 1e6
