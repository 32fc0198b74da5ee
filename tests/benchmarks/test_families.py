"""The families benchmark: its losses against closed forms, measures on plain cases, budget, a tiny whole run."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from ornstein.data import pixels
from ornstein.data.manifest import HELD_OUT, TRAIN, Row
from ornstein.data.pack import Pack
from ornstein.data.write import write_pack
from ornstein.errors import OrnsteinError
from ornstein.net.dit import TransformerConfig
from ornstein.net.patched import PatchedConfig
from ornstein.recipes.recipe import Recipe

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks are no part of the package

from benchmarks.families import gan, measure, report, runs, spectrum, vae
from benchmarks.families.__main__ import Bench, main
from benchmarks.families.diffusion import Diffusion
from benchmarks.families.family import Descent, DivergedError, Settings
from benchmarks.families.networks import ask_once, count_weights, recipe_of
from benchmarks.families.train import flops_of_step, steps_within, train

SIDE = 8
SHAPE = PatchedConfig(
    transformer=TransformerConfig(width=16, depth=1, heads=2), patch=4, bottleneck=8, smooth=2
)
NAMES = ("dark", "light")


class Tones:
    """Feature network and classifier in one, by plain arithmetic: the tones of a picture's quarters."""

    name, key, width, names = "tones", "tones-1", 4, NAMES

    def __call__(self, pictures: np.ndarray, /) -> Tensor:
        quarters = pictures.reshape(len(pictures), 2, SIDE // 2, 2, SIDE // 2).mean((2, 4)) / 255
        return torch.from_numpy(quarters.reshape(-1, 4)).float()

    def classify(self, pictures: np.ndarray) -> Tensor:
        return torch.from_numpy((pictures.mean((1, 2, 3)) > 127).astype(np.int64))


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """Dark and light noise, half of it held out."""
    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("families") / "pack"
    items = []
    for k in range(64):
        low, name = 128 * (k % 2), NAMES[k % 2]
        data = pixels.encode(random.integers(low, low + 128, (SIDE, SIDE, 1), dtype=np.uint8))
        row = Row(
            id=f"{k:03d}", sha256=hashlib.sha256(data).hexdigest(), licence="CC0-1.0", holder="nobody",
            source="here", split=HELD_OUT if k % 4 > 1 else TRAIN, concept=name, style="", variant=0,
            captions=(name,), family=name,
        )  # fmt: skip
        items.append((row, data))
    write_pack(folder, name="noise", size=SIDE, channels=1, items=items)
    return Pack.open(folder)


@pytest.fixture(scope="module")
def recipe(pack: Pack) -> Recipe:
    return recipe_of(pack, SHAPE)


@pytest.fixture(scope="module")
def judge(pack: Pack) -> measure.Judge:
    return measure.Judge(pack, [Tones()], Tones(), count=32)


def some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_discriminator_loss_of_a_linear_score() -> None:
    weights, real, fake = some(5, 5, 1), some(7, 5, 5, 1, seed=1), some(7, 5, 5, 1, seed=2)
    found = gan.discriminator_loss(lambda x: (x * weights).sum((1, 2, 3)), real, fake, gamma=0.3)
    margins = ((real - fake) * weights).sum((1, 2, 3))
    torch.testing.assert_close(found.pairing, (1 + (-margins).exp()).log().mean())
    torch.testing.assert_close(found.penalty, 0.3 / 2 * 2 * weights.square().sum())


def test_penalties_meet_real_and_generated_pictures_and_train_the_discriminator() -> None:
    scale, real, fake = torch.tensor(1.5, requires_grad=True), some(6, 3), 2 * some(6, 3, seed=1)
    found = gan.discriminator_loss(lambda x: scale * x.square().sum(1), real, fake, gamma=0.8)
    slopes = 4 * (real.square().sum(1).mean() + fake.square().sum(1).mean())
    torch.testing.assert_close(found.penalty, 0.4 * scale.double() ** 2 * slopes)
    (gradient,) = torch.autograd.grad(found.penalty, scale)
    torch.testing.assert_close(gradient.double(), 0.8 * scale.detach().double() * slopes)


def test_pairs_at_a_draw_cost_log_two() -> None:
    scores = some(9)
    assert gan.pairing_loss(scores, scores).item() == pytest.approx(math.log(2))
    assert gan.pairing_loss(scores + 3, scores) < gan.pairing_loss(scores, scores + 3)


def test_kl_is_that_of_torch() -> None:
    mean, log_variance = some(4, 6), some(4, 6, seed=1)
    known = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(vae.kl_from_prior(mean, log_variance), known)


def test_the_best_variance_is_the_mean_squared_error() -> None:
    x, guess = some(1000), some(1000, seed=1)
    error = (x - guess).square().mean()
    variance = error.clone().requires_grad_()
    nats = vae.gaussian_nats(error, variance)
    torch.testing.assert_close(nats, -Normal(guess, variance.sqrt()).log_prob(x).mean())
    (slope,) = torch.autograd.grad(nats, variance)
    assert abs(slope) < 1e-12
    assert all(vae.gaussian_nats(error, error * factor) > nats for factor in (0.9, 1.1))


def test_spectrum_is_parsevals_and_sharpness_tells_blur_from_noise() -> None:
    random = np.random.default_rng(0)
    real = random.integers(0, 256, (40, 16, 16, 1), dtype=np.uint8)
    blurred = ((real.astype(float) + np.roll(real, 1, 1) + np.roll(real, 1, 2)) / 3).astype(np.uint8)
    known = spectrum.radial_spectrum(real)
    variance = (real / 255).var()  # white: every frequency has the same power
    np.testing.assert_allclose(known, variance * 16 * 16, rtol=0.15)
    assert spectrum.sharpness(known, known) == 0
    assert spectrum.sharpness(spectrum.radial_spectrum(blurred), known) < -0.5
    assert spectrum.sharpness(known, spectrum.radial_spectrum(blurred)) > 0.5
    assert math.isfinite(spectrum.sharpness(spectrum.radial_spectrum(np.zeros_like(real)), known))


def test_class_measures() -> None:
    real = measure.class_shares(np.array([0, 1, 2, 2]), 4)
    made = measure.class_shares(np.array([0, 0, 0, 2]), 4)
    np.testing.assert_array_equal(real, [0.25, 0.25, 0.5, 0])
    assert measure.least_class(real, real) == 1
    assert measure.least_class(made, real) == 0
    assert measure.least_class(measure.class_shares(np.array([0, 1, 1, 2]), 4), real) == 0.5
    assert measure.class_distance(real, real) == 0
    assert measure.class_distance(made, real) == 0.5


@pytest.mark.parametrize("kind", runs.FAMILIES, ids=lambda kind: kind.name)
def test_a_run_stops_within_one_step_of_its_budget(
    kind: type[runs.Family], pack: Pack, recipe: Recipe
) -> None:
    x = recipe.codec.encode(pack.pictures(pack.indices(TRAIN)[:8]))
    adam = replace(kind.chosen, muon=False)  # Muon's own products are as many for any batch
    one, two = (flops_of_step(kind(recipe, adam, 0), part) for part in (x[:4], x))
    assert 0.8 < two / (2 * one) <= 1, "operations grow with the pictures, but for what is done once a step"
    each = flops_of_step(
        kind(recipe, kind.chosen, 0), recipe.codec.encode(pack.pictures(np.arange(kind.batch)))
    )
    budget = 2.7 * each
    trained = train(kind, recipe, kind.chosen, 0, pack, budget)
    assert trained.steps == steps_within(budget, each) == 2
    assert budget - each < trained.flops == 2 * each <= budget


def test_a_gan_step_pays_for_its_gradients_of_gradients(pack: Pack, recipe: Recipe) -> None:
    x = recipe.codec.encode(pack.pictures(np.arange(8)))
    diffusion = flops_of_step(Diffusion(recipe, replace(Diffusion.chosen, muon=False), 0), x)
    both = flops_of_step(vae.Vae(recipe, vae.Vae.chosen, 0), x)
    adversaries = flops_of_step(gan.Gan(recipe, gan.Gan.chosen, 0), x)
    assert both > 1.9 * diffusion, "an encoder is paid for"
    assert adversaries > 5 * diffusion, "four passes of the discriminator and their gradients' gradients"


def test_networks_that_draw_are_of_one_shape(recipe: Recipe) -> None:
    drawing = [kind(recipe, kind.chosen, 0).generator for kind in runs.FAMILIES]
    plain = count_weights(drawing[0])
    assert count_weights(drawing[2]) == plain
    assert count_weights(drawing[1]) == plain + (vae.LATENTS + 1) * SIDE * SIDE


def test_an_opened_network_tells_inputs_apart(recipe: Recipe) -> None:
    family, z = gan.Gan(recipe, gan.Gan.chosen, 0), some(4, SIDE, SIDE, 1).float()
    made = ask_once(family.generator, z).detach()
    assert made.std(0).mean() > 0.3
    assert family.score(made).std() > 0


def test_what_is_not_finite_changes_nothing(recipe: Recipe) -> None:
    family = Diffusion(recipe, Diffusion.chosen, 0)
    before = {name: value.clone() for name, value in family.generator.state_dict().items()}
    x = torch.full((4, SIDE, SIDE, 1), torch.nan)
    with pytest.raises(DivergedError, match="nan"):
        family.step(x, np.random.default_rng(0), 0.5)
    assert all(torch.equal(value, before[name]) for name, value in family.generator.state_dict().items())


def test_muon_learns_hidden_matrices_and_adam_the_rest(recipe: Recipe) -> None:
    network = Diffusion(recipe, Settings(1e-3, muon=True), 0)
    adam, muon = network.descent.optimisers
    assert isinstance(muon, torch.optim.Muon)
    hidden = {id(p) for p in muon.param_groups[0]["params"]}
    names = {name for name, p in network.generator.named_parameters() if id(p) in hidden}
    assert names and all(".blocks." in name for name in names)
    assert len(hidden) + len(adam.param_groups[0]["params"]) == len(list(network.generator.parameters()))
    before = {name: p.clone() for name, p in network.generator.named_parameters()}
    for k in range(3):  # the first steps open the gates
        network.step(some(4, SIDE, SIDE, 1, seed=k).float(), np.random.default_rng(k), 0.2)
    moved = {name for name, p in network.generator.named_parameters() if not torch.equal(p, before[name])}
    assert names <= moved
    assert moved - names


def test_descent_is_adam_whatever_the_layout_of_gradients() -> None:
    """Convolutions of pictures with channels last have gradients that lie otherwise in memory than the weights."""
    mine, plain = (torch.nn.Conv2d(2, 3, 3) for _ in range(2))
    plain.load_state_dict(mine.state_dict())
    descent = Descent(mine, settings=Settings(rate=0.01))
    adam = torch.optim.Adam(plain.parameters(), lr=0.01, betas=(0.9, 0.98), fused=False)
    x = some(4, 8, 8, 2).float().movedim(-1, 1)
    for _ in range(5):
        descent(mine(x).square().mean(), 0.2)
        adam.zero_grad()
        plain(x).square().mean().backward()
        adam.step()
    torch.testing.assert_close(mine.weight, plain.weight)
    torch.testing.assert_close(mine.bias, plain.bias)


def test_descent_minimises_only_what_it_was_given() -> None:
    mine, other, x = torch.nn.Linear(3, 1), torch.nn.Linear(1, 1), some(64, 3).float()
    torch.nn.init.constant_(other.weight, 0.7)
    descent = Descent(mine, settings=Settings(rate=0.05))
    losses = [descent(other(mine(x)).sub(2).square().mean(), 0.2) for _ in range(300)]
    assert losses[-1] < 0.01 * losses[0]
    assert other.weight.item() == pytest.approx(0.7)
    assert other.weight.grad is None


@pytest.mark.parametrize(
    ("figures", "losses", "sign"),
    [
        ({"precision": 0.5, "recall": 0.4}, [0.7] * 20, None),
        ({"precision": 0.01, "recall": 0.4}, [0.7] * 20, "precision"),
        ({"precision": 0.5, "recall": 0.0}, [0.7] * 20, "recall"),
        ({"precision": 0.5, "recall": 0.4}, [0.7] * 18 + [0.01] * 2, "discriminator"),
    ],
)
def test_verdicts(recipe: Recipe, figures: dict[str, float], losses: list[float], sign: str | None) -> None:
    curve = [{"discriminator": loss} for loss in losses]
    found = runs.verdict(runs.Trained(gan.Gan(recipe, gan.Gan.chosen, 0), 20, 0, 0.0, curve, ""), figures)
    assert found == [] if sign is None else found[0].startswith(sign)


def test_matched_quality_is_the_fewest_evaluations() -> None:
    points = [
        {"evaluations": n, "fdr": fdr, "samples_per_second": 60 / n}
        for n, fdr in ((4, 2.0), (1, 9.0), (2, 4.0))
    ]
    curve = report.sweep([{"sweep": points}])
    assert [point["evaluations"] for point in curve] == [1, 2, 4]
    assert report.matched_point(curve, 5.0) == curve[1]
    assert report.matched_point(curve, 1.0) is None


def test_all_three_from_end_to_end(
    pack: Pack, recipe: Recipe, judge: measure.Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "SECONDS", 0.0)
    monkeypatch.setattr("benchmarks.families.__main__.EVALUATIONS", (1, 2))
    bench = Bench(pack, recipe, judge, tmp_path / "out", budget=1e8)
    found, text = bench.compare(seeds=2)
    assert set(found["families"]) == {"diffusion", "VAE", "GAN"}
    assert found["real"]["fdr"] == pytest.approx(1)
    assert [point["evaluations"] for point in found["sweep"]] == [1, 2, 20]
    spent = [row["flops"]["mean"] / 1e8 for row in found["families"].values()]
    assert all(0.5 <= share <= 1 for share in spent)
    assert text.count("\n| GAN |") == 2
    assert (tmp_path / "out" / "families.png").stat().st_size > 10_000
    results = json.loads((tmp_path / "out" / "results.json").read_text())["results"]
    assert len(results) == 6
    assert runs.samples_of(tmp_path / "out" / "VAE-1").shape == (32, SIDE, SIDE, 1)
    before = (tmp_path / "out" / "GAN-0" / runs.RESULT).stat().st_mtime_ns
    assert bench.compare(seeds=2)[1] == text, "finished runs are read, not repeated"
    assert (tmp_path / "out" / "GAN-0" / runs.RESULT).stat().st_mtime_ns == before
    with pytest.raises(OrnsteinError, match="another budget"):
        Bench(pack, recipe, judge, tmp_path / "out", budget=3e8).compare(seeds=1)


def test_the_same_seed_is_the_same_run(pack: Pack, recipe: Recipe) -> None:
    def pictures(seed: int) -> Tensor:
        return train(gan.Gan, recipe, Settings(1e-3, gamma=1.0), seed, pack, 1.0).family.draw([5, 6])

    assert torch.equal(pictures(1), pictures(1))
    assert not torch.equal(pictures(1), pictures(2))


def test_a_missing_pack_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is not a pack"):
        main(["--pack", str(tmp_path), "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="must be positive"):
        main(["--budget", "0"])
