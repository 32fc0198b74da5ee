"""What is known of a model, each fact named once: every document takes its figures from here."""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ornstein import __version__
from ornstein.bundle import MANIFEST, METRICS, Bundle, Origin
from ornstein.data import manifest as manifests
from ornstein.errors import MissingExtraError, OrnsteinError
from ornstein.guard.documents import evidence as evidences
from ornstein.guard.documents.about import About
from ornstein.guard.documents.evidence import Evidence
from ornstein.guard.policy import Policy
from ornstein.recipes.imported import ImportedRecipe
from ornstein.recipes.recipe import Recipe


@dataclass(frozen=True)
class Figure:
    """One measurement of generated pictures, with a 95% interval.

    Attributes:
        name: of the figure. features: in which it was computed, or "pictures". value, low, high: of generated pictures.
        real: the same of unseen real pictures, where it has a meaning. count: pictures.
    """

    name: str
    features: str
    value: float
    low: float
    high: float
    real: float | None
    count: int


@dataclass(frozen=True)
class Manifest:
    """What the rows of the manifest add to the header.

    Attributes:
        captions: of training pictures, all forms. letters: in them, so that they hold at most as many tokens.
        concepts: different things shown. copies: training pictures whose bytes are those of another.
        groups, genders: training pictures by group and by recorded gender; nothing recorded is left out.
    """

    captions: int
    letters: int
    concepts: int
    copies: int
    groups: dict[str, int]
    genders: dict[str, int]


@dataclass(frozen=True)
class Known:
    """A model, its provider's words, the policy it is used under, and results of audits.

    Attributes:
        manifest: what its rows add; None where there is none, or no pyarrow to read it. metrics: as stored.
        figures: what ``ornstein evaluate`` measured.
        created: when documents are made; SOURCE_DATE_EPOCH sets it, for documents that are the same every time.
    """

    bundle: Bundle
    about: About
    policy: Policy
    evidence: tuple[Evidence, ...]
    manifest: Manifest | None
    metrics: Mapping[str, Any]
    figures: tuple[Figure, ...]
    created: datetime

    @property
    def name(self) -> str:
        """Of the model."""
        return self.bundle.facts.name

    @property
    def argument(self) -> str:
        """Its name as a command line takes it, whatever is in it."""
        return shlex.quote(self.name)

    @property
    def recipe(self) -> Recipe | ImportedRecipe:
        """What it is made of."""
        return self.bundle.facts.recipe

    @property
    def published(self) -> ImportedRecipe | None:
        """The recipe of an imported model, of which only its publisher knows the training."""
        return self.recipe if isinstance(self.recipe, ImportedRecipe) else None

    @property
    def task(self) -> str:
        """Text to image, class to image, or unconditional."""
        asked = {"text": "text to image", "prompts": "text to image", "classes": "class to image"}
        return asked.get(self.recipe.condition.kind, "unconditional image generation")

    @property
    def input_format(self) -> str:
        """What it is given."""
        condition = self.recipe.condition
        if condition.kind == "text":
            return f"text: a short English prompt, at most {condition.length} tokens"
        if condition.kind == "prompts":
            return f"text: a prompt, at most {condition.length} tokens"
        if condition.kind == "classes":
            return f"text: one of {len(condition.names)} class names"
        return "none: it is given noise alone"

    @property
    def output_format(self) -> str:
        """What it makes."""
        colours = {1: "grey", 3: "RGB", 4: "RGBA, with transparency"}[self.recipe.codec.channels]
        return f"image: {colours}, {self.size} x {self.size} pixels; written as PNG, WebP or JPEG"

    @property
    def size(self) -> int:
        """Side of the pictures it makes unless asked otherwise, in pixels."""
        return self.recipe.sampling.size

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Of the data; empty where it was not told."""
        return self.bundle.facts.data.origins if self.bundle.facts.data else ()

    @property
    def trained(self) -> int | None:
        """Pictures that it learned from."""
        return sum(origin.trained for origin in self.origins) if self.bundle.facts.data else None

    @property
    def held_out(self) -> int | None:
        """Pictures that were kept apart to measure it."""
        data = self.bundle.facts.data
        return data.pictures - sum(origin.trained for origin in data.origins) if data else None

    @property
    def licences(self) -> dict[str, int]:
        """Training pictures by licence, most first."""
        counts = Counter[str]()
        for origin in self.origins:
            counts[origin.licence] += origin.trained
        return dict(counts.most_common())

    def effort(self, name: str) -> float | None:
        """What the training took: ``seen`` samples, ``seconds``, ``flops``; None where the bundle does not say."""
        found = self.bundle.facts.training.get(name)
        return float(found) if isinstance(found, int | float) else None

    @property
    def started_from(self) -> str | None:
        """Fingerprint of the bundle whose weights the training began with."""
        found = self.bundle.facts.training.get("started from")
        return str(found) if found else None

    @property
    def evaluated_with(self) -> str | None:
        """The settings of the evaluation, in one line."""
        settings = self.metrics.get("settings")
        if not isinstance(settings, Mapping):
            return None
        return ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)

    def measured(self, *path: str) -> Any:
        """A value of the metrics by the keys that lead to it; None where it was not measured."""
        value: Any = self.metrics
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    @cached_property
    def requirements(self) -> tuple[str, ...]:
        """What the version of Ornstein that wrote the bundle needs; empty where another version is installed here."""
        if self.bundle.facts.ornstein != __version__:
            return ()
        try:
            found = importlib.metadata.requires("ornstein") or []
        except importlib.metadata.PackageNotFoundError:
            return ()
        return tuple(sorted(need for need in found if "extra ==" not in need))


def gather(
    bundle: Bundle, *, about: About | None = None, policy: Policy | None = None, evidence: Sequence[Path] = ()
) -> Known:
    """All that is known.

    Args:
        bundle: of the model, its hashes checked.
        about: the provider's words.
        policy: the model is used under; the one in force where none is given.
        evidence: JSON results of audits.

    Raises:
        OrnsteinError: a manifest that is not the header's, metrics, a policy or evidence that cannot be read.
    """
    epoch, metrics = os.environ.get("SOURCE_DATE_EPOCH", ""), bundle.metrics()
    evidences.refuse_absurd([metrics, bundle.facts.training], bundle.folder)
    try:
        figures = tuple(_figures(metrics.get("figures") or {}))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise OrnsteinError(
            f"{bundle.folder / METRICS}: its figures are not what `ornstein evaluate` writes: measure again"
        ) from None
    return Known(
        bundle=bundle,
        about=about or About(),
        policy=policy or Policy.find(),
        evidence=evidences.gather(bundle, evidence),
        manifest=_manifest(bundle),
        metrics=metrics,
        figures=figures,
        created=datetime.fromtimestamp(int(epoch) if epoch.isdigit() else int(time.time()), UTC),
    )


def _figures(found: Mapping[str, Any]) -> Iterator[Figure]:
    for features, by_name in found.items():
        for name, sides in by_name.items():
            if made := sides.get("generated"):
                value, low, high = (float(made[key]) for key in ("value", "low", "high"))
                real = sides["real"]["value"] if "real" in sides else None
                yield Figure(name, features, value, low, high, real, int(made.get("count", 0)))


def _manifest(bundle: Bundle) -> Manifest | None:
    """Count the rows; None without a manifest, or without what reads it."""
    if bundle.facts.data is None:
        return None
    try:
        rows = manifests.read(bundle.folder / MANIFEST)
    except MissingExtraError:
        return None
    if manifests.root_hash(rows) != bundle.facts.data.root:
        raise OrnsteinError(f"{bundle.folder}: the manifest is not the one named in the header")
    learned = [row for row in rows if row.split == manifests.TRAIN]
    captions = [caption for row in learned for caption in row.captions]
    return Manifest(
        captions=len(captions),
        letters=sum(map(len, captions)),
        concepts=len({row.concept for row in learned}),
        copies=len(learned) - len({row.sha256 for row in learned}),
        groups=dict(Counter(row.group for row in learned if row.group).most_common()),
        genders=dict(Counter(row.gender for row in learned if row.gender).most_common()),
    )
