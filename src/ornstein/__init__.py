"""Ornstein: diffusion models from a folder of licensed data to a served generator."""

__version__ = "0.1.0"
