"""A bill of materials of the model in CycloneDX 1.7 (ECMA-424): model card, data, licences, hashes, software.

Written as JSON: the library that validates it knows no model cards yet.
"""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

from ornstein import __version__
from ornstein.bundle import WEIGHTS, Origin
from ornstein.data import licences
from ornstein.errors import MissingExtraError
from ornstein.guard.documents import answers as say
from ornstein.guard.documents.facts import Known
from ornstein.recipes.recipe import Recipe

MODEL, SOFTWARE = "model", "ornstein"


def text(known: Known) -> str:
    """The bill in JSON."""
    data = [_dataset(known, k, origin) for k, origin in enumerate(known.origins)]
    software = [_ornstein(known), *(_requirement(need) for need in known.requirements)]
    encoder = _encoder(known)
    parts = [*data, *encoder, *software]
    needs = [part["bom-ref"] for part in software[1:]]
    values = {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, _identity(known))}",
        "version": 1,
        "metadata": {
            "timestamp": known.created.isoformat().replace("+00:00", "Z"),
            "tools": {"components": [{"type": "application", "name": "ornstein", "version": __version__}]},
            **_manufacturer(known),
            "component": _model(known, [part["bom-ref"] for part in data]),
        },
        "components": parts,
        "dependencies": [
            {
                "ref": MODEL,
                "dependsOn": sorted(part["bom-ref"] for part in parts if part["bom-ref"] not in needs),
            },
            {"ref": SOFTWARE, "dependsOn": sorted(needs)},
        ],
    }
    return json.dumps(values, indent=1, ensure_ascii=False)


def validate(path: Path) -> None:
    """Hold it against the schema of CycloneDX 1.7. Raises ValueError, or MissingExtraError."""
    try:
        from cyclonedx.exception import MissingOptionalDependencyException
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator

        wrong = JsonStrictValidator(SchemaVersion.V1_7).validate_str(path.read_text(encoding="utf-8"))
    except ImportError as error:
        raise MissingExtraError("validating CycloneDX", "documents") from error
    except MissingOptionalDependencyException as error:
        raise MissingExtraError("validating CycloneDX", "documents") from error
    if wrong:
        raise ValueError(str(wrong))


def _identity(known: Known) -> str:
    """What makes one bill differ from another of the same model: the files, and the provider's words."""
    return json.dumps(
        [known.bundle.fingerprint, known.bundle.facts.files, known.about.model_dump(mode="json")]
    )


def _model(known: Known, data: list[str]) -> dict[str, Any]:
    release, files = known.about.model, known.bundle.facts.files
    found: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        "name": known.name,
        "description": say.architecture(known),
        "modelCard": _card(known, data),
        "properties": [
            {"name": "ornstein:fingerprint", "value": known.bundle.fingerprint},
            *({"name": f"ornstein:sha256:{name}", "value": digest} for name, digest in sorted(files.items())),
        ],
    }
    if release.version:
        found["version"] = release.version
    if WEIGHTS in files:
        found["hashes"] = [{"alg": "SHA-256", "content": files[WEIGHTS]}]
    if release.licence:
        found["licenses"] = [_licence(release.licence)]
    if release.url:
        found["externalReferences"] = [{"type": "distribution", "url": release.url}]
    return found


def _card(known: Known, data: list[str]) -> dict[str, Any]:
    about = known.about
    parameters: dict[str, Any] = {
        "task": known.task,
        "architectureFamily": "diffusion model",
        "modelArchitecture": known.recipe.network.summary,
        "inputs": [{"format": known.input_format}],
        "outputs": [{"format": known.output_format}],
    }
    if data:
        parameters["datasets"] = [{"ref": ref} for ref in data]
    considerations: dict[str, Any] = {"technicalLimitations": list(say.limits(known))}
    if about.model.intended:
        considerations["useCases"] = list(about.model.intended)
    if about.risks:
        considerations["ethicalConsiderations"] = [
            {"name": name, "mitigationStrategy": what} for name, what in sorted(about.risks.items())
        ]
    metrics = [
        {
            "type": figure.name, "value": f"{figure.value:.6g}", "slice": figure.features,
            "confidenceInterval": {"lowerBound": f"{figure.low:.6g}", "upperBound": f"{figure.high:.6g}"},
        }
        for figure in known.figures
    ]  # fmt: skip
    return {
        "modelParameters": parameters,
        **({"quantitativeAnalysis": {"performanceMetrics": metrics}} if metrics else {}),
        "considerations": considerations,
        "properties": _training(known),
    }


def _training(known: Known) -> list[dict[str, str]]:
    """What the training took. CycloneDX's own field for energy asks for its supplier as well, whom nobody told."""
    found = {
        "ornstein:training:flops": known.effort("flops"),
        "ornstein:training:seconds": known.effort("seconds"),
        "ornstein:training:samples": known.effort("seen"),
        "ornstein:training:kilowatt-hours": known.about.training.kilowatt_hours,
    }
    return [{"name": name, "value": f"{value:.6g}"} for name, value in found.items() if value is not None]


def _dataset(known: Known, number: int, origin: Origin) -> dict[str, Any]:
    counts = {"pictures": origin.pictures, "trained on": origin.trained}
    data: dict[str, Any] = {
        "type": "dataset", "name": origin.style or origin.source,
        "contents": {"properties": [{"name": name, "value": str(count)} for name, count in counts.items()]},
    }  # fmt: skip
    if origin.holder:
        data["governance"] = {"owners": [{"organization": {"name": origin.holder}}]}
    return {
        "type": "data",
        "bom-ref": f"data-{number}",
        "name": origin.style or origin.source or known.name,
        "description": f"source: {origin.source or 'not recorded'}",
        **({"licenses": [_licence(origin.licence)]} if origin.licence else {}),
        "data": [data],
    }


def _encoder(known: Known) -> list[dict[str, Any]]:
    """The text encoder, which bundles do not hold: they name its hash."""
    if known.bundle.facts.encoder is None or not isinstance(known.recipe, Recipe):
        return []
    return [
        {
            "type": "machine-learning-model", "bom-ref": "text-encoder", "name": "all-MiniLM-L6-v2",
            "hashes": [{"alg": "SHA-256", "content": known.bundle.facts.encoder}],
            "licenses": [_licence("Apache-2.0")],
        }
    ]  # fmt: skip


def _ornstein(known: Known) -> dict[str, Any]:
    version = known.bundle.facts.ornstein
    return {
        "type": "library", "bom-ref": SOFTWARE, "name": "ornstein", "version": version,
        "purl": f"pkg:pypi/ornstein@{version}", "licenses": [_licence("Apache-2.0")],
    }  # fmt: skip


def _requirement(need: str) -> dict[str, Any]:
    """A library that Ornstein needs, of any version in a range: none is part of the bundle."""
    name, ranges = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?([^;]*).*", need).groups()  # pyright: ignore
    name = re.sub(r"[-_.]+", "-", name).lower()
    bounds = sorted(part.strip() for part in ranges.split(",") if part.strip())
    return {
        "type": "library", "bom-ref": f"pypi-{name}", "name": name, "purl": f"pkg:pypi/{name}", "isExternal": True,
        "versionRange": f"vers:pypi/{'|'.join(reversed(bounds)) or '*'}",
    }  # fmt: skip


def _manufacturer(known: Known) -> dict[str, Any]:
    provider = known.about.provider
    return {"manufacturer": {"name": provider.name}} if provider.name else {}


def _licence(name: str) -> dict[str, Any]:
    name = licences.canonical(name)
    return {"license": {"id" if licences.in_spdx(name) else "name": name}}
