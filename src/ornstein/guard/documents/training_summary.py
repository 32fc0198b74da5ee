"""Public summary of training content, on the sections of the Commission's template of 24 July 2025.

Explanatory notice and template for the public summary of training content for general-purpose AI models required by
Article 53(1), point (d), of Regulation (EU) 2024/1689.
"""

from __future__ import annotations

import math

from ornstein.guard.documents import answers as say
from ornstein.guard.documents.about import Kind
from ornstein.guard.documents.facts import Known
from ornstein.guard.documents.page import NOT_RECORDED, Answer, Item, Page, Section, Table, not_stated
from ornstein.recipes.recipe import Recipe

Bands = tuple[tuple[float, str], ...]

IMAGES: Bands = (
    (1e6, "less than 1 million images"),
    (1e9, "1 million to 1 billion images"),
    (math.inf, "more than 1 billion images"),
)
TOKENS: Bands = (
    (1e9, "less than 1 billion tokens"),
    (1e13, "1 billion to 10 trillion tokens"),
    (math.inf, "more than 10 trillion tokens"),
)


def summary(known: Known) -> Page:
    """All three sections of the template."""
    return Page(
        f"Public summary of training content: {known.name}",
        (
            "On the template for the public summary of training content required by Article 53(1), point (d), of "
            "Regulation (EU) 2024/1689 (AI Act).",
            f"Last update: {known.created:%Y-%m-%d}. What the bundle records is filled in; what only the provider can "
            "say is taken from the about file, or marked as missing.",
        ),
        (*_general(known), *_sources(known), *_processing(known)),
    )


def band(count: float, bands: Bands) -> str:
    """The template's size band that a count falls into."""
    return next(name for limit, name in bands if count < limit)


def _item(label: str, *answers: Answer) -> Item:
    return Item(label, answers)


def _general(known: Known) -> tuple[Section, ...]:
    model, data = known.about.model, known.about.data
    continued = f"Training started from the bundle {known.started_from}." if known.started_from else None
    if known.published:
        continued = f"Published as {known.published.source.name}; imported without change."
    until = say.stated(data.until, "data.until")
    return (
        Section("1. General information"),
        Section(
            "1.1. Provider identification",
            (
                _item("Provider name and contact details", *say.provider(known)),
                _item(
                    "Authorised representative name and contact details",
                    say.stated(known.about.provider.representative, "provider.representative"),
                ),
            ),
            level=3,
        ),
        Section(
            "1.2. Model identification",
            (
                _item("Versioned model name(s)", say.identity(known)),
                _item("Model dependencies", model.depends_on or continued or "None recorded in the bundle."),
                _item(
                    "Date of placement of the model on the Union market", say.stated(model.date, "model.date")
                ),
            ),
            level=3,
        ),
        Section(
            "1.3. Modalities, overall training data size and other characteristics",
            (
                _item("Modality, training data size, types of content", *_modalities(known)),
                _item("Latest date of data acquisition or collection for model training", until),
                _item(
                    "Linguistic characteristics of the overall training data",
                    say.stated(data.languages, "data.languages"),
                ),
                _item(
                    "Other relevant characteristics of the overall training data", *_characteristics(known)
                ),
            ),
            level=3,
        ),
    )


def _modalities(known: Known) -> tuple[Answer, ...]:
    if known.trained is None:
        return (NOT_RECORDED,)
    content = known.about.data.content or not_stated("data.content").says
    rows = [("image", f"{band(known.trained, IMAGES)} ({known.trained:,})", content)]
    if (found := known.manifest) is not None and known.recipe.condition.kind != "nothing":
        size = f"{band(found.letters, TOKENS)} ({found.captions:,} captions of {found.letters:,} letters)"
        rows.append(("text", size, "captions of the images"))
    return (Table(("modality", "training data size", "types of content"), tuple(rows)),)


def _characteristics(known: Known) -> tuple[Answer, ...]:
    said = say.stated(known.about.data.characteristics, "data.characteristics")
    if known.manifest is None:
        return (said,)
    groups = ", ".join(f"{name} {count:,}" for name, count in known.manifest.groups.items())
    counted = f"{known.manifest.concepts:,} different concepts" + (
        f"; images by group: {groups}." if groups else "."
    )
    return said, counted, *say.bias(known)


def _sources(known: Known) -> tuple[Section, ...]:
    data = known.about.data
    public = "Have you used publicly available datasets to train the model?"
    licensed = (
        "Have you concluded transactional commercial licensing agreement(s) with rightsholder(s) or with their "
        "representatives?"
    )
    private = (
        "Have you obtained private datasets from third parties that are not licensed as described in 2.2.1?"
    )
    crawled = "Were crawlers used by the provider or on its behalf?"
    user = "Was data from user interactions with the AI model (e.g. user input and prompts) used to train the model?"
    services = (
        "Was data collected from user interactions with the provider's other services or products used to train the "
        "model?"
    )
    synthetic = "Was synthetic AI-generated data created by the provider or on its behalf to train the model?"
    other = (
        "Have data sources other than those described in Sections 2.1 to 2.5 been used to train the model?"
    )
    return (
        Section(
            "2. List of data sources",
            (_item("Sources recorded in the training manifest, whatever their kind", say.origins(known)),),
        ),
        _kinds("2.1. Publicly available datasets", (public, data.public, "public")),
        Section("2.2. Private non-publicly available datasets obtained from third parties", level=3),
        _kinds(
            "2.2.1. Datasets commercially licensed by rightsholders or their representatives",
            (licensed, data.licensed, "licensed"), level=4,
        ),
        _kinds(
            "2.2.2. Private datasets obtained from other third parties", (private, data.private, "private"), level=4
        ),
        _kinds("2.3. Data crawled and scraped from online sources", (crawled, data.crawled, "crawled")),
        _kinds("2.4. User data", (user, data.user, "user"), (services, data.services, "services")),
        _kinds("2.5. Synthetic data", (synthetic, data.synthetic, "synthetic")),
        _kinds("2.6. Other sources of data", (other, data.other, "other")),
    )  # fmt: skip


def _kinds(title: str, *asked: tuple[str, Kind | None, str], level: int = 3) -> Section:
    """A section of yes-or-no questions, each with a description where the answer is yes."""
    items: list[Item] = []
    for question, kind, key in asked:
        if kind is None:
            items.append(_item(question, not_stated(f"data.{key}")))
            continue
        items.append(_item(question, "Yes" if kind.used else "No"))
        if kind.used or kind.description:
            items.append(_item("Description", say.stated(kind.description, f"data.{key}.description")))
    return Section(title, tuple(items), level)


def _processing(known: Known) -> tuple[Section, ...]:
    data = known.about.data
    signed = not_stated("data.signatory") if data.signatory is None else ("Yes" if data.signatory else "No")
    allowed = known.recipe.data.licences if isinstance(known.recipe, Recipe) else ()
    recorded = (
        (f"Training refused every image whose licence is not one of: {', '.join(allowed)}.",)
        if allowed
        else ()
    )
    return (
        Section("3. Data processing aspects"),
        Section(
            "3.1. Respect of reservation of rights from text and data mining exception or limitation",
            (
                _item(
                    "Are you a Signatory to the Code of Practice for general-purpose AI models that includes "
                    "commitments to respect reservations of rights?",
                    signed,
                ),
                _item(
                    "Measures implemented before model training to respect reservations of rights",
                    say.stated(data.reservations, "data.reservations"),
                    *recorded,
                ),
            ),
            level=3,
        ),
        Section(
            "3.2. Removal of illegal content",
            (
                _item(
                    "General description of measures taken",
                    say.stated(data.illegal_content, "data.illegal_content"),
                ),
            ),
            level=3,
        ),
        Section(
            "3.3. Other information (optional)",
            (
                _item(
                    "Other relevant information about data processing",
                    *((data.processing,) if data.processing else ()),
                    *say.copies(known),
                ),
            ),
            level=3,
        ),
    )
