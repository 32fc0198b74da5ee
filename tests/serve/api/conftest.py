"""Servers that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fields import letters, table
from tests.serve.api.running import Running, running
from tests.small import bundle, grey

__all__ = ["bundle", "grey", "keyed", "letters", "mixed", "open_server", "table"]


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


@pytest.fixture(scope="module")
def mixed(
    tmp_path_factory: pytest.TempPathFactory, grey: Path, letters: Path, table: Path
) -> Iterator[Running]:
    """A server without keys, of a model of pictures, one of text and one of rows."""
    with running(tmp_path_factory.mktemp("mixed"), grey, letters, table) as it:
        yield it
