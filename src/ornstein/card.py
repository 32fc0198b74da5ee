"""The model card: what is known of a model, for people. Nothing is said that the bundle does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ornstein.recipes.imported import ImportedRecipe

if TYPE_CHECKING:
    from ornstein.bundle import Data, Facts

LABEL = "parity-tested, not quality-tested"
_MARKUP = re.compile(r"[\\`*\[\]|~]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)")
_BLOCK = re.compile(r"^(?:\d+(?=[.)](?:\s|$))|(?=[#>=])|(?=[+-](?:[\s-]|$)))")  # list, heading, quotation


def card_text(facts: Facts, metrics: Mapping[str, Any]) -> str:
    """The card in Markdown."""
    if isinstance(facts.recipe, ImportedRecipe):
        return _imported(facts, facts.recipe, metrics)
    parts = [
        f"# {inline(facts.name)}", _summary(facts), "## Intended use", facts.recipe.use,
        "## Training data", _data(facts.data, facts.recipe.items), *_forgotten(facts),
        "## Training", _training(facts), "## Measurements", _measurements(metrics), "## Limits", _limits(facts),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _summary(facts: Facts) -> str:
    return (
        f"A diffusion model that {facts.recipe.summary}: {facts.parameters:,} weights, stored in {facts.dtype}, in "
        f"{facts.recipe.network.summary}."
    )


def _imported(facts: Facts, recipe: ImportedRecipe, metrics: Mapping[str, Any]) -> str:
    """Of a published checkpoint nothing is known here but what its folder says."""
    source, sampling = recipe.source, recipe.sampling
    revision = f" at {inline(source.revision)}" if source.revision else ""
    licences = [f"- {opening(file)}: {inline(text)}" for file, text in source.licences.items()]
    method = "the scheduler's own method" if source.exact else "the nearest method to the scheduler's"
    parts = [
        f"# {inline(facts.name)}",
        f"Imported from {inline(source.name)}{revision}, a {inline(source.pipeline)}: {facts.parameters:,} weights, "
        f"stored in {facts.dtype}, in {recipe.network.summary}; made for {recipe.network.size} x "
        f"{recipe.network.size} pixels.",
        f"**{LABEL}**: for the same noise its family makes the same picture here as in diffusers, tested on small "
        "random weights; how good these weights are was not measured, unless it says so below.",
        "## Licence",
        "\n".join(licences) or "The folder names none: ask its publisher before you use it.",
        "## Training data",
        "Not recorded in the folder; its publisher may say.",
        "## Sampling",
        f"{inline(source.scheduler)} became `{sampling.sampler}` ({method}), {sampling.steps} steps, guidance "
        f"{sampling.guidance:g}. A filter that the folder may have had for its pictures is not part of this bundle.",
        "## Measurements",
        _measurements(metrics),
    ]
    return "\n\n".join(parts) + "\n"


def _data(data: Data | None, items: str) -> str:
    if data is None:
        return "Not recorded in this bundle."
    splits = ", ".join(f"{count:,} {name}" for name, count in sorted(data.splits.items()))
    rows = [
        f"| {' | '.join(map(inline, (o.style, o.holder, o.licence, o.source)))} | {o.trained:,} "
        f"| {o.pictures - o.trained:,} |"
        for o in data.origins
    ]
    return "\n".join(
        [
            f"{data.pictures:,} {items} ({splits}); `manifest.parquet` lists each with licence, holder and source; "
            f"root hash `{data.root}`.",
            "",
            "| set | author | licence | source | trained on | held out |",
            "|---|---|---|---|---:|---:|",
            *rows,
            "",
            *_by_licence(data, items),
        ]
    )


def _forgotten(facts: Facts) -> Iterator[str]:
    if facts.forgotten:
        lines = [
            f"- {one.day}: {one.pictures:,} {facts.recipe.items} of {inline(one.what)}"
            for one in facts.forgotten
        ]
        told = "Taken out of manifest and index since; the weights still know them, until the model is trained again:"
        yield "\n".join([told, "", *lines])


def inline(text: str) -> str:
    """Text of others within a line of Markdown, shown as it is: no markup, no HTML, nothing hidden."""
    line = " ".join("".join(letter for letter in text if letter.isprintable() or letter.isspace()).split())
    return _MARKUP.sub(r"\\\g<0>", line).replace("<", "&lt;") or "-"


def opening(text: str) -> str:
    """The same where it opens a line: it begins no list, heading or quotation there."""
    return _BLOCK.sub(r"\g<0>\\", inline(text))


def _by_licence(data: Data, items: str) -> Iterator[str]:
    counts: dict[str, int] = {}
    for origin in data.origins:
        counts[origin.licence] = counts.get(origin.licence, 0) + origin.trained
    for licence, count in sorted(counts.items(), key=lambda item: -item[1]):
        yield f"- {opening(licence) if licence else 'no licence named'}: {count:,} {items} trained on"


def _training(facts: Facts) -> str:
    known = dict(facts.training)
    lines: list[str] = []
    if (seen := known.pop("seen", None)) is not None:
        lines.append(f"- samples seen: {seen:,}")
    if (seconds := known.pop("seconds", None)) is not None:
        lines.append(f"- working time: {float(seconds) / 60:,.0f} minutes")
    if (flops := known.pop("flops", None)) is not None:
        lines.append(f"- cost: {float(flops):.3g} floating-point operations (6 x weights x tokens)")
    lines += [
        f"- {opening(name)}: {inline(str(value))}" for name, value in known.items() if value is not None
    ]
    return "\n".join(lines) or "Not recorded in this bundle."


def _measurements(metrics: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in metrics.items() if name != "figures"}
    parts = ["\n".join(_listed(rest))] if rest else []
    if figures := metrics.get("figures"):
        parts.append("\n".join(_figures(figures)))
    return "\n\n".join(parts) or "None recorded."


def _figures(figures: Mapping[str, Any]) -> Iterator[str]:
    """Figures of an evaluation as a table: on generated and on unseen real pictures, with 95% intervals."""
    yield "| figure | features | generated | real |"
    yield "|---|---|---|---|"
    for features, by_key in figures.items():
        for key, found in by_key.items():
            both = [_interval(found[side]) if side in found else "" for side in ("generated", "real")]
            yield f"| {inline(key)} | {inline(features)} | {' | '.join(both)} |"


def _interval(found: Mapping[str, float]) -> str:
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _listed(values: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Values as nested lines; what is not there is left out, and long lists are only counted."""
    for name, value in values.items():
        if value is None or value == {}:
            continue
        if isinstance(value, Mapping):
            yield f"{indent}- {opening(name)}:"
            yield from _listed(value, indent + "  ")
        elif isinstance(value, list):
            yield f"{indent}- {opening(name)}: {len(value)}, in `metrics.json`"
        else:
            shown = f"{value:.4g}" if isinstance(value, float) else inline(str(value))
            yield f"{indent}- {opening(name)}: {shown}"


def _limits(facts: Facts) -> str:
    shows = "It shows what its training data shows, with that data's choices and gaps."
    return "\n".join(f"- {limit}" for limit in (*facts.recipe.limits, shows))
