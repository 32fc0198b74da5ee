"""Shape and dtype annotations of the core are checked while the tests run: jaxtyping reads them, beartype checks them."""

from __future__ import annotations

from jaxtyping import install_import_hook

CHECKED = ("process", "denoise", "sample", "guide", "net", "condition.tokens")

# before anything imports the packages, hence here and at module level
install_import_hook([f"ornstein.{name}" for name in CHECKED], "beartype.beartype")
