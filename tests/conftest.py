"""The core's shape and dtype annotations are checked while the tests run: jaxtyping reads, beartype checks."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import greenlet
import jaxtyping._decorator
import jaxtyping._storage
import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

FIRST = 20  # calls of each function, in every setup and every test, whose shapes are checked
CHECKED = ("process", "denoise", "sample", "guide", "net", "condition.tokens", "control")

# before anything imports the packages, hence here and at module level
install_import_hook([f"ornstein.{name}" for name in CHECKED], "beartype.beartype")


class _OfGreenlet:
    """What jaxtyping remembers of shapes while a function runs, kept apart where functions are halted in the middle."""

    @property
    def memo_stack(self) -> list[object]:
        return greenlet.getcurrent().__dict__.setdefault("shapes", [])


class _AtFirst:
    """jaxtyping's settings: what a sampler or a training run calls ten thousand times is checked twenty times.

    A check costs as much as a call of a small network, and later calls repeat the first ones.
    """

    jaxtyping_remove_typechecker_stack = False

    def __init__(self) -> None:
        self.calls = Counter[object]()

    @property
    def jaxtyping_disable(self) -> bool:
        """Asked before every call, by the wrapper of the function that is called."""
        if torch.compiler.is_compiling():  # which cannot look at frames
            return True
        function = sys._getframe(1).f_locals["fn"]
        self.calls[function] += 1
        return self.calls[function] > FIRST


checks = _AtFirst()
jaxtyping._decorator.config = checks
jaxtyping._storage._shape_storage = _OfGreenlet()

if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # a core each: sharing small products among threads costs more than it gains
    torch.set_num_threads(1)

# the same examples on every machine, however slow it is
settings.register_profile("suite", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("suite")


def pytest_runtest_setup() -> None:
    """Check shapes anew."""
    checks.calls.clear()


def pytest_runtest_call() -> None:
    """Check shapes anew."""
    checks.calls.clear()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that hold slow tests come first: whoever ends with one would leave all others waiting for it."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys, certificates and records of the tests lie in a folder of their own, under a policy of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORNSTEIN_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("ORNSTEIN_POLICY", str(Path(__file__).parent / "policy.yaml"))
        yield
