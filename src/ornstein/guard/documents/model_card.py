"""The model card as the Hugging Face hub reads it: the bundle's card under a header of metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ornstein.card import card_text
from ornstein.data import licences
from ornstein.guard.documents import answers as say
from ornstein.guard.documents.facts import Known
from ornstein.guard.documents.page import Item, Section

TAGS = {"text to image": "text-to-image", "unconditional image generation": "unconditional-image-generation"}


def text(known: Known) -> str:
    """Header and card."""
    from huggingface_hub import ModelCardData

    header = ModelCardData(**_metadata(known)).to_yaml(line_break="\n")
    body = card_text(known.bundle.facts, known.metrics)
    return f"---\n{header}\n---\n\n{body}\n{_provider(known).markdown()}\n"


def validate(path: Path) -> None:
    """Read it as the hub's library does. Raises ValueError with what is wrong."""
    from huggingface_hub import ModelCard

    card = ModelCard(path.read_text(encoding="utf-8"), ignore_metadata_errors=False)
    if not card.text.strip():
        raise ValueError("the card has no text")


def _metadata(known: Known) -> dict[str, Any]:
    """What the hub's header has a name for; what is not known is left out."""
    from huggingface_hub import EvalResult

    found: dict[str, Any] = {
        "library_name": "ornstein",
        "model_name": known.name,
        "tags": ["diffusion", known.task],
    }
    if known.task in TAGS:
        found["pipeline_tag"] = TAGS[known.task]
    if known.recipe.condition.kind == "text":
        found["language"] = "en"
    if licence := known.about.model.licence:
        name = licences.canonical(licence)
        found |= (
            {"license": name.lower()}
            if name in licences.DEFAULT
            else {"license": "other", "license_name": name}
        )
    if known.published and known.published.source.revision:
        found["base_model"] = known.published.source.name
    pack = known.measured("held against", "pack")
    if known.figures and isinstance(pack, str):
        found["eval_results"] = [
            EvalResult(
                task_type=TAGS.get(known.task, "other"), dataset_type=pack, dataset_name=pack,
                metric_type=figure.name, metric_name=f"{figure.name} ({figure.features})", metric_value=figure.value,
            )
            for figure in known.figures
        ]  # fmt: skip
    return found


def _provider(known: Known) -> Section:
    """What the bundle's own card cannot say."""
    model = known.about.model
    return Section(
        "Provider",
        (
            Item("Name and contact", say.provider(known)),
            Item("Release", say.release(known)),
            Item("Licence of the model", say.licence(known)),
            Item("Uses the provider intends", say.several(model.intended, "model.intended")),
            Item("Uses out of scope", say.several(model.out_of_scope, "model.out_of_scope")),
        ),
    )
