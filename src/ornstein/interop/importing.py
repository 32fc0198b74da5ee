"""From a pipeline folder, or a hub name, to a bundle."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ornstein import saving
from ornstein.bundle import Bundle, StoredName
from ornstein.config import override
from ornstein.errors import OrnsteinError, UsageError
from ornstein.interop.families import find_pipeline, read_recipe, tokenizer_of
from ornstein.interop.folder import INDEX, PipelineFolder
from ornstein.interop.load import (
    load_diffusers,
    load_encoder,
    load_tokenizer,
    refuse_non_finite,
    require_extra,
)
from ornstein.shelf import SHIPPED, home

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
HUB_FILES = ("*.safetensors", "*.json", "*.txt", "*.model")
VARIANTS = ("*.fp16*", "*.bf16*", "*non_ema*")
STORED: dict[str, StoredName] = {"F64": "float32", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@dataclass(frozen=True)
class Found:
    """A pipeline folder whose files are all there.

    Attributes:
        folder: its index. files: what a bundle keeps of it, by path. source: its name. revision: the hub's.
    """

    folder: PipelineFolder
    files: dict[str, Path | bytes]
    source: str
    revision: str | None = None


def import_pipeline(
    source: str, out: Path | None = None, name: str | None = None, settings: Sequence[str] = ()
) -> Bundle:
    """Make a bundle of a published checkpoint.

    Args:
        source: a pipeline folder, or a name of the hub.
        out: the bundle's folder; the user's shelf where None.
        name: of the model; the source's last part where None.
        settings: ``path=value`` changes of the recipe's sampling section.

    Raises:
        UsageError: a name that is taken, or a setting that cannot be. OrnsteinError: a folder that cannot be read
            here, and why. MissingExtraError: diffusers is not installed.
    """
    require_extra()
    name = _name(name or Path(source.rstrip("/")).name)
    target = out or home() / name
    if out is None and (SHIPPED / name).exists():
        raise UsageError(f"{name!r} is the name of a shipped model: choose another with --name")
    if target.exists():
        raise UsageError(f"{target} exists already: choose another with --name or --out")
    found = find_source(source)
    recipe = override(read_recipe(found.folder, name, found.source, found.revision), _sampling(settings))
    stored = _stored(found.folder.weights(find_pipeline(found.folder).network))
    return saving.save_imported(target, recipe, found.files, _check, dtype=stored, metrics={})


def find_source(source: str) -> Found:
    """A folder, or what the hub's cache or the hub has under a name.

    Raises:
        OrnsteinError: neither, or an incomplete one.
    """
    place = Path(source).expanduser()
    if place.is_dir():
        folder = PipelineFolder.open(place)
        return Found(folder, _files(folder), place.resolve().name)
    if not HUB_NAME.fullmatch(source):
        raise OrnsteinError(f"{source} is no folder, and no name of the hub (OWNER/NAME)")
    return _from_hub(source)


def _from_hub(name: str) -> Found:
    """From the hub's cache; only if it is not there, or not whole, does the network get asked."""
    from huggingface_hub import snapshot_download

    failure: Exception | None = None
    incomplete: OrnsteinError | None = None
    for offline in (True, False):
        for leave_out in (
            VARIANTS,
            ("*non_ema*",),
        ):  # half-precision variants only where there is nothing else
            try:
                index = snapshot_download(name, allow_patterns=[INDEX], local_files_only=offline)
                parts = _parts(PipelineFolder.open(Path(index)))
                wanted = [f"{part}/{pattern}" for part in parts for pattern in HUB_FILES]
                place = snapshot_download(
                    name, allow_patterns=[INDEX, "README.md", "LICENSE*", *wanted],
                    ignore_patterns=list(leave_out), local_files_only=offline,
                )  # fmt: skip
                folder = PipelineFolder.open(Path(place))
                return Found(folder, _files(folder), name, Path(place).name)
            except OrnsteinError as error:
                incomplete = error
            except Exception as error:  # the hub client raises a dozen unrelated types
                failure = error
                break
    if incomplete is not None:
        raise incomplete
    raise OrnsteinError(
        f"{name} is neither a folder nor in the hub's cache, and the hub cannot be reached"
    ) from failure


def _parts(folder: PipelineFolder) -> list[str]:
    pipeline = find_pipeline(folder)
    texts = [text for text in pipeline.texts if folder.has(text)]
    codec = [] if pipeline.family == "unconditional" else ["vae"]
    return [pipeline.network, *codec, *texts, *map(tokenizer_of, texts), "scheduler"]


def _files(folder: PipelineFolder) -> dict[str, Path | bytes]:
    """What a bundle keeps: configs, weights, tokenizers, licences; never what only filters or could run code."""
    files: dict[str, Path | bytes] = {INDEX: _index(folder)}
    for part in _parts(folder):
        if part.startswith("tokenizer"):
            kept = folder.tokenizer(part)
        else:
            folder.config(part)
            config = "scheduler_config.json" if part == "scheduler" else "config.json"
            kept = {config: folder.root / part / config}
            if part != "scheduler":
                kept |= folder.weights(part)
        files |= {f"{part}/{name}": file for name, file in kept.items()}
    for file in (*folder.notices(), folder.root / "README.md"):
        if file.is_file():
            files[file.name] = file
    return files


def _index(folder: PipelineFolder) -> bytes:
    """The index without the parts that are left behind, as diffusers writes a part that is not there."""
    kept = set(_parts(folder))
    values = {
        key: [None, None] if isinstance(value, list) and key not in kept else value
        for key, value in folder.index.items()
    }
    if "requires_safety_checker" in values:
        values["requires_safety_checker"] = False
    return json.dumps(values, indent=2).encode()


def _check(place: Path) -> int:
    """Load each part once, so that what does not fit is said now; returns the number of the network's weights."""
    folder = PipelineFolder.open(place)
    pipeline = find_pipeline(folder)
    network = folder.root / pipeline.network
    dtype = getattr(torch, _stored(folder.weights(pipeline.network)))
    module = load_diffusers(folder.class_name(pipeline.network), network, dtype)
    refuse_non_finite(module, network)
    count = sum(value.numel() for value in module.parameters())
    del module
    for part in _parts(folder):
        if part.startswith("tokenizer"):
            load_tokenizer(folder.class_name(part), folder.root / part)
        elif part.startswith("text_encoder"):
            refuse_non_finite(load_encoder(folder.class_name(part), folder.root / part), folder.root / part)
        elif part == "vae":
            refuse_non_finite(
                load_diffusers("AutoencoderKL", folder.root / part, torch.float32), folder.root / part
            )
    return count


def _stored(files: dict[str, Path]) -> StoredName:
    """The dtype of a part's first tensor."""
    from safetensors import safe_open

    file = next(file for name, file in files.items() if name.endswith(".safetensors"))
    with safe_open(file, "pt") as tensors:
        first = next(iter(tensors.keys()))
        return STORED[tensors.get_slice(first).get_dtype()]


def _name(text: str) -> str:
    name = re.sub(r"[^\w.-]+", "-", text).strip("-.").lower()
    if not name:
        raise UsageError(f"{text!r} names no model: choose a name with --name")
    return name


def _sampling(settings: Sequence[str]) -> list[str]:
    for setting in settings:
        if not setting.startswith("sampling."):
            raise UsageError(f"--set {setting}: only sampling.… can be set, the rest is the checkpoint's own")
    return list(settings)
