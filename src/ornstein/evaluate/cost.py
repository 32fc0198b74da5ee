"""What a thousand pictures cost: time, network evaluations, memory, energy, money.

Energy is read from a counter where there is one that may be read; else it is an estimate and called one. Prices are
assumptions too; both are named in the report.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ornstein.evaluate.energy import counter, estimated_watts
from ornstein.evaluate.prices import Prices
from ornstein.evaluate.samples import Settings
from ornstein.model import Model


@dataclass(frozen=True)
class Cost:
    """Of a thousand pictures.

    Attributes:
        seconds: of work on this machine.
        evaluations: of the network, each row counted: twice a step where guidance acts.
        peak_megabytes: most memory the process has held so far, of the GPU where one computes.
        watt_hours: energy.
        energy_is_measured: False where it is estimated from time.
        dollars: at the prices of ``Prices``.
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
    joules, cores = counter(device), torch.get_num_threads()
    with _counted(model) as rows:
        before, started = joules() if joules else 0.0, time.perf_counter()
        model.generate(list(prompts), 0, **values)
        seconds = time.perf_counter() - started
        spent = joules() - before if joules else seconds * estimated_watts(device, cores)
    scale = 1000 / len(prompts)
    machine = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{cores} of {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"
    )
    return Cost(
        seconds=seconds * scale,
        evaluations=sum(rows) * scale,
        peak_megabytes=_peak(device),
        watt_hours=spent / 3600 * scale,
        energy_is_measured=joules is not None,
        dollars=Prices().of(seconds, device, cores) * scale,
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


def _peak(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform == "linux" else 1e6)
