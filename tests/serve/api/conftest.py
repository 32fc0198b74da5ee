"""Servers that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve.api.running import Running, running
from tests.small import bundle, grey

__all__ = ["bundle", "grey", "keyed", "open_server"]


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory, bundle: Path, grey: Path) -> Iterator[Running]:
    """A server without keys, of the small text model and the small grey one."""
    with running(tmp_path_factory.mktemp("open"), bundle, grey) as it:
        yield it


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Running]:
    """A server that wants keys."""
    with running(tmp_path_factory.mktemp("keyed"), bundle, keyed=True) as it:
        yield it
