"""Ornstein: diffusion models from a folder of licensed data to a served generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Model", "Output", "__version__", "load"]

if TYPE_CHECKING:
    from ornstein.loading import load
    from ornstein.model import Model
    from ornstein.output import Output


def __getattr__(name: str) -> Any:
    """Import the rest when it is first asked for: ``import ornstein`` alone loads no torch."""
    if name in ("Model", "load"):
        from ornstein import loading, model

        return model.Model if name == "Model" else loading.load
    if name == "Output":
        from ornstein.output import Output

        return Output
    raise AttributeError(f"module 'ornstein' has no attribute {name!r}")
