"""A pipeline folder as diffusers lays it out: an index of parts, each with config and weights; nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ornstein.errors import OrnsteinError

INDEX = "model_index.json"
STEMS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".msgpack", ".h5")
LARGEST_JSON = 64 << 20  # bytes; a tokenizer's file is the largest
TOKENIZER_FILES = (".json", ".txt", ".model")
FLOATS = {"F64", "F32", "F16", "BF16"}


@dataclass(frozen=True)
class PipelineFolder:
    """A folder whose index has been read.

    Attributes:
        root: where. index: what ``model_index.json`` says.
    """

    root: Path
    index: dict[str, Any]

    @classmethod
    def open(cls, root: Path) -> PipelineFolder:
        """Read the index.

        Raises:
            OrnsteinError: no pipeline folder, or an index that is not one.
        """
        if not root.is_dir():
            raise OrnsteinError(f"{root} is no folder")
        if not (root / INDEX).is_file():
            lone = next((file.name for file in sorted(root.iterdir()) if file.suffix in PICKLES), None)
            hint = f"; {_conversion(lone)}" if lone else ""
            raise OrnsteinError(f"{root} is no pipeline folder of diffusers: it has no {INDEX}{hint}")
        index = read_json(root / INDEX)
        if not isinstance(index.get("_class_name"), str):
            raise OrnsteinError(f"{root / INDEX} names no pipeline: it has no _class_name")
        return cls(root, index)

    @property
    def pipeline(self) -> str:
        """Class of the pipeline."""
        return self.index["_class_name"]

    def has(self, part: str) -> bool:
        """Whether the index names a class for `part`."""
        return self._class(part) is not None

    def class_name(self, part: str) -> str:
        """The class that the index names for `part`. Raises OrnsteinError."""
        if (found := self._class(part)) is None:
            raise OrnsteinError(f"{self.root / INDEX} names no {part}")
        return found[1]

    def _class(self, part: str) -> tuple[str, str] | None:
        found = self.index.get(part)
        if isinstance(found, list) and len(found) == 2 and all(isinstance(name, str) for name in found):
            return found[0], found[1]
        return None

    def config(self, part: str) -> dict[str, Any]:
        """A part's config. Raises OrnsteinError: it is missing, or no JSON."""
        self.class_name(part)
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        if not (self.root / part).is_dir():
            raise OrnsteinError(f"{self.root} lacks the subfolder {part} that its {INDEX} names")
        return read_json(self.root / part / name)

    def weights(self, part: str) -> dict[str, Path]:
        """A part's weight files by the name they have in a plain folder: one file, or an index and its shards.

        A folder that has only half-precision variants gives those.

        Raises:
            OrnsteinError: no safetensors, a missing shard, or a tensor that is no float.
        """
        found = self._class(part)
        stem = STEMS.get(found[0] if found else "", STEMS["diffusers"])
        folder = self.root / part
        for variant in ("", "fp16", "bf16"):
            single = folder / f"{stem}{'.' * bool(variant)}{variant}.safetensors"
            index = folder / f"{stem}.safetensors.index{'.' * bool(variant)}{variant}.json"
            if index.is_file():
                return {f"{stem}.safetensors.index.json": index, **_shards(index)}
            if single.is_file():
                _check_floats(single)
                return {f"{stem}.safetensors": single}
        raise OrnsteinError(_no_weights(folder))

    def tokenizer(self, part: str) -> dict[str, Path]:
        """A tokenizer's files by name. Raises OrnsteinError: there are none."""
        folder = self.root / part
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        found = {file.name: file for file in files if file.suffix in TOKENIZER_FILES}
        if not found:
            raise OrnsteinError(f"{self.root} lacks the tokenizer that its {INDEX} names: {part}")
        return found

    def licences(self) -> dict[str, str]:
        """What the folder says of its licence, by file: README's front matter, licence files, the index."""
        said: dict[str, str] = {}
        if readme := _front_matter(self.root / "README.md"):
            said["README.md"] = readme
        for file in self.notices():
            said[file.name] = _first_line(file)
        if isinstance(named := self.index.get("license"), str):
            said[INDEX] = named
        return said

    def notices(self) -> Iterator[Path]:
        """Licence files at the top of the folder."""
        for file in sorted(self.root.iterdir()):
            if file.is_file() and file.stem.upper().startswith(("LICENSE", "LICENCE", "NOTICE")):
                yield file


def read_json(path: Path) -> dict[str, Any]:
    """A JSON mapping. Raises OrnsteinError: missing, too large, or no mapping."""
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise OrnsteinError(f"{path} is larger than any file of its kind")
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise OrnsteinError(f"{path} is missing") from error
    except OSError as error:
        raise OrnsteinError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise OrnsteinError(f"{path} is not readable JSON ({error})") from error
    if not isinstance(values, dict):
        raise OrnsteinError(f"{path} is no mapping")
    return values


def _shards(index: Path) -> dict[str, Path]:
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise OrnsteinError(f"{index} has no weight_map")
    files: dict[str, Path] = {}
    for name in sorted({str(name) for name in names.values()}):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise OrnsteinError(f"{index} names {name!r}, which is no shard beside it")
        if not (index.parent / name).is_file():
            raise OrnsteinError(f"{index.parent / name} is missing: a shard that {index.name} names")
        files[name] = index.parent / name
        _check_floats(files[name])
    return files


def _check_floats(file: Path) -> None:
    """Refuse a file that is not whole, or holds anything but plain floats (quantised weights, for one)."""
    from safetensors import safe_open

    try:
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no dict
                if (kind := tensors.get_slice(name).get_dtype()) not in FLOATS and "position_ids" not in name:
                    raise OrnsteinError(f"{file}: the weight {name} is {kind}, not a float of 16 or 32 bits")
    except OrnsteinError:
        raise
    except Exception as error:  # safetensors raises its own types
        raise OrnsteinError(f"{file} cannot be read: {error}") from error


def _no_weights(folder: Path) -> str:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    pickle = next((file.name for file in files if file.suffix in PICKLES), None)
    if pickle:
        return f"{folder} has no safetensors; {_conversion(pickle)}"
    return f"{folder} holds no weights: a .safetensors file is missing"


def _conversion(name: str) -> str:
    return (
        f"{name} could run code when it is read and is refused; where you trust it, convert it with diffusers: "
        "DiffusionPipeline.from_pretrained(OLD).save_pretrained(NEW), or from_single_file for a lone file"
    )


def _front_matter(readme: Path) -> str | None:
    """The licence in a README's YAML head; names only, so no YAML reader is needed."""
    if not readme.is_file():
        return None
    head, fields = readme.read_text(encoding="utf-8", errors="replace")[:65_536], {}
    if not head.startswith("---"):
        return None
    for line in head[3:].partition("\n---")[0].splitlines():
        key, colon, value = line.partition(":")
        if colon and key in ("license", "license_name", "license_link"):
            fields[key] = value.strip().strip("'\"")[:200]
    return (
        " ".join(fields[key] for key in ("license", "license_name", "license_link") if fields.get(key))
        or None
    )


def _first_line(file: Path) -> str:
    text = file.read_text(encoding="utf-8", errors="replace")[:4096]
    return next((" ".join(line.split())[:200] for line in text.splitlines() if line.strip()), "")
