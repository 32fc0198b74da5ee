"""The words for one emoji, in several forms: name and style first, because encoders read few tokens."""

from __future__ import annotations

from ornstein.data.emoji.names import Meaning, variant_names

_VARIANTS = variant_names()
_TAGS = 3


def forms(meaning: Meaning, style: str) -> tuple[str, ...]:
    """Return five captions: standard, style first, short, with tags, with group and gender.

    >>> forms(Meaning("waving hand", "waving hand", tones=(4,)), "Noto style")[0]
    'waving hand, medium-dark skin tone, Noto style'
    """
    tone = _VARIANTS[meaning.variant]
    name = f"{meaning.concept}, {tone}" if tone else meaning.concept
    standard = f"{name}, {style}"
    about = ", ".join(part for part in (meaning.group, meaning.gender) if part)
    return (
        standard,
        f"{style} {name}",
        name,
        ", ".join([standard, *_tags(meaning)]),
        f"{standard}, {about}" if about else f"{standard}, emoji",
    )


def _tags(meaning: Meaning) -> list[str]:
    """The first tags that add a word to the name."""
    known = set(meaning.concept.lower().replace(",", " ").split())
    return [tag for tag in meaning.tags if not set(tag.lower().split()) <= known][:_TAGS]
