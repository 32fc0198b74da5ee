"""The small models and the command line, for the tests of this folder."""

from tests.small import bundle, grey, model, ornstein

__all__ = ["bundle", "grey", "model", "ornstein"]
