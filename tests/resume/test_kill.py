"""A run killed at any moment and resumed is bit-identical to the run that was not."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.common import heed_interrupts
from tests.train.conftest import make_pack, tiny_recipe

KILLS = 10


def start(recipe: Path, run: Path) -> subprocess.Popen[str]:
    code = "from ornstein.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "train", str(recipe), "--out", str(run), "--no-index"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


def newest(run: Path) -> str:
    return max((path.name for path in run.glob("checkpoint-*")), default="")


def finish(recipe: Path, run: Path) -> str:
    process = start(recipe, run)
    _, messages = process.communicate(timeout=240)
    assert process.returncode == 0, messages
    return messages


def final_weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / newest(run) / "state.safetensors")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    file = folder / "tiny.json"
    file.write_text(tiny_recipe(make_pack(folder / "pack"), samples=2400).model_dump_json())
    return file


@pytest.fixture(scope="module")
def straight(recipe: Path) -> dict[str, torch.Tensor]:
    run = recipe.parent / "straight"
    finish(recipe, run)
    return final_weights(run)


@pytest.mark.slow
def test_killed_ten_times_at_random_moments(recipe: Path, straight: dict[str, torch.Tensor]) -> None:
    run, chance = recipe.parent / "killed", random.Random(7)
    kills = 0
    for _ in range(KILLS):
        before, process = newest(run), start(recipe, run)
        while process.poll() is None and newest(run) == before:  # let it come past what it resumed from
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.3))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    assert kills >= KILLS - 2, "the run ended before it could be killed often enough to prove anything"
    finish(recipe, run)
    killed = final_weights(run)
    assert killed.keys() == straight.keys()
    differing = [name for name, value in straight.items() if not torch.equal(value, killed[name])]
    assert not differing


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_go_on(recipe: Path, straight: dict[str, torch.Tensor]) -> None:
    run = recipe.parent / "interrupted"
    process = start(recipe, run)
    while process.poll() is None and not newest(run):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command to go on" in messages and "Traceback" not in messages
    assert "resuming at" in finish(recipe, run)
    assert all(torch.equal(value, straight[name]) for name, value in final_weights(run).items())
