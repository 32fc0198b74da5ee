"""Build the documents of a model into a folder, check each with its own validator, and list them on an index page."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from ornstein.bundle import MANIFEST
from ornstein.data.atomic import link_or_copy, new_folder
from ornstein.errors import MissingExtraError, OrnsteinError, UsageError, nearest
from ornstein.guard.documents import (
    croissant,
    cyclonedx,
    model_card,
    risks,
    spdx,
    technical,
    training_summary,
)
from ornstein.guard.documents.facts import Known
from ornstein.guard.documents.page import NOT_RECORDED, Answer, Item, Page, Section, Table
from ornstein.hashes import sha256

INDEX = "README.md"
VALID, UNCHECKED = "valid", "no validator exists"

Text = Callable[[Known], str | None]
Validate = Callable[[Path], None]


@dataclass(frozen=True)
class Kind:
    """A document that can be built.

    Attributes:
        about: what it is, for the index. files: what writes each, by name; None for nothing to write.
        checker: who validates the first file, for people. validate: raises ValueError, or MissingExtraError.
    """

    about: str
    files: dict[str, Text]
    checker: str = ""
    validate: Validate | None = None


@dataclass(frozen=True)
class Made:
    """A document that was built: its kind, files, and what its validator said."""

    kind: str
    files: tuple[str, ...]
    verdict: str


def _markdown(page: Callable[[Known], Page]) -> Text:
    return lambda known: page(known).markdown()


def _json(page: Callable[[Known], Page]) -> Text:
    return lambda known: json.dumps(page(known).values(), indent=1, ensure_ascii=False)


KINDS = {
    "model-card": Kind(
        "model card as the Hugging Face hub reads it", {"model-card.md": model_card.text}, "huggingface_hub",
        model_card.validate,
    ),
    "training-data-summary": Kind(
        "public summary of training content, AI Act Article 53(1)(d)",
        {
            "training-data-summary.md": _markdown(training_summary.summary),
            "training-data-summary.json": _json(training_summary.summary),
        },
    ),
    "technical-documentation": Kind(
        "technical documentation, AI Act Annex XI",
        {"technical-documentation.md": _markdown(technical.documentation)},
    ),
    "downstream": Kind(
        "information for downstream providers, AI Act Annex XII",
        {"information-for-downstream-providers.md": _markdown(technical.downstream)},
    ),
    "croissant": Kind(
        "the training manifest as a dataset, Croissant 1.1", {"croissant.json": croissant.text}, "mlcroissant",
        croissant.validate,
    ),
    "cyclonedx": Kind(
        "bill of materials, CycloneDX 1.7", {"bom.cdx.json": cyclonedx.text}, "cyclonedx-python-lib",
        cyclonedx.validate,
    ),
    "spdx": Kind(
        "bill of materials, SPDX 3.0.1", {"spdx.json": spdx.text}, "spdx-python-model", spdx.validate
    ),
    "risk-log": Kind(
        "known risks, controls and evidence",
        {"risk-log.md": _markdown(risks.log), "risk-log.json": _json(risks.log)},
    ),
}  # fmt: skip


def build(known: Known, folder: Path, only: Collection[str] = (), *, force: bool = False) -> tuple[Made, ...]:
    """Write the documents whole or not at all.

    Args:
        known: all that is known.
        folder: to write.
        only: kinds to build; all where none is named.
        force: replace the folder.

    Raises:
        UsageError: an unknown kind, or a folder that exists. OrnsteinError: a document that its own validator refuses,
            a folder that holds the bundle, or a disk that refuses.
    """
    for name in only:
        if name not in KINDS:
            raise UsageError(f"unknown kind of document {name!r}{nearest(name, KINDS)}")
    if known.bundle.folder.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{folder} holds the bundle itself: choose another --out")
    with new_folder(folder, force=force) as part:
        made = tuple(
            _make(name, kind, known, part) for name, kind in KINDS.items() if not only or name in only
        )
        (part / INDEX).write_text(_index(known, made, part).markdown(), encoding="utf-8")
    return made


def _make(name: str, kind: Kind, known: Known, folder: Path) -> Made:
    files: list[str] = []
    for file, text in kind.files.items():
        if (found := text(known)) is not None:
            (folder / file).write_text(found, encoding="utf-8")
            files.append(file)
    if not files:
        return Made(name, (), f"not made: {NOT_RECORDED.says}")
    if name == "croissant":  # it describes the manifest, and programs load it from beside the description
        link_or_copy(known.bundle.folder / MANIFEST, folder / MANIFEST)
        files.append(MANIFEST)
    return Made(name, tuple(files), _verdict(name, kind, folder / files[0]))


def _verdict(name: str, kind: Kind, file: Path) -> str:
    if kind.validate is None:
        return UNCHECKED
    try:
        kind.validate(file)
    except MissingExtraError:
        return "not validated: pip install 'ornstein[documents]'"
    except ValueError as error:
        wrong = " ".join(str(error).split())[:300]
        raise OrnsteinError(f"{kind.checker} refuses the document {name}: {wrong}") from error
    return f"{VALID}, says {kind.checker}"


def _index(known: Known, made: tuple[Made, ...], folder: Path) -> Page:
    told = known.about.model_dump(exclude_defaults=True)
    audits = tuple(f"{e.kind}: {e.file}, sha256 {e.sha256}" for e in known.evidence)
    return Page(
        f"Documents of {known.name}",
        (
            f"Built on {known.created:%Y-%m-%d} by ornstein docs build, from the bundle of fingerprint "
            f"{known.bundle.fingerprint}{' and an about file of its provider' if told else ''}. Nothing is invented: "
            "what nobody told is marked as missing.",
        ),
        (
            Section("Documents", (Item("What was built", _listed(made, folder)),)),
            Section(
                "Made from",
                (
                    Item("Policy", (f"{known.policy.name}, sha256 {known.policy.hash}",)),
                    Item("Audits", audits or ("none given",)),
                    Item(
                        "Bundle",
                        (Table(("file", "sha256"), tuple(sorted(known.bundle.facts.files.items()))),),
                    ),
                ),
            ),
        ),
    )


def _listed(made: tuple[Made, ...], folder: Path) -> tuple[Answer, ...]:
    """Every file with its hash and, on the first of a kind, the verdict; below, what could not be made."""
    rows = [
        (KINDS[m.kind].about, file, sha256(folder / file), "" if k else m.verdict)
        for m in made
        for k, file in enumerate(m.files)
    ]
    absent = [f"{KINDS[m.kind].about}: {m.verdict}" for m in made if not m.files]
    return Table(("document", "file", "sha256", "checked"), tuple(rows)), *absent
