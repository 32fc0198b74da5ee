"""The core's shape and dtype annotations are checked while the tests run: jaxtyping reads, beartype checks."""

from __future__ import annotations

import os

import torch
from hypothesis import settings
from jaxtyping import install_import_hook

CHECKED = ("process", "denoise", "sample", "guide", "net", "condition.tokens")

# before anything imports the packages, hence here and at module level
install_import_hook([f"ornstein.{name}" for name in CHECKED], "beartype.beartype")

if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # a core each: sharing small products among threads costs more than it gains
    torch.set_num_threads(1)

# the same examples on every machine, however slow it is
settings.register_profile("suite", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("suite")
