"""The core's shape and dtype annotations are checked while the tests run: jaxtyping reads, beartype checks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import greenlet
import jaxtyping._storage
import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

CHECKED = ("process", "denoise", "sample", "guide", "net", "condition.tokens", "control")

# before anything imports the packages, hence here and at module level
install_import_hook([f"ornstein.{name}" for name in CHECKED], "beartype.beartype")


class _OfGreenlet:
    """What jaxtyping remembers of shapes while a function runs, kept apart where functions are halted in the middle."""

    @property
    def memo_stack(self) -> list[object]:
        return greenlet.getcurrent().__dict__.setdefault("shapes", [])


jaxtyping._storage._shape_storage = _OfGreenlet()

if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # a core each: sharing small products among threads costs more than it gains
    torch.set_num_threads(1)

# the same examples on every machine, however slow it is
settings.register_profile("suite", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def _at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys, certificates and records of the tests lie in a folder of their own, under a policy of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORNSTEIN_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("ORNSTEIN_POLICY", str(Path(__file__).parent / "policy.yaml"))
        yield
