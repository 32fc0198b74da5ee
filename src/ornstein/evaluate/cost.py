"""What a thousand pictures cost: time, network evaluations, memory, energy, money.

Energy is read from the GPU's own counter where there is one (NVML). On a processor nobody can read it without special
rights, so there it is an estimate and called one. Prices are assumptions too; both are named in the report.
"""

from __future__ import annotations

import importlib
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ornstein.evaluate.samples import Settings
from ornstein.model import Model

WATTS_A_CORE = 10.0  # of a server under load, memory and losses included
DOLLARS_A_CORE_HOUR, DOLLARS_A_GPU_HOUR = 0.04, 3.0  # of the order of public clouds' list prices in 2026


@dataclass(frozen=True)
class Cost:
    """Of a thousand pictures.

    Attributes:
        seconds: of work on this machine.
        evaluations: of the network, each row counted: twice a step where guidance acts.
        peak_megabytes: most memory the process has held so far, of the GPU where one computes.
        watt_hours: energy.
        energy_is_measured: False where it is estimated from time and `WATTS_A_CORE`.
        dollars: at the prices in this module.
        machine: what computed.
    """

    seconds: float
    evaluations: float
    peak_megabytes: float
    watt_hours: float
    energy_is_measured: bool
    dollars: float
    machine: str

    def facts(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def cost(model: Model, prompts: Sequence[str], settings: Settings) -> Cost:
    """Make one picture of each prompt and count; the first batch is made once before, to warm up."""
    values, device = asdict(settings), model.device
    model.generate(list(prompts), 0, **values)
    with _counted(model) as rows, _energy(device) as joules:
        started = time.perf_counter()
        model.generate(list(prompts), 0, **values)
        seconds = time.perf_counter() - started
    scale = 1000 / len(prompts)
    measured = joules()
    cores = torch.get_num_threads()
    watt_hours = (measured if measured is not None else seconds * cores * WATTS_A_CORE) / 3600
    hourly = DOLLARS_A_GPU_HOUR if device.type == "cuda" else cores * DOLLARS_A_CORE_HOUR
    machine = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{cores} of {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"
    )
    return Cost(
        seconds=seconds * scale,
        evaluations=sum(rows) * scale,
        peak_megabytes=_peak(device),
        watt_hours=watt_hours * scale,
        energy_is_measured=measured is not None,
        dollars=seconds / 3600 * hourly * scale,
        machine=machine,
    )


@contextmanager
def _counted(model: Model) -> Iterator[list[int]]:
    """While entered, the rows of every evaluation of the network are noted."""
    rows: list[int] = []
    handle = model.inference().register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    try:
        yield rows
    finally:
        handle.remove()


@contextmanager
def _energy(device: torch.device) -> Iterator[Callable[[], float | None]]:
    """Yield what tells the joules a GPU has spent since; None where they cannot be read."""
    counter = _gpu_counter(device)
    before = counter() if counter else None
    yield lambda: counter() - before if counter and before is not None else None


def _gpu_counter(device: torch.device) -> Callable[[], float] | None:
    if device.type != "cuda":
        return None
    try:
        pynvml = importlib.import_module("pynvml")
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(device.index or 0)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # no library, no rights, or a GPU without a counter
        return None
    return lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000


def _peak(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform == "linux" else 1e6)
