"""What only the provider knows of a model, as a YAML file. What is left out, documents call not stated."""

from __future__ import annotations

import datetime
import unicodedata
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from ornstein.config import Config, parse
from ornstein.errors import UsageError
from ornstein.guard import plain_yaml

HIDDEN = frozenset("\u200b\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Zero-width and direction marks: text that holds them does not say what it seems to."""


def _shown(text: str) -> str:
    for letter in text:
        if letter in HIDDEN or (unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\t"):
            raise ValueError(f"U+{ord(letter):04X} is an invisible character: leave it out")
    return text


Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000), AfterValidator(_shown)
]
Link = Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"'\\^`{|}]+$", max_length=500)]
RiskName = Literal[
    "copying", "licences", "bias", "sexual-content", "undressing-and-minors", "deception", "mark-removal",
    "harmful-prompts", "personal-data", "quality", "tampering",
]  # fmt: skip


class Provider(Config):
    """Who places the model on the market.

    Attributes:
        name, contact, address: of the provider; contact is an e-mail address or a page.
        representative: name and contact of the authorised representative in the Union, where there is one.
    """

    name: Text | None = None
    contact: Text | None = None
    address: Text | None = None
    representative: Text | None = None


class Release(Config):
    """What is placed on the market.

    Attributes:
        version: of the model. date: of release, and of placement on the Union market. url: where it can be had.
        licence: SPDX identifier or name. distribution: ways it is handed out, in words.
        intended, out_of_scope: uses. acceptable_use: the policy's text or address.
        depends_on: models that it was made from, in words.
    """

    version: Text | None = None
    date: datetime.date | None = None
    url: Link | None = None
    licence: Text | None = None
    distribution: Text | None = None
    intended: tuple[Text, ...] = Field(default=(), max_length=50)
    out_of_scope: tuple[Text, ...] = Field(default=(), max_length=50)
    acceptable_use: Text | None = None
    depends_on: Text | None = None


class Kind(Config):
    """One kind of source in the summary's template: whether it was used, and what it was."""

    used: bool
    description: Text | None = None


class Sources(Config):
    """How the training data was come by, and what was done with it, beyond what the manifest records.

    Attributes:
        public, licensed, private, crawled, user, services, synthetic, other: sections 2.1 to 2.6 of the template; user
            is data from use of the model, services from use of the provider's other products.
        content: types of content. until: the latest date of collection. languages, characteristics: in words.
        signatory: of the Code of Practice for general-purpose AI models. reservations: measures to respect opt-outs.
        illegal_content: measures to remove it. processing: anything else.
    """

    public: Kind | None = None
    licensed: Kind | None = None
    private: Kind | None = None
    crawled: Kind | None = None
    user: Kind | None = None
    services: Kind | None = None
    synthetic: Kind | None = None
    other: Kind | None = None
    content: Text | None = None
    until: datetime.date | None = None
    languages: Text | None = None
    characteristics: Text | None = None
    signatory: bool | None = None
    reservations: Text | None = None
    illegal_content: Text | None = None
    processing: Text | None = None


class Effort(Config):
    """What the training took, beyond what the bundle records.

    Attributes:
        kilowatt_hours: of the whole training. how: they are known: read from a meter, or estimated by what rule.
        hardware: that computed. rationale: of the key design choices. adversarial: tests against misuse, and by whom.
    """

    kilowatt_hours: float | None = Field(default=None, ge=0)
    how: Text | None = None
    hardware: Text | None = None
    rationale: Text | None = None
    adversarial: Text | None = None


class About(Config):
    """All of it; `risks` holds the provider's judgement of what remains of each risk."""

    provider: Provider = Provider()
    model: Release = Release()
    data: Sources = Sources()
    training: Effort = Effort()
    risks: dict[RiskName, Text] = Field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> About:
        """An about file.

        Raises:
            OrnsteinError: no such file, or no YAML. UsageError: unknown keys, values out of range.
        """
        try:
            return parse(cls, plain_yaml.read(path, "about file"))
        except UsageError as error:
            raise UsageError(f"the about file {path}: {plain_yaml.one_line(error)}") from None
