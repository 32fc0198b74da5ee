"""What of a prompt enters the books: the one place that decides, so that no caller can put in more than the policy
keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ornstein.guard.decision import Decision
from ornstein.guard.policy import Records
from ornstein.serve.books.tables import RequestRow

TEXTS = ("prompt", "negative", "negative_prompt", "revised_prompt", "style")
"""Settings that are the prompt's words, or some of them."""
STORED = 10_000  # characters of a text


@dataclass(frozen=True)
class Privacy:
    """What the policy keeps of prompts, and how a prompt is hashed."""

    kept: Records
    hashed: Callable[[str], str] | None

    @property
    def clear(self) -> bool:
        """Whether prompts are kept as they are."""
        return self.kept.prompts == "clear"

    def prompt(self, text: str | None) -> str | None:
        """What is kept of a prompt."""
        return storable(text) if text is not None and self.clear else None

    def hash(self, text: str | None, given: str | None) -> str | None:
        """The hash that is kept in a prompt's place, or beside it."""
        if self.kept.prompts == "none":
            return None
        return given or (self.hashed(text) if self.hashed is not None and text is not None else None)

    def settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Settings, without the prompt's words where those are not kept."""
        return {name: value for name, value in values.items() if self.clear or name not in TEXTS}

    def record(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A picture's record, without the prompt where that is not kept."""
        asked = values.get("request")
        if self.clear or not isinstance(asked, Mapping):
            return dict(values)
        return {**values, "request": self.settings(asked)}

    def decision(self, decision: Decision) -> dict[str, Any]:
        """A decision, without the words it is about where those are not kept; a changed seed is no word."""
        if not self.clear:
            finding = decision.finding and decision.finding.model_copy(update={"where": ""})
            changed = decision.changed if decision.stage == "output" else None
            decision = decision.model_copy(update={"finding": finding, "changed": changed})
        return decision.model_dump(mode="json", exclude_defaults=True)

    def sought(self, search: str) -> list[Any]:
        """Conditions of which one holds for a request that a search finds; none for an empty search."""
        words = search.casefold().split()[:20]
        if not words:
            return []
        all_occur = RequestRow.words.contains(words[0], autoescape=True)
        for word in words[1:]:
            all_occur &= RequestRow.words.contains(word, autoescape=True)
        whole = self.hash(search, None)
        return [all_occur] if whole is None else [all_occur, RequestRow.prompt_hash == whole]


def storable(text: str) -> str:
    """Any text as one that a database takes: no lone surrogates, no NUL, not without end."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:STORED]
