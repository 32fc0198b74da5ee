"""Croissant: the training manifest as a dataset that programs can load, picture by picture.

MLCommons Croissant Format Specification 1.1, https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from ornstein.bundle import MANIFEST
from ornstein.data import licences
from ornstein.errors import MissingExtraError
from ornstein.guard.documents.facts import Known

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
IN_WORDS = {"@container": "@language"}
CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "arrayShape": "cr:arrayShape", "citeAs": "cr:citeAs",
    "column": "cr:column", "conformsTo": "dct:conformsTo", "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/", "description": IN_WORDS, "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field",
    "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "isArray": "cr:isArray", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath",
    "key": "cr:key", "md5": "cr:md5", "name": IN_WORDS, "parentField": "cr:parentField", "path": "cr:path",
    "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
    "replace": "cr:replace", "samplingRate": "cr:samplingRate", "sc": "https://schema.org/",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip
"""The standard one: the specification asks for all of it, used or not."""
COLUMNS = {
    "id": "identifies the picture in its pack",
    "sha256": "of the stored picture's bytes",
    "licence": "SPDX identifier",
    "holder": "whom the licence asks to name",
    "source": "package, version and file that it came from",
    "split": "train, or held out",
    "concept": "what it shows, skin tone set aside",
    "style": "as captions say it",
    "variant": "0 is the plain one",
}


def text(known: Known) -> str | None:
    """The description in JSON-LD; None where the bundle has no manifest to describe."""
    data = known.bundle.facts.data
    if data is None:
        return None
    provider, release = known.about.provider, known.about.model
    values: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "@id": f"urn:sha256:{data.root}",
        "conformsTo": CONFORMS_TO,
        "name": f"{known.name} training manifest",
        "description": f"One row for each of the {data.pictures:,} pictures that the model {known.name} was trained on "
        "or measured with: what it is, whose it is, and under which licence. The pictures themselves are not part of "
        "it.",
        "version": "1.0.0",
        "license": [_licence(name) for name in sorted({origin.licence for origin in data.origins})],
        "creditText": ", ".join(sorted({origin.holder for origin in data.origins if origin.holder})),
        "rai:dataCollection": "; ".join(sorted({origin.source for origin in data.origins})),
        "distribution": [_file(known)],
        "recordSet": [_records()],
    }
    if provider.name:
        values["creator"] = {"@type": "sc:Organization", "name": provider.name}
    if release.date:
        values["datePublished"] = release.date.isoformat()
    if release.url:
        values["url"] = release.url
    return json.dumps(values, indent=1, ensure_ascii=False)


def validate(path: Path) -> None:
    """Read it with MLCommons' library and load a record of it. Raises ValueError, or MissingExtraError."""
    try:
        import mlcroissant
    except ImportError as error:
        raise MissingExtraError("validating Croissant", "documents") from error
    logger, level = logging.getLogger("absl"), logging.getLogger("absl").level
    logger.setLevel(logging.ERROR)  # of what is only recommended, nothing is known
    try:
        dataset = mlcroissant.Dataset(jsonld=str(path))
        next(iter(dataset.records("pictures")), None)
    except (mlcroissant.ValidationError, mlcroissant.GenerationError) as error:
        raise ValueError(str(error)) from error
    finally:
        logger.setLevel(level)


def _licence(name: str) -> str:
    return f"https://spdx.org/licenses/{name}" if licences.in_spdx(name) else name or "none named"


def _file(known: Known) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject", "@id": MANIFEST, "name": MANIFEST, "contentUrl": MANIFEST,
        "description": "the manifest of the bundle, byte for byte",
        "contentSize": f"{(known.bundle.folder / MANIFEST).stat().st_size} B",
        "encodingFormat": "application/x-parquet", "sha256": known.bundle.facts.files[MANIFEST],
    }  # fmt: skip


def _records() -> dict[str, Any]:
    fields = [
        {
            "@type": "cr:Field", "@id": f"pictures/{column}", "name": column, "description": what,
            "dataType": "sc:Integer" if column == "variant" else "sc:Text",
            "source": {"fileObject": {"@id": MANIFEST}, "extract": {"column": column}},
        }
        for column, what in COLUMNS.items()
    ]  # fmt: skip
    return {
        "@type": "cr:RecordSet", "@id": "pictures", "name": "pictures", "key": {"@id": "pictures/id"},
        "description": "one record for each picture", "field": fields,
    }  # fmt: skip
