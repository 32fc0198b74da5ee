"""Prompts: read in every disguise, held against words that are forbidden or that a policy names, scored by checkers."""

from ornstein.guard.prompts.filter import PromptFilter

__all__ = ["PromptFilter"]
