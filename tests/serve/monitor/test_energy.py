"""Energy is what a counter says where there is one, an estimate else, and both are called what they are."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pynvml
import pytest
import torch

from ornstein.config import parse
from ornstein.drawing import Spent
from ornstein.errors import UsageError
from ornstein.evaluate import energy
from ornstein.evaluate.prices import Prices
from ornstein.serve.monitor.energy import Meter

CPU = torch.device("cpu")


class Machine:
    """A clock, and a counter of what is drawn: so many watts."""

    now, joules = 100.0, 5e6

    def run(self, seconds: float, watts: float) -> None:
        self.now += seconds
        self.joules += seconds * watts


def meter(machine: Machine, **given: object) -> Meter:
    return Meter(CPU, cores=2, joules=lambda: machine.joules, clock=lambda: machine.now, **given)


def test_a_request_is_charged_the_power_at_work_over_its_own_seconds():
    machine = Machine()
    found = meter(machine)
    assert not found.measured
    for _ in range(100):
        machine.run(0.25, 80.0)
        found.worked(0.24)
    charge = found.charge(Spent(16, 9.0, 2.0, 0.0), pictures=4)
    assert charge.measured and charge.joules == pytest.approx(160)


def test_power_while_nothing_is_done_is_nobodys():
    machine = Machine()
    found = meter(machine)
    for _ in range(20):
        machine.run(0.25, 80.0)
        found.worked(0.25)
    machine.run(3600, 15.0)  # the night
    found.worked(0.25)
    assert found.watts == pytest.approx(80)


def test_the_charges_of_all_requests_are_what_the_counter_counted():
    machine, total = Machine(), 0.0
    found = meter(machine)
    machine.run(2.5, 64.0)
    found.worked(2.5)
    before = machine.joules
    for k in range(200):  # four requests share each call
        machine.run(0.2, 64.0)
        found.worked(0.2)
        total += found.charge(Spent(1, 0, 0.2 * (k % 2), 0), 1).joules * 2
    assert total == pytest.approx(machine.joules - before, rel=0.01)


def test_without_a_counter_it_is_an_estimate_and_says_so(monkeypatch):
    monkeypatch.setattr("ornstein.serve.monitor.energy.counter", lambda device: None)
    charge = Meter(CPU, cores=2).charge(Spent(8, 1.0, 3.0, 1.0), 1)
    assert not charge.measured
    assert charge.joules == 3.0 * 2 * energy.WATTS_A_CORE + 1.0 * energy.WATTS_A_CORE


def test_a_gpu_is_asked_by_functions_that_its_library_has():
    asked = set(re.findall(r"nvml[A-Z]\w+", inspect.getsource(energy._gpu_counter)))
    assert len(asked) == 3 and all(callable(getattr(pynvml, name)) for name in asked)
    assert torch.cuda.is_available() or energy.counter(torch.device("cuda")) is None


def test_prices_are_by_the_second_or_by_the_picture():
    spent = Spent(8, 50.0, 1800.0, 3600.0)
    by_second = meter(Machine(), prices=Prices(core_hour=0.1, currency="EUR")).charge(spent, 4)
    assert (by_second.price, by_second.currency) == (pytest.approx(0.5 * 2 * 0.1 + 0.1), "EUR")
    assert meter(Machine(), prices=Prices(per_picture=0.02)).charge(spent, 4).price == pytest.approx(0.08)
    assert Prices(gpu_hour=3.0).of(1200, torch.device("cuda"), 16) == pytest.approx(1.0)
    for bad in ({"core_hour": -1}, {"currency": "euro"}, {"core_houre": 1}):
        with pytest.raises(UsageError):
            parse(Prices, bad)


def test_a_processors_counter_goes_on_where_its_register_begins_again(tmp_path: Path):
    for zone, name in (("intel-rapl:0", "package-0"), ("intel-rapl:1", "psys")):
        (tmp_path / zone).mkdir()
        for file, text in (("name", name), ("energy_uj", "900000"), ("max_energy_range_uj", "999999")):
            (tmp_path / zone / file).write_text(f"{text}\n")
    joules = energy._package_counter(tmp_path)
    assert joules is not None and joules() == 0
    for reading, total in ((950_000, 0.05), (50_000, 0.15), (50_000, 0.15), (999_999, 1.099999)):
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text(str(reading))
        assert joules() == pytest.approx(total)
    assert energy._package_counter(tmp_path / "nowhere") is None
