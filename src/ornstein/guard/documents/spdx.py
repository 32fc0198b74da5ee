"""The same bill in SPDX 3.0.1, with its AI and Dataset profiles, as JSON-LD.

https://spdx.github.io/spdx-spec/v3.0.1/
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from ornstein import __version__
from ornstein.bundle import Origin
from ornstein.data import licences
from ornstein.errors import MissingExtraError
from ornstein.guard.documents import answers as say
from ornstein.guard.documents.facts import Known
from ornstein.recipes.recipe import Recipe

CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"

PROFILES = (
    "The AI profile is claimed where the provider states name, and the model's version, date and address. The Dataset "
    "profile is not: it asks when each set was built and released, which the manifest does not record."
)

Element = dict[str, Any]


def text(known: Known) -> str:
    """The document in JSON-LD."""
    return json.dumps(_Document(known).values(), indent=1, ensure_ascii=False)


def validate(path: Path) -> None:
    """Hold it against the constraints of the SPDX 3.0.1 model (SHACL). Raises ValueError, or MissingExtraError.

    The bindings are generated from those constraints: reading checks types and values, writing what must be there.
    """
    try:
        from spdx_python_model import v3_0_1 as model
    except ImportError as error:
        raise MissingExtraError("validating SPDX", "documents") from error
    found = model.SHACLObjectSet()
    try:
        model.JSONLDDeserializer().deserialize_data(json.loads(path.read_text(encoding="utf-8")), found)
        if unknown := sorted(found.link()):
            raise ValueError(f"nothing is called {unknown[0]}")
        model.JSONLDSerializer().serialize_data(found)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(str(error)) from error


class _Document:
    """Elements, collected as they are described; each is named once and referred to by its name."""

    def __init__(self, known: Known) -> None:
        self.known = known
        said = json.dumps(
            [known.bundle.facts.files, known.about.model_dump(mode="json"), known.created.isoformat()]
        )
        self.space = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, known.bundle.fingerprint + said)}#"
        self.elements: dict[str, Element] = {}

    def values(self) -> dict[str, Any]:
        """The whole document."""
        known = self.known
        maker = self.add("SoftwareAgent", "maker", name=f"ornstein {__version__}")
        model = self._model()
        self._files(model)
        self._data(model)
        self._needs(model)
        body = sorted(self.elements)
        document = self.add(
            "SpdxDocument", "document", name=f"SPDX of {known.name}", rootElement=[model], element=body,
            profileConformance=self._profiles(), comment=PROFILES,
        )  # fmt: skip
        created = {
            "type": "CreationInfo", "@id": "_:creation", "specVersion": "3.0.1", "createdBy": [maker],
            "created": known.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }  # fmt: skip
        graph = [created, self.elements.pop(document), *self.elements.values()]
        return {"@context": CONTEXT, "@graph": graph}

    def add(self, kind: str, local: str, /, **values: Any) -> str:
        """Note an element; what has no value is left out. Returns its name."""
        spdx_id = self.space + local
        known = {key: value for key, value in values.items() if value is not None and value != []}
        self.elements[spdx_id] = {"type": kind, "spdxId": spdx_id, "creationInfo": "_:creation", **known}
        return spdx_id

    def relate(self, name: str, subject: str, kind: str, *objects: str) -> None:
        """Note a relationship, where there is anything to relate to."""
        if objects:
            self.add(
                "Relationship", f"relationship-{name}", **{"from": subject}, relationshipType=kind, to=list(objects),
                completeness="noAssertion",
            )  # fmt: skip

    def _profiles(self) -> list[str]:
        """Those whose demands are met; see `PROFILES`."""
        about = self.known.about
        release = about.model
        whole = all((release.version, release.date, release.url, about.provider.name))
        return ["core", "software", "simpleLicensing", *(["ai"] if whole else [])]

    def _model(self) -> str:
        known, release = self.known, self.known.about.model
        provider = known.about.provider.name
        supplier = self.add("Organization", "provider", name=provider) if provider else None
        effort = {name: known.effort(name) for name in ("flops", "seconds", "seen")}
        took = ", ".join(f"{name} {value:.6g}" for name, value in effort.items() if value is not None)
        model = self.add(
            "ai_AIPackage", "model", name=known.name, software_primaryPurpose="model", ai_domain=["images"],
            description=say.architecture(known), software_packageVersion=release.version,
            software_downloadLocation=release.url, ai_typeOfModel=["diffusion model", known.recipe.network.summary],
            releaseTime=release.date and f"{release.date.isoformat()}T00:00:00Z",
            suppliedBy=supplier,
            ai_informationAboutApplication=f"{known.task}. {known.input_format}; {known.output_format}.",
            ai_informationAboutTraining=took or None, ai_limitation=" ".join(say.limits(known)),
            ai_hyperparameter=self._hyperparameters(),
            ai_metric=[_entry(f"{f.name} ({f.features})", f"{f.value:.6g}") for f in known.figures],
            ai_energyConsumption=self._energy(),
        )  # fmt: skip
        if release.licence:
            self.relate("licence", model, "hasDeclaredLicense", self._licence(release.licence))
        return model

    def _hyperparameters(self) -> list[Element]:
        recipe = self.known.recipe
        if not isinstance(recipe, Recipe):
            return []
        sizes = [str(stage.size) for stage in recipe.training.stages]
        found = {
            "target": recipe.process.target, "path": recipe.process.path.kind, "seed": str(recipe.training.seed),
            "samples": str(recipe.training.samples), "sizes": ", ".join(sizes),
            "dropout": f"{recipe.objective.dropout:g}",
        }  # fmt: skip
        return [_entry(name, value) for name, value in found.items()]

    def _energy(self) -> Element | None:
        spent = self.known.about.training.kilowatt_hours
        if spent is None:
            return None
        amount = {
            "type": "ai_EnergyConsumptionDescription", "ai_energyQuantity": spent, "ai_energyUnit": "kilowattHour",
        }  # fmt: skip
        return {"type": "ai_EnergyConsumption", "ai_trainingEnergyConsumption": [amount]}

    def _files(self, model: str) -> None:
        files = [
            self.add("software_File", f"file-{k}", name=name, verifiedUsing=[_hash(digest)])
            for k, (name, digest) in enumerate(sorted(self.known.bundle.facts.files.items()))
        ]
        self.relate("files", model, "contains", *files)

    def _data(self, model: str) -> None:
        sets = [self._dataset(k, origin) for k, origin in enumerate(self.known.origins)]
        pairs = list(zip(sets, self.known.origins, strict=True))
        self.relate("trained", model, "trainedOn", *(name for name, o in pairs if o.trained))
        self.relate("tested", model, "testedOn", *(name for name, o in pairs if o.pictures > o.trained))

    def _dataset(self, number: int, origin: Origin) -> str:
        holder = self.add("Organization", f"holder-{number}", name=origin.holder) if origin.holder else None
        name = self.add(
            "dataset_DatasetPackage", f"data-{number}", name=origin.style or origin.source or "unnamed",
            software_primaryPurpose="data", dataset_datasetType=["image", "text"],
            software_sourceInfo=origin.source or None,
            description=f"{origin.trained} of {origin.pictures} pictures were trained on",
            originatedBy=holder and [holder],
        )  # fmt: skip
        if origin.licence:
            self.relate(f"licence-{number}", name, "hasDeclaredLicense", self._licence(origin.licence))
        return name

    def _needs(self, model: str) -> None:
        known = self.known
        needs = [
            self.add(
                "software_Package", "ornstein", name="ornstein", software_packageVersion=known.bundle.facts.ornstein,
                software_primaryPurpose="library",
                software_packageUrl=f"pkg:pypi/ornstein@{known.bundle.facts.ornstein}",
            )
        ]  # fmt: skip
        if known.bundle.facts.encoder and isinstance(known.recipe, Recipe):
            digest = [_hash(known.bundle.facts.encoder)]
            needs.append(
                self.add(
                    "software_Package", "encoder", name="all-MiniLM-L6-v2", software_primaryPurpose="model",
                    verifiedUsing=digest,
                )
            )  # fmt: skip
        self.relate("needs", model, "dependsOn", *needs)

    def _licence(self, name: str) -> str:
        """A licence as an expression where SPDX lists it, else as the text that was given."""
        name = licences.canonical(name)
        spdx_id = f"licence-{uuid.uuid5(uuid.NAMESPACE_OID, name)}"
        if licences.in_spdx(name):
            return self.add(
                "simplelicensing_LicenseExpression", spdx_id, simplelicensing_licenseExpression=name
            )
        return self.add("simplelicensing_SimpleLicensingText", spdx_id, simplelicensing_licenseText=name)


def _hash(digest: str) -> Element:
    return {"type": "Hash", "algorithm": "sha256", "hashValue": digest}


def _entry(key: str, value: str) -> Element:
    return {"type": "DictionaryEntry", "key": key, "value": value}
