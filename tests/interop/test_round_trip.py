"""An imported bundle is one of the bundles: it draws, replays, saves, and goes back to where it came from."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from huggingface_hub import constants
from safetensors.torch import load_file

from ornstein import hashes
from ornstein.bundle import Bundle, ImportedFacts
from ornstein.errors import OrnsteinError
from ornstein.interop.autoencoder import AutoencoderAdapter
from ornstein.interop.exporting import export_bundle
from ornstein.interop.importing import import_pipeline
from ornstein.model import Model
from ornstein.saving import with_metrics
from ornstein.shelf import SHIPPED
from tests.interop.conftest import Both
from tests.interop.test_parity import assert_same, ours, theirs
from tests.small import Command, ornstein

__all__ = ["ornstein"]
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:this model was trained at")


@pytest.mark.parametrize("family", ["stable_diffusion", "flux"])
def test_a_picture_is_drawn_saved_and_replayed(
    both: Callable[..., Both], family: str, tmp_path: Path
) -> None:
    model = both(family).model
    made = model.generate(["a cat", "a dog"], seeds=1, steps=2, size=32)
    assert made[0].image.mode == "RGB"
    assert not np.array_equal(made[0].array, made[1].array)
    made[0].save(tmp_path / "cat.jpg")
    assert model.bundle
    again = Model.load(model.bundle.folder).replay(made[0].record)
    assert np.array_equal(again.array, made[0].array)


def test_a_row_alone_is_the_row_in_a_batch(both: Callable[..., Both]) -> None:
    model = both("stable_diffusion").model
    settings: dict[str, Any] = {"sampler": "dpmpp-2m", "size": 32, "dtype": torch.float32}

    def run(prompts: list[str], guidance: list[float]) -> torch.Tensor:
        rows = len(prompts)
        states = model.trajectory(
            prompts, [5] * rows, steps=[3] * rows, guidance=guidance, negatives=[""] * rows, **settings
        )
        return list(states)[-1].x

    torch.testing.assert_close(
        run(["a cat", "b"], [4.0, 1.0])[:1], run(["a cat"], [4.0]), rtol=1e-4, atol=1e-3
    )


def test_export_opens_in_diffusers_and_draws_the_same(both: Callable[..., Both], tmp_path: Path) -> None:
    pair = both("stable_diffusion_xl")
    assert pair.model.bundle
    export_bundle(pair.model.bundle, tmp_path / "out")
    pipe = DiffusionPipeline.from_pretrained(tmp_path / "out")
    pipe.set_progress_bar_config(disable=True)
    noise, mine = ours(pair)
    assert_same(mine, theirs(Both(pipe, tmp_path / "out", pair.model), noise))


def test_ours_is_exported_as_what_it_is(tmp_path: Path) -> None:
    bundle = Bundle.open(SHIPPED / "fashion")
    export_bundle(bundle, tmp_path / "out")
    tensors = load_file(tmp_path / "out/transformer/diffusion_pytorch_model.safetensors")
    assert sum(value.numel() for value in tensors.values()) == bundle.facts.parameters
    config = json.loads((tmp_path / "out/transformer/config.json").read_text())
    assert config["recipe"] == bundle.facts.recipe.model_dump(mode="json")
    with pytest.raises(Exception, match="OrnsteinPipeline"):
        DiffusionPipeline.from_pretrained(tmp_path / "out")


def test_a_half_precision_variant_in_shards_is_read(both: Callable[..., Both], tmp_path: Path) -> None:
    pipe = both("stable_diffusion").pipe
    pipe.unet.save_pretrained(tmp_path / "half", variant="fp16", max_shard_size="30KB")
    folder = shutil.copytree(both("stable_diffusion").folder, tmp_path / "pipe")
    shutil.rmtree(folder / "unet")
    shutil.move(tmp_path / "half", folder / "unet")
    assert len(list((folder / "unet").glob("*.fp16-*.safetensors"))) > 1
    model: Any = Model.load(import_pipeline(str(folder), tmp_path / "bundle").folder)
    other: Any = both("stable_diffusion").model
    mine, wanted = (each.network.ready(torch.float32).network.state_dict() for each in (model, other))
    assert all(torch.equal(value, wanted[name]) for name, value in mine.items())


def test_licences_are_shown_and_kept(
    both: Callable[..., Both], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ornstein: Command
) -> None:
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path / "home"))
    folder = shutil.copytree(both("unconditional").folder, tmp_path / "Tiny DDPM")
    (folder / "README.md").write_text("---\nlicense: openrail++\n---\n# A model\n")
    (folder / "LICENSE.txt").write_text("\nOpen RAIL++-M Licence\nCopyright\n")
    said = ornstein("import", folder, "--set", "sampling.steps=3")
    assert said.code == 0
    assert "licence, by README.md: openrail++" in said.err
    assert "parity-tested, not quality-tested" in said.err
    bundle = Bundle.open(tmp_path / "home/bundles/tiny-ddpm")
    assert (bundle.folder / "pipeline/LICENSE.txt").is_file()
    card = (bundle.folder / "card.md").read_text()
    assert "- LICENSE.txt: Open RAIL++-M Licence" in card
    assert "**parity-tested, not quality-tested**" in card
    assert (
        ornstein(
            "generate", "anything", "--model", "tiny-ddpm", "--seed", 1, "--out", tmp_path / "a.png"
        ).code
        == 0
    )
    assert ornstein("export", "tiny-ddpm", tmp_path / "out").code == 0
    assert ornstein("models", "verify", "tiny-ddpm").code == 0
    assert ornstein("import", folder, "--set", "network.size=8").code == 2


def test_weights_are_linked_and_measurements_leave_the_fingerprint(
    both: Callable[..., Both], tmp_path: Path
) -> None:
    pair = both("stable_diffusion")
    assert pair.model.bundle
    source = pair.folder / "unet/diffusion_pytorch_model.safetensors"
    kept = pair.model.bundle.folder / "pipeline/unet/diffusion_pytorch_model.safetensors"
    assert source.samefile(kept)
    copy = Bundle.open(Model.load(pair.model.bundle.folder).save(tmp_path / "copy"))
    measured = with_metrics(copy, {"fid": 1.0}, {"steps": 9})
    assert measured.fingerprint == pair.model.bundle.fingerprint
    assert measured.facts.recipe.sampling.steps == 9


def test_a_large_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path))
    monkeypatch.setattr(hashes, "LARGE", 4)
    file = tmp_path / "weights"
    file.write_bytes(b"12345")
    first = hashes.sha256(file)
    monkeypatch.setattr(hashes, "_read", lambda file: "read again")
    assert hashes.sha256(file) == first
    assert hashes.sha256(file, fresh=True) == "read again"
    file.write_bytes(b"123456")
    assert hashes.sha256(file) == "read again"


def test_batches_get_smaller_as_pictures_get_larger(both: Callable[..., Both]) -> None:
    model = both("stable_diffusion").model
    assert [max(model.rows(size)) for size in (256, 512, 1024)] == [8, 4, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(model.generate("cat", seeds=1, n=2, steps=1, size=32)) == 2


def test_a_hub_name_is_found_in_the_cache(
    both: Callable[..., Both], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    place = tmp_path / "models--someone--tiny"
    shutil.copytree(both("stable_diffusion").folder, place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    bundle = import_pipeline("someone/tiny", tmp_path / "bundle")
    assert isinstance(bundle.facts, ImportedFacts)
    assert (bundle.facts.name, bundle.facts.recipe.source.revision) == ("tiny", commit)
    assert bundle.facts.recipe.source.name == "someone/tiny"
    shutil.rmtree(place / "snapshots" / commit / "vae")
    with pytest.raises(OrnsteinError, match="lacks the subfolder vae"):
        import_pipeline("someone/tiny", tmp_path / "another")


def test_an_autoencoder_that_several_threads_ask_first_answers_them_alike(both: Callable[..., Both]) -> None:
    """Whoever comes while another thread still reads the weights must not find them half prepared."""
    adapter = both("stable_diffusion").model.codec
    x = torch.randn(1, 16, 16, 4, generator=torch.Generator().manual_seed(0))
    wanted = adapter.decode(x, torch.bfloat16)
    for _ in range(3):
        fresh, meeting = AutoencoderAdapter(adapter.codec, adapter._folder), Barrier(4)

        def decoded(_: int, fresh: AutoencoderAdapter = fresh, meeting: Barrier = meeting) -> np.ndarray:
            meeting.wait()
            return fresh.decode(x, torch.bfloat16)

        with ThreadPoolExecutor(4) as threads:
            assert all(np.array_equal(array, wanted) for array in threads.map(decoded, range(4)))
