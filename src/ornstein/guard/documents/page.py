"""A document as data: headed sections of labelled answers, written as Markdown for people and JSON for programs.

All text is plain. What the rendering has to escape it escapes here, so that no holder, file or provider can put markup
into a document.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ornstein.card import inline, opening


@dataclass(frozen=True)
class Missing:
    """An answer that is not there, and what would bring it."""

    says: str


@dataclass(frozen=True)
class Table:
    """An answer in rows; every cell is text."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Answer = str | Missing | Table
NOT_RECORDED = Missing("not recorded in this bundle")


def not_stated(key: str) -> Missing:
    """Only the provider knows; `key` of the about file would say it."""
    return Missing(f"not stated: give {key} in --about FILE")


def not_measured(command: str) -> Missing:
    """A command would measure it."""
    return Missing(f"not measured; run: {command}")


@dataclass(frozen=True)
class Item:
    """One field of a document: its label as the document's template words it, and what is answered."""

    label: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Section:
    """A heading with its fields; `level` 2 stands below the title."""

    title: str
    items: tuple[Item, ...] = ()
    level: int = 2

    def markdown(self) -> str:
        """For people, without an end of line."""
        parts = [part for item in self.items for part in _item(item)]
        return "\n\n".join([f"{'#' * self.level} {inline(self.title)}", *parts])


@dataclass(frozen=True)
class Page:
    """A document."""

    title: str
    lead: tuple[str, ...]
    sections: tuple[Section, ...]

    def markdown(self) -> str:
        """For people."""
        parts = [f"# {inline(self.title)}", *map(opening, self.lead)]
        return "\n\n".join([*parts, *(section.markdown() for section in self.sections)]) + "\n"

    def values(self) -> dict[str, Any]:
        """For programs: what is missing is null, with the reason beside it."""
        return {
            "title": self.title,
            "about": list(self.lead),
            "sections": [
                {
                    "title": section.title,
                    "level": section.level,
                    "fields": [
                        {"label": item.label, "answers": [_plain(a) for a in item.answers]}
                        for item in section.items
                    ],
                }
                for section in self.sections
            ],
        }


def _item(item: Item) -> Iterator[str]:
    """The label with its only text, or above several; tables below."""
    texts = [_text(answer) for answer in item.answers if not isinstance(answer, Table)]
    label = f"**{inline(item.label)}**" + ("" if item.label.endswith("?") else ":")
    if len(texts) == 1:
        yield f"{label} {texts[0]}"
    else:
        yield label
        if texts:
            yield "\n".join(f"- {text}" for text in texts)
    for answer in item.answers:
        if isinstance(answer, Table):
            yield table(answer)


def _text(answer: str | Missing) -> str:
    return f"*{inline(answer.says)}*" if isinstance(answer, Missing) else opening(answer)


def table(answer: Table) -> str:
    """A table in Markdown."""
    rule = "|" + "---|" * len(answer.head)
    rows = ["| " + " | ".join(inline(cell) for cell in row) + " |" for row in (answer.head, *answer.rows)]
    return "\n".join([rows[0], rule, *rows[1:]])


def _plain(answer: Answer) -> Any:
    if isinstance(answer, Missing):
        return {"value": None, "missing": answer.says}
    if isinstance(answer, Table):
        return {"head": list(answer.head), "rows": [list(row) for row in answer.rows]}
    return {"value": answer}
