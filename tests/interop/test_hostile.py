"""Folders that cannot be imported: one line that says what is wrong, and nothing is left behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ornstein.bundle import Bundle
from ornstein.errors import OrnsteinError, UsageError
from ornstein.interop.importing import import_pipeline
from ornstein.interop.schedulers import read_schedule
from ornstein.model import Model
from tests.interop.conftest import Both

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(both: Callable[..., Both], tmp_path: Path) -> Path:
    """A folder of its own to spoil."""
    return shutil.copytree(both("stable_diffusion").folder, tmp_path / "pipe")


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def spoil(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / UNET)
    change(tensors)
    save_file(tensors, folder / UNET)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "scheduler": (
        lambda f: edit(f / "model_index.json", scheduler=["diffusers", "EulerDiscretScheduler"]),
        "unknown scheduler 'EulerDiscretScheduler'; did you mean 'EulerDiscreteScheduler'",
    ),
    "prediction": (
        lambda f: edit(f / "scheduler/scheduler_config.json", prediction_type="velocity"),
        "unknown prediction_type 'velocity'; known: epsilon, sample, v_prediction",
    ),
    "option": (
        lambda f: edit(f / "scheduler/scheduler_config.json", thresholding=True),
        "DDIMScheduler: the option thresholding=True is not supported",
    ),
    "pipeline": (
        lambda f: edit(f / "model_index.json", _class_name="StableDiffusionInpaintPipeline"),
        "unknown pipeline 'StableDiffusionInpaintPipeline'; did you mean 'StableDiffusionPipeline'",
    ),
    "channels": (lambda f: edit(f / "unet/config.json", in_channels=9), "takes 9 channels and not the autoencoder's 4"),
    "subfolder": (lambda f: shutil.rmtree(f / "vae"), "lacks the subfolder vae"),
    "tokenizer": (lambda f: shutil.rmtree(f / "tokenizer"), "lacks the tokenizer"),
    "index": (lambda f: (f / "model_index.json").unlink(), "has no model_index.json"),
    "no JSON": (lambda f: (f / "unet/config.json").write_text("{"), "is not readable JSON"),
    "weights": (lambda f: (f / UNET).unlink(), "holds no weights: a .safetensors file is missing"),
    "pickle": (
        lambda f: (f / UNET).rename(f / "unet/diffusion_pytorch_model.bin"),
        r"has no safetensors; diffusion_pytorch_model.bin could run code .* convert it",
    ),
    "truncated": (lambda f: (f / UNET).write_bytes((f / UNET).read_bytes()[:-64]), "cannot be read"),
    "shape": (lambda f: spoil(f, lambda t: t.update({"conv_in.weight": torch.zeros(8, 3, 3, 3)})), "conv_in.weight"),
    "dtype": (
        lambda f: spoil(f, lambda t: t.update({"conv_in.bias": torch.zeros(8, dtype=torch.int8)})),
        "the weight conv_in.bias is I8, not a float",
    ),
    "missing": (lambda f: spoil(f, lambda t: t.pop("conv_in.bias")), "lacks the weight conv_in.bias"),
    "extra": (lambda f: spoil(f, lambda t: t.update(more=torch.zeros(1))), "holds the unknown weight more"),
    "NaN": (
        lambda f: spoil(f, lambda t: t.update({"conv_in.bias": torch.full((8,), torch.nan)})),
        "the weight conv_in.bias is not finite",
    ),
    "class": (
        lambda f: edit(f / "model_index.json", text_encoder=["transformers", "LlamaModel"]),
        "unknown text encoder class 'LlamaModel'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_one_line_and_nothing_left(folder: Path, change: Callable[[Path], object], said: str) -> None:
    change(folder)
    with pytest.raises(OrnsteinError, match=said) as raised:
        import_pipeline(str(folder), folder.parent / "bundle")
    assert "\n" not in str(raised.value)
    assert [file.name for file in folder.parent.iterdir()] == ["pipe"]


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / UNET).unlink()
    index = {"weight_map": {"conv_in.weight": "diffusion_pytorch_model-00001-of-00002.safetensors"}}
    (folder / "unet/diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(OrnsteinError, match="00001-of-00002.safetensors is missing: a shard"):
        import_pipeline(str(folder), folder.parent / "bundle")
    index["weight_map"]["conv_in.weight"] = "../vae/diffusion_pytorch_model.safetensors"
    (folder / "unet/diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(OrnsteinError, match="no shard beside it"):
        import_pipeline(str(folder), folder.parent / "bundle")


def test_noise_says_nothing_of_the_data_in_pure_noise() -> None:
    options = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    with pytest.raises(OrnsteinError, match="epsilon says nothing"):
        read_schedule("DDIMScheduler", options, 16, False)


@pytest.mark.parametrize(
    ("source", "said"), [("nobody/nothing", "hub cannot be reached"), ("no folder", "no name of the hub")]
)
def test_neither_folder_nor_hub(source: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(OrnsteinError, match=said):
        import_pipeline(source, tmp_path / "bundle")


def test_names_that_are_taken(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        import_pipeline(str(folder), folder)
    with pytest.raises(UsageError, match="name of a shipped model"):
        import_pipeline(str(folder), name="emoji")


def test_an_altered_file_of_the_pipeline_is_named(both: Callable[..., Both], tmp_path: Path) -> None:
    bundle = both("stable_diffusion").model.bundle
    assert bundle
    copy = shutil.copytree(bundle.folder, tmp_path / "copy")
    edit(copy / "pipeline/scheduler/scheduler_config.json", beta_end=0.02)
    with pytest.raises(OrnsteinError, match="scheduler_config.json was altered"):
        Model.load(copy)


def test_a_header_names_no_file_outside(both: Callable[..., Both], tmp_path: Path) -> None:
    bundle = both("stable_diffusion").model.bundle
    assert bundle
    copy = shutil.copytree(bundle.folder, tmp_path / "copy")
    header = json.loads((copy / "model.json").read_text())
    header["files"]["pipeline/../../secret"] = "0" * 64
    (copy / "model.json").write_text(json.dumps(header))
    with pytest.raises(OrnsteinError, match="lists an unknown file"):
        Bundle.open(copy)


def test_sizes_and_negative_prompts_that_a_model_cannot_have(both: Callable[..., Both]) -> None:
    with pytest.raises(UsageError, match="multiples of 2 from 32 to 2048; it was trained at 32"):
        both("stable_diffusion").model.generate("cat", size=33)
    with pytest.raises(UsageError, match="multiples of 2 from 32 to 32"):
        both("dit").model.generate("goldfish", size=64)
    with pytest.raises(UsageError, match="'goldfisch' is none; did you mean 'goldfish'"):
        both("dit").model.generate("goldfisch")
    with pytest.raises(UsageError, match="knows no negative prompts"):
        both("flux").model.generate("cat", negative="dog", size=32)
