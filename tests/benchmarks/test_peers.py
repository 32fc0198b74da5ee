"""What makes the comparison with peers fair: the same functions, the same trajectories, the same clock for everyone."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from tests.small import class_recipe

from ornstein.data import pixels
from ornstein.data.manifest import HELD_OUT, TRAIN, Row
from ornstein.data.pack import Pack
from ornstein.data.write import write_pack
from ornstein.errors import UsageError
from ornstein.guide.classifier_free import ClassifierFree, Guided
from ornstein.model import Model
from ornstein.process.gaussian import DiscreteBeta, Flow
from ornstein.process.noise import row_noise
from ornstein.recipes.fashion import fashion
from ornstein.recipes.recipe import ClassesCondition
from ornstein.sample.loop import sample
from ornstein.sample.registry import METHODS

pytest.importorskip("diffusers")

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
SMALL = {"num_attention_heads": 2, "attention_head_dim": 16, "num_layers": 2, "sample_size": 16}


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the folder by name."""
    monkeypatch.syspath_prepend(str(PEERS))
    return importlib.import_module


@pytest.fixture
def sampling(peers: Any) -> ModuleType:
    return peers("sampling")


@pytest.mark.parametrize(
    "shape",
    [
        {"patch_size": 8},
        {"patch_size": 4, "in_channels": 3, "out_channels": 3},
        {"patch_size": 2, "in_channels": 1, "out_channels": 1, "num_attention_heads": 3, "num_layers": 3},
    ],
    ids=["patch-8", "patch-4", "patch-2"],
)
def test_the_converted_network_is_the_same_function(
    peers: Any, sampling: ModuleType, shape: dict[str, Any]
) -> None:
    convert = peers("convert")
    source = sampling.transformer(seed=1, **{**SMALL, **shape})
    channels = source.config.in_channels
    x = torch.randn(4, channels, 16, 16, generator=torch.Generator().manual_seed(2))
    timesteps = torch.tensor([999, 0, 431, 431])
    labels = torch.tensor([3, 1000, 7, 1000])  # 1000 is the dropped class
    with torch.no_grad():
        expected = source(x, timestep=timesteps, class_labels=labels).sample
    network = convert.Prepared(convert.ConvertedDiT(source), torch.tensor([999, 431, 0]), labels)
    logsnr = convert.PATH((timesteps.double() + 1) / 1000).logsnr.float()
    result = network(x.movedim(1, -1).contiguous(), logsnr, convert.Labels(labels))
    torch.testing.assert_close(result.movedim(-1, 1), expected, rtol=1e-5, atol=1e-5)


def test_every_block_of_the_random_network_does_work(sampling: ModuleType) -> None:
    source = sampling.transformer(**SMALL, patch_size=8)
    assert all(parameter.abs().max() > 0 for parameter in source.parameters() if parameter.ndim > 1)


def test_a_network_that_predicts_variances_is_refused(peers: Any, sampling: ModuleType) -> None:
    source = sampling.transformer(**SMALL, patch_size=8, out_channels=8)
    with pytest.raises(ValueError, match="variances"):
        peers("convert").ConvertedDiT(source)


def test_gelu_is_the_tanh_form(peers: Any) -> None:
    x = torch.linspace(-20, 20, 4001)
    expected = torch.nn.functional.gelu(x, approximate="tanh")
    torch.testing.assert_close(peers("convert").gelu(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", [1, 5])
def test_whole_trajectories_agree(peers: Any, sampling: ModuleType, count: int) -> None:
    class Kept(sampling.NoCodec):
        """Keeps the latents, which the pipeline clips afterwards."""

        def decode(self, latents: torch.Tensor) -> Any:
            self.latents = latents
            return super().decode(latents)

    source = sampling.transformer(**SMALL, patch_size=8)
    scheduler = sampling.DPMSolverMultistepScheduler()
    scheduler.set_timesteps(20)
    pipe = sampling.pipeline(source, scheduler)
    pipe.vae = Kept()
    classes = list(range(count))
    sampling.theirs(pipe, classes, 20)
    noise = torch.randn(count, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    network = peers("convert").ConvertedDiT(source)
    made = [
        sampling._batch(
            network, scheduler.timesteps.clone(), torch.tensor([k]), noise[k : k + 1].movedim(1, -1)
        )
        for k in classes
    ]
    expected = pipe.vae.latents.movedim(1, -1)
    scale = expected.std()  # an untrained network does not bring the noise down to the scale of data
    torch.testing.assert_close(torch.cat(made) / scale, expected / scale, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["ddim", "dpmpp"])
def test_prediction_types_say_the_same(peers: Any, name: str) -> None:
    schedules = peers("schedules")
    x_0, noise = (torch.randn(2, 8, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    results = []
    for kind in ("epsilon", "sample", "v_prediction"):
        schedule = schedules.SCHEDULERS[name](prediction_type=kind)
        schedule.set_timesteps(10)
        x = noise
        for step, timestep in enumerate(schedule.timesteps):
            here = schedules.standing(schedule, step)
            output = schedules.predicted(kind, x, (x_0 / 4).clamp(-1, 1), here)
            x = schedule.step(output, timestep, x).prev_sample
        results.append(x)
    for result in results[1:]:
        torch.testing.assert_close(result, results[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(results[0], (x_0 / 4).clamp(-1, 1), rtol=1e-3, atol=1e-3)


def test_an_unknown_prediction_type_is_refused(peers: Any) -> None:
    with pytest.raises(KeyError):
        peers("schedules").predicted("score", torch.zeros(1), torch.zeros(1), Flow()(torch.tensor(0.5)))


@pytest.mark.parametrize(
    "name", ["dpmpp-karras", "unipc", "deis-karras", "sa-karras", "dpmpp-flow", "unipc-flow"]
)
def test_every_scheduler_ends_in_a_guess_that_is_always_the_same(peers: Any, name: str) -> None:
    """So its sample, at each level, is taken to hold as much noise as it really does."""
    schedules = peers("schedules")
    schedule, guess, x = schedules.SCHEDULERS[name](), torch.full((1, 8), 0.25), torch.randn(1, 8)
    schedule.set_timesteps(8)
    for step, timestep in enumerate(schedule.timesteps):
        output = schedules.predicted(
            schedule.config.prediction_type, x, guess, schedules.standing(schedule, step)
        )
        x = schedule.step(output, timestep, x).prev_sample
    torch.testing.assert_close(x, guess, rtol=0, atol=0.06)  # SA's last step leaves noise of its own


def test_schedulers_run_the_model_as_the_own_sampler_would(peers: Any) -> None:
    """The scheduler's DDIM and our own agree on the same grid, noise and guidance, in a batch of any size."""
    schedules = peers("schedules")
    model = Model.from_recipe(peers("ours").recipe_of(unconditional=False))
    with torch.no_grad():  # a new network's head is zero; give it something to say
        model.network.backbone.head.weight.normal_(std=0.05, generator=torch.Generator().manual_seed(0))
    model.dtype = torch.float32
    clipped = schedules.scheduler("ddpm", model).config.clip_sample_range
    assert clipped == pytest.approx(1 / model.recipe.codec.deviation)
    schedule = schedules.scheduler("ddim", model)
    theirs = schedules.drawn(model, schedule, 10, ["bag", "coat"], [0, 1])
    path = DiscreteBeta()
    grid = torch.cat([(schedule.timesteps.double() + 1) / path.steps, torch.zeros(1, dtype=torch.float64)])
    condition = Guided(
        model.encoder.encode(["coat"]),
        model.encoder.encode([""]),
        torch.tensor([model.recipe.sampling.guidance]),
    )
    x = row_noise([1], 0, torch.empty(1, 28, 28, 1))
    denoiser = ClassifierFree(replace(model.denoiser(), path=path))
    with torch.inference_mode():
        ours = model.recipe.codec.decode(sample(METHODS["ddim"], denoiser, path, x, grid, condition, [1]))
    assert np.ptp(ours.astype(int)) > 50
    assert np.abs(ours[0].astype(int) - theirs[1]).max() <= 1


class FakeClock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_checkpoints_count_training_alone(peers: Any) -> None:
    clock, shares = FakeClock(), []

    def step(share: float) -> None:
        shares.append(share)
        clock.now += 7

    seen: list[Any] = []
    for snapshot in peers("contest").snapshots(step, [2, 1], clock):
        seen.append(snapshot)
        clock.now += 10_000  # drawing pictures costs nothing
    assert [(s.minutes, s.seconds, s.steps) for s in seen] == [(1, 63, 9), (2, 126, 18)]
    assert shares == [pytest.approx(7 * k / 120) for k in range(18)]


@pytest.mark.parametrize("minutes", [[], [0], [5, -1]])
def test_a_contest_needs_time(peers: Any, minutes: list[float]) -> None:
    with pytest.raises(ValueError, match="minutes"):
        list(peers("contest").snapshots(lambda share: None, minutes))


@pytest.mark.parametrize(("seconds", "steps"), [(0.01, 1000), (0.1, 100), (1.0, 10), (99.0, 10)])
def test_samplers_take_their_default_or_what_time_allows(peers: Any, seconds: float, steps: int) -> None:
    assert peers("contest").affordable(1000, lambda: seconds, 2000, 600) == steps


def test_the_rate_falls_by_the_clock(peers: Any) -> None:
    falling = peers("contest").falling
    assert falling(0.0) < falling(0.005) < 1
    assert falling(0.3) == 1
    assert falling(0.75) == pytest.approx(0.5)
    assert falling(1.0) == 0


def test_pictures_come_once_an_epoch(peers: Any) -> None:
    pictures = np.arange(10, dtype=np.uint8)[:, None, None, None].repeat(28, 1).repeat(28, 2)
    draw = peers("contest").Pictures(pictures, batch=5, side=32)
    first = torch.cat([draw(), draw()])
    assert first.shape == (10, 1, 32, 32)
    assert sorted((first[:, 0, 16, 16] * 255).round().int().tolist()) == list(range(10))
    assert first[:, :, :2].abs().max() == 0
    back = peers("contest").to_bytes(first.movedim(1, -1), 2)
    assert back.shape == (10, 28, 28, 1)
    assert set(back[:, 0, 0, 0].tolist()) == set(range(10))


def test_ratios_and_their_spread(peers: Any) -> None:
    timing = peers("timing")
    clock = FakeClock()

    def takes(*each: float) -> Any:
        times: Iterator[float] = iter(each)

        def work() -> None:
            clock.now += next(times)

        return work

    spent = timing.in_turns(takes(99, 2, 4, 6), takes(99, 1, 1, 1), 3, clock)
    line = timing.compared("work", spent, pictures=2, wanted=1.4)
    assert (line.peer, line.ours, line.ratio, line.low, line.high) == (2, 0.5, 4, 3, 5)
    assert "| work | 2.0000 | 0.5000 | 4.00 (3.00 to 5.00) | 1.4 |" in timing.table([line])


def test_fewest_steps_within_five_percent(peers: Any) -> None:
    quality = peers("quality")
    entries = [
        quality.Entry("ddim", steps, steps / 100, 0, 0, fdr)
        for steps, fdr in ((10, 2.0), (20, 1.04), (50, 1.0), (100, 1.01))
    ]
    assert quality.needed(entries, "ddim").steps == 20
    assert quality.default(entries, "ddim", 50).fdr == 1.0
    entries += [
        quality.Entry("ornstein", steps, steps / 50, 0, 0, fdr)
        for steps, fdr in ((5, 1.5), (10, 0.9), (20, 0.8))
    ]
    assert quality.as_good(entries, 1.0).steps == 10
    assert quality.as_good(entries, 0.7) is None
    last = quality.table(entries, own_steps=20).splitlines()[-1]
    assert re.findall(r"[\d.]+ times", last) == ["1.2 times", "2.5 times", "0.5 times"]


def test_ours_without_classes_drops_every_row(peers: Any) -> None:
    recipe = peers("ours").recipe_of(unconditional=True)
    assert recipe.objective.dropout < 1
    assert math.nextafter(recipe.objective.dropout, 2) == 1
    assert recipe.sampling.guidance == 1
    assert peers("ours").recipe_of(unconditional=False).objective.dropout == 0.1


def blank(count: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1), np.uint8)


def takes_part(contestant: Any) -> None:
    """Two steps that change the weights, and pictures of the right kind."""
    for share in (0.0, 0.5):
        contestant.step(share)
    pictures, sampler = contestant.sample(3, seed=0)
    contestant._limit = math.inf  # time enough for more steps, but checkpoints are to be drawn alike
    assert contestant.sample(1, seed=0)[1] == sampler
    assert pictures.shape == (3, 28, 28, 1)
    assert pictures.dtype == np.uint8
    assert sampler == "DDIM, 10 steps"
    assert contestant.settings["parameters"] > 0


def test_denoising_diffusion_pytorch_takes_part(peers: Any) -> None:
    if importlib.util.find_spec("denoising_diffusion_pytorch") is None:
        pytest.skip("the peers are not installed")
    ddp = peers("ddp")
    settings = ddp.Settings(dim=8, dim_mults=(1, 2), side=32, batch=4)
    takes_part(ddp.DenoisingDiffusion(blank(), settings, limit=0))


def test_the_unconditional_example_takes_part(peers: Any) -> None:
    unconditional = peers("unconditional")
    settings = unconditional.Settings(widths=(32, 32, 32), side=28, batch=4, warmup=1)
    takes_part(unconditional.Unconditional(blank(), settings, limit=0))


class Corner:
    """Features for the judge: the four pixels of a corner."""

    name, key, width = "corner", "corner", 4

    def __call__(self, pictures: np.ndarray, /) -> torch.Tensor:
        return torch.from_numpy(pictures[:, :2, :2].reshape(len(pictures), 4)).float()


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """Noise: sixty pictures to train on, thirty held out."""
    items = []
    for k, picture in enumerate(blank(90)):
        data = pixels.encode(picture)
        row = Row(
            id=f"{k:03d}", sha256=hashlib.sha256(data).hexdigest(), licence="CC0-1.0", holder="test", source="here",
            split=TRAIN if k < 60 else HELD_OUT, concept="noise", style="", variant=0, captions=("noise",),
            family="noise",
        )  # fmt: skip
        items.append((row, data))
    write_pack(tmp_path / "pack", name="t", size=28, channels=1, items=items)
    return Pack.open(tmp_path / "pack")


def test_the_floor_is_the_distance_of_unseen_pictures(peers: Any, pack: Pack, tmp_path: Path) -> None:
    judge = peers("judge").Judge(pack, Corner(), 30, tmp_path / "features")
    assert judge.distance(pack.pictures(pack.indices(HELD_OUT))) == pytest.approx(judge.floor)
    assert judge.distance(np.full((30, 28, 28, 1), 255, np.uint8)) > 10 * judge.floor
    with pytest.raises(ValueError, match="29"):
        judge.distance(blank(29))
    with pytest.raises(UsageError, match="at least 5"):
        peers("judge").Judge(pack, Corner(), 4, tmp_path / "features")


def test_ours_warms_decays_and_changes_stage_by_the_clock(
    peers: Any, pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, full = peers("ours"), fashion()
    training = full.training.model_copy(
        update={
            "samples": ours.ENDLESS, "compile": False, "prompts": (),
            "stages": tuple(stage.model_copy(update={"batch": 4}) for stage in full.training.stages),
        }
    )  # fmt: skip
    small = class_recipe().model_copy(
        update={
            "training": training, "optimiser": full.optimiser.model_copy(update={"warmup": 8}),
            "condition": ClassesCondition(names=("noise",)),
        }
    )  # fmt: skip
    monkeypatch.setattr(ours, "recipe_of", lambda unconditional: small)
    contestant = ours.Ornstein(pack, tmp_path / "run", unconditional=False)
    trainer, steps, reports = contestant._trainer, 40, []
    contestant._steps = (reports.append(report) for report in contestant._steps)
    for k in range(steps):
        contestant.step(k / steps)
        assert trainer.optimiser.samples == trainer.recipe.training.samples
    rates = [report.rate for report in reports]
    assert rates[:2] == [pytest.approx(1 / 8), pytest.approx(5 / 8)]
    falls = round(steps * (1 - small.optimiser.decay))
    assert rates[3 : falls + 1] == [1.0] * (falls - 2)
    assert rates[falls + 1 :] == [
        pytest.approx((steps - k) / (steps - falls)) for k in range(falls + 1, steps)
    ]
    late = [report.stage.times is not None for report in reports]
    assert late == [k >= steps * 3 / 5 for k in range(steps)]
