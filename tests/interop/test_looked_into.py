"""Imported models explained, inverted and weighed, where mathematics allows; else one line says why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch.distributions import Normal

from ornstein.denoise.exact import GaussianDenoiser
from ornstein.errors import UsageError
from ornstein.explain import measure, page
from ornstein.inverse import (
    bits_of,
    encoded,
    from_noise,
    inversion_level,
    invert,
    samples_from_noise,
    tightest_level,
)
from ornstein.model import Model
from ornstein.request import requests
from tests.interop.conftest import Both
from tests.interop.test_fitted import small
from tests.small import Command
from tests.train.conftest import make_pack

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:this model was trained at")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pictures(count: int, size: int) -> np.ndarray:
    """Smooth ones, in colour."""
    y, x = np.mgrid[:size, :size] / size
    each = [np.stack([x * k / count, y, 1 - x * y], -1) for k in range(1, count + 1)]
    return (np.stack(each) * 255).astype(np.uint8)


@pytest.mark.parametrize("family", ["stable_diffusion", "stable_diffusion_3", "flux"])
def test_latents_are_those_of_diffusers(both: Callable[..., Both], family: str, tmp_path: Path) -> None:
    pair, shown = both(family), pictures(2, 32)
    model = small(pair, tmp_path / "bundle")
    vae = pair.pipe.vae
    with torch.inference_mode():
        x = torch.from_numpy(shown).permute(0, 3, 1, 2).float() / 127.5 - 1
        wanted = (vae.encode(x).latent_dist.mean - (vae.config.shift_factor or 0)) * vae.config.scaling_factor
    torch.testing.assert_close(encoded(model, shown), wanted.permute(0, 2, 3, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["stable_diffusion", "stable_diffusion_2", "stable_diffusion_3", "dit"])
def test_noise_leads_back_to_where_it_came_from(
    both: Callable[..., Both], family: str, tmp_path: Path
) -> None:
    """By a network that guesses gently, as trained ones do: random ones ring with every timestep."""
    model: Any = Model.load(both(family).model.save(tmp_path / "copy"))
    network = model.network.ready(torch.float32).network
    last = next(
        part for name in ("conv_out", "proj_out_2", "proj_out") if (part := getattr(network, name, None))
    )
    last.weight.mul_(0.02)
    shown = pictures(2, model.recipe.sampling.size)
    x, prompt = encoded(model, shown), {"dit": "tench", "stable_diffusion": "a cat"}.get(family, "")

    def lost(steps: int) -> float:
        noise = invert(model, x, prompt, steps=steps)
        return float((samples_from_noise(model, noise, prompt, steps=steps) - x).std() / x.std())

    assert lost(40) < 0.02
    assert lost(40) < max(lost(10) / 4, 1e-5)  # or as little as float32 can tell
    noise = invert(model, shown, prompt, steps=10)
    torch.testing.assert_close(noise, invert(model, x, prompt, steps=10))
    again = samples_from_noise(model, noise, prompt, steps=10)
    np.testing.assert_array_equal(
        from_noise(model, noise, prompt, steps=10), model.decode(again, torch.float32)
    )


def test_the_way_starts_at_the_cleanest_timestep_there_is(both: Callable[..., Both]) -> None:
    for family, scheduler in (
        ("stable_diffusion", True),
        ("unconditional", True),
        ("stable_diffusion_3", False),
    ):
        pair = both(family)
        level = inversion_level(pair.model.recipe)
        if scheduler:
            share = float(pair.pipe.scheduler.alphas_cumprod[0])
            assert level == pytest.approx(np.log(share / (1 - share)), abs=1e-3)
        else:
            assert level == pytest.approx(2 * np.log(999), abs=1e-6)


def test_what_cannot_be_inverted_is_said(both: Callable[..., Both]) -> None:
    with pytest.raises(UsageError, match="in multiples of 2, not 33 x 33"):
        encoded(both("stable_diffusion").model, pictures(1, 33))
    with pytest.raises(UsageError, match="sides of 32 to 32 pixels, not 64"):
        encoded(both("dit").model, pictures(1, 64))
    with pytest.raises(UsageError, match="is not what this model's pictures are made of"):
        from_noise(both("stable_diffusion").model, torch.zeros(1, 16, 16, 3))


def test_the_command_tells_what_the_model_loses_from_what_the_autoencoder_does(
    both: Callable[..., Both], ornstein: Command
) -> None:
    bundle = both("stable_diffusion").model.bundle
    assert bundle
    alpha = np.full((32, 32, 1), 255, np.uint8)
    alpha[:4] = 0
    Image.fromarray(np.concatenate([pictures(1, 32)[0], alpha], -1)).save("a.png")
    said = ornstein("invert", "a.png", "--model", bundle.folder, "--steps", 4, "--json")
    assert said.code == 0, said
    assert "a.png is not opaque: this model sees it on white" in said.err
    (line,) = json.loads(said.out)["pictures"]
    assert line["latents"] > 0
    assert line["autoencoder"]["rms"] > 0
    with safe_open(line["noise"], "pt") as held:
        assert held.get_tensor("noise").shape == (16, 16, 4)
    table = ornstein("invert", "a.png", "--model", bundle.folder, "--steps", 4, "--force").out
    assert "autoencoder" in table.splitlines()[0]
    assert "without the model" in table


def test_bits_of_a_model_of_pixels_are_those_of_its_density(
    both: Callable[..., Both], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Independent Gaussian numbers, whose denoiser and density are known, on the path of a published model."""
    model, mean, deviation = both("unconditional").model, 0.2, 0.15
    denoiser = GaussianDenoiser(model.recipe.process.path, torch.tensor(mean), torch.tensor(deviation))
    x = mean + deviation * np.random.default_rng(0).standard_normal((4, 16, 16, 3))
    shown = ((x + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
    with monkeypatch.context() as patch:
        patch.setattr(model, "denoiser", lambda network=None, dtype=None: denoiser)
        found = float(bits_of(model, shown, steps=60).each.mean())
        assert tightest_level(model, shown, steps=20) > 9
    density = Normal(mean, deviation).log_prob(torch.from_numpy(shown / 127.5 - 1)).mean()
    assert found == pytest.approx(float(-density / np.log(2) + np.log2(127.5)), abs=0.03)


def test_bits_after_an_inversion(both: Callable[..., Both], tmp_path: Path) -> None:
    """Weights that were read while nothing was differentiated can be differentiated through."""
    model = Model.load(both("unconditional").model.save(tmp_path / "copy"))
    shown = pictures(2, 16)
    invert(model, shown, steps=1)
    assert bits_of(model, shown, steps=2).each.isfinite().all()


def test_bits_of_files_and_of_a_pack(both: Callable[..., Both], ornstein: Command, tmp_path: Path) -> None:
    pixels, latents = both("unconditional").model.bundle, both("stable_diffusion").model.bundle
    assert pixels
    assert latents
    Image.fromarray(pictures(1, 16)[0]).save("a.png")
    said = ornstein("likelihood", pixels.folder, "a.png", "--steps", 2, "--json")
    assert said.code == 0, said
    assert np.isfinite(json.loads(said.out)["pictures"][0]["bits"])
    pack = make_pack(tmp_path / "discs", count=24, held=8)
    words = ("likelihood", pixels.folder, "--against", pack, "--count", 4, "--steps", 2)
    facts = json.loads(ornstein(*words, "--json").out)
    assert facts["difference"]["value"] == pytest.approx(
        facts["held_out"]["value"] - facts["reference"]["value"]
    )
    text = ornstein(*words).out
    assert "what it learned from is not known" in text
    assert "memorisation" not in text
    for arguments, why in (
        ((pixels.folder,), "name the pack"),
        ((latents.folder, "a.png"), "bits of latents are no bits of pictures"),
        ((latents.folder, "--against", pack), "bits of latents are no bits of pictures"),
    ):
        refused = ornstein("likelihood", *arguments)
        assert (refused.code, refused.out) == (2, "")
        assert why in refused.err
        assert len(refused.err.strip().splitlines()) == 1


@pytest.mark.parametrize("family", ["stable_diffusion", "flux", "unconditional", "dit"])
def test_a_picture_is_explained(both: Callable[..., Both], family: str, tmp_path: Path) -> None:
    model = small(both(family), tmp_path / "bundle") if family == "flux" else both(family).model
    prompt = "tench" if family == "dit" else "a cat"
    (request,) = requests(prompt, 1, 3, "", model.recipe.sampling, steps=3, guidance=3.0)
    way = measure.way(model, request)
    (made,) = model.generate(prompt, 3, steps=3, guidance=3.0)
    np.testing.assert_allclose(way.guesses[-1].astype(int), made.array, atol=1)
    errors = measure.errors(model, request)
    assert (errors.pictures, errors.held_out) == (measure.FEW, False)
    assert errors.levels[0] >= float(model.recipe.process.path(torch.tensor(1.0)).logsnr)
    text = page.render(model, way, errors, "again")
    assert "an imported model does not tell" in text
    assert "Amber: the noise levels training drew" not in text
    assert ("percent of the latents" in text) == (family != "unconditional")
    assert ("What the prompt does" in text) == (family != "unconditional")
    assert ("told a guidance of" in text) == (family == "flux")
    if family != "unconditional":
        assert all(step.prompt > 0 for step in way.steps)
        assert any(step.push > 0 for step in way.steps)


def test_the_error_of_a_guess_is_in_units_of_what_the_model_makes(
    both: Callable[..., Both], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A denoiser that knows independent numbers of any deviation errs as the dashed line says."""
    model, deviation = both("unconditional").model, 0.2
    path = model.recipe.process.path
    denoiser = GaussianDenoiser(path, torch.tensor(0.0), torch.tensor(deviation))
    x = deviation * np.random.default_rng(0).standard_normal((12, 16, 16, 3))
    shown = ((x + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
    monkeypatch.setattr(model, "denoiser", lambda network=None, dtype=None: denoiser)
    monkeypatch.setattr(measure, "_own", lambda model, request: (shown, [""] * len(shown)))
    (request,) = requests("any", 1, 3, "", model.recipe.sampling, steps=3)
    found = measure.errors(model, request)
    assert found.moment == pytest.approx(deviation**2, rel=0.05)
    for level, error in zip(found.levels, found.errors, strict=True):
        assert error.value == pytest.approx(found.blind(level), rel=0.06)


def test_the_command_writes_a_page(both: Callable[..., Both], ornstein: Command) -> None:
    bundle = both("stable_diffusion").model.bundle
    assert bundle
    said = ornstein("explain", bundle.folder, "a cat", "--steps", 2, "--out", "page")
    assert said.code == 0, said
    numbers = json.loads(Path("page/numbers.json").read_text())
    assert numbers["unit"] == "percent of the latents' deviation"
