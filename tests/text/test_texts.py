"""A trained model of text: the same seed writes the same text, holes are filled in place, bad wishes are one line."""

import json
import math

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import ornstein
from ornstein.cli import app
from ornstein.codec.tokens import START
from ornstein.errors import OrnsteinError, UsageError
from ornstein.evaluate.texts.bound import bits_a_character, bound_nats, characters, held_windows
from ornstein.process.masked import MASK
from ornstein.sample.registry import TOKEN_METHODS
from ornstein.texts import TextRecord
from ornstein.train.loop import Trainer
from tests.common import default_dtype


def test_training_lowers_the_bound(task, model, pack):
    windows = held_windows(model.recipe.codec, pack.texts, 32)
    fresh = type(model).from_recipe(task.recipe)
    counts = characters(model.recipe.codec, windows)
    before, after = (bits_a_character(bound_nats(m, windows, 4, 2), counts) for m in (fresh, model))
    assert after.high < 0.8 * before.low
    assert before.value < 1.2 * math.log2(model.recipe.codec.categories)


def test_a_compiled_network_is_asked_as_the_plain_one_is(task):
    batch = task.batch(task.recipe.training.stages[0], 0, 4)
    compiled = torch.compile(task.model.network, backend="eager")
    theirs, ours = (task.losses(network, batch) for network in (compiled, task.model.network))
    assert torch.equal(theirs.weighted, ours.weighted)


def test_windows_begin_at_passages_and_hold_each_token_once(task, pack):
    codec = task.recipe.codec
    windows = held_windows(codec, pack.texts, 32)
    assert (windows[:, 0] == START).all()
    told = codec.decode([token for window in windows.tolist() for token in window])
    assert "".join(f"{text}\n" for text in pack.texts).startswith(told)
    drawn = task.windows.draw(np.random.default_rng(0), 50, 32)
    assert all(codec.decode(row.tolist()).startswith("letter ") for row in drawn)


def test_a_killed_run_resumes_to_the_same_bits(task, tmp_path):
    whole, part = Trainer(task, tmp_path / "a"), None
    start = {name: value.clone() for name, value in task.model.network.state_dict().items()}
    steps = whole.steps()
    for _ in range(4):
        next(steps)
    after = {name: value.clone() for name, value in task.model.network.state_dict().items()}
    task.model.network.load_state_dict(start)
    part = Trainer(task, tmp_path / "b")
    steps = part.steps()
    for _ in range(2):
        next(steps)
    part.save()
    again = Trainer(task, tmp_path / "b")
    steps = again.steps()
    for _ in range(2):
        next(steps)
    for name, value in task.model.network.state_dict().items():
        assert torch.equal(value, after[name]), name


@pytest.mark.parametrize("sampler", list(TOKEN_METHODS))
def test_the_same_seed_writes_the_same_text_around_what_is_given(model, sampler):
    prompt = "letter 7 [MASK*9] deep and [MASK]"
    texts = [one.text for one in model.generate(prompt, 3, seed=5, sampler=sampler)]
    assert texts == [one.text for one in model.generate(prompt, 3, seed=5, sampler=sampler)]
    with default_dtype(torch.bfloat16):  # which other threads may change
        assert texts == [one.text for one in model.generate(prompt, 3, seed=5, sampler=sampler)]
    assert len(set(texts)) > 1
    assert all(text.startswith("letter 7") and " deep and" in text for text in texts)


def test_every_hole_is_filled_and_what_is_given_stays(model):
    x = model.tokens("letter [MASK*5] hill", 40)
    (found,), _ = model._run(x, [model.generate("letter [MASK*5] hill")[0].record.request], lambda *_: None)
    assert (found[x != MASK] == x[x != MASK]).all()
    assert (found > START)[1:].all()


def test_a_record_makes_its_text_again(model):
    made = model.generate("letter", 2, seed=3)[1]
    record = TextRecord.model_validate_json(made.record.model_dump_json())
    assert model.replay(record).text == made.text
    other = record.model_copy(update={"model": record.model.model_copy(update={"fingerprint": "0" * 64})})
    with pytest.raises(UsageError, match="made by another model"):
        model.replay(other)


def test_blocks_of_many_tokens_take_fewer_evaluations(model):
    hole = "[MASK*32]"
    one = model.generate(hole, block=1, steps=1)[0].spent.evaluations
    four = model.generate(hole, block=8, steps=2)[0].spent.evaluations
    assert one == 32
    assert four <= 10


def test_low_temperature_writes_the_likely(model):
    cold = {one.text for one in model.generate("letter 3 says", 6, temperature=0.01)}
    warm = {one.text for one in model.generate("letter 3 says", 6, temperature=3.0)}
    assert len(cold) < len(warm)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("", "the prompt is empty"), ("  \n", "the prompt is empty"), ("a [MASK*0] b", "is no hole"),
        ("[MASK*-1]", "is no hole"), ("[MASK*48]", "longer than the context of 48"),
        ("a [MASK*99999]", "longer than the context"), ("word " * 60, "more than the context"),
        ("letter \udcff", "no text"), ("z" * 39, "ask for a greater length"), ("q" * 21_000, "at most"),
    ],
)  # fmt: skip
def test_a_bad_prompt_is_one_line(model, prompt, said):
    with pytest.raises(UsageError, match=said) as caught:
        model.generate(prompt)
    assert "\n" not in str(caught.value)[:400]


@pytest.mark.parametrize(
    "setting",
    [
        {"steps": -1},
        {"block": -2},
        {"length": 500},
        {"temperature": -1.0},
        {"sampler": "ddim"},
        {"n": 0},
        {"seed": -1},
    ],
)
def test_a_bad_setting_is_one_line(model, setting):
    with pytest.raises(UsageError):
        model.generate("letter", **setting)


def test_a_bundle_says_what_it_learned_from(bundle, model, pack):
    facts = model.bundle.facts
    assert facts.data is not None
    assert facts.data.splits == {"train": len(pack.of("train")), "held-out": len(pack.of("held-out"))}
    assert facts.data.origins[0].licence == "CC0-1.0"
    assert "passages" in (bundle / "card.md").read_text()


def test_copies_of_training_text_are_found_but_what_the_prompt_says_is_not(model, pack):
    trained = " ".join(pack.of("train")[:3])
    (span,) = model.copied(f"xx {trained} xx")
    assert span.words >= 25
    assert not model.copied(trained, prompt=trained)


def test_the_command_line_writes_holds_back_and_refuses(bundle, model, tmp_path):
    def run(*words: str):
        return CliRunner().invoke(app, ["generate", "--model", str(bundle), *words])

    done = run("letter 5 [MASK*6] and", "--seed", "1", "--json")
    assert done.exit_code == 0, done.output
    (text,) = json.loads(done.stdout)["texts"]
    assert text["text"].startswith("letter 5") and text["text"].endswith(" and")
    file = tmp_path / "text.txt"
    assert run("letter 5 says", "--out", str(file), "--seed", "2").exit_code == 0
    assert file.read_text().startswith("letter 5 says")
    for words, said in (
        (["letter", "--guidance", "2"], "has no such option"), ([], "prompt"),
        (["letter", "--out", str(file)], "exists"), (["[MASK*0]"], "is no hole"),
    ):  # fmt: skip
        failed = run(*words)
        assert isinstance(failed.exception, UsageError), failed.output
        assert said in str(failed.exception)
    pictures = CliRunner().invoke(app, ["generate", "fox", "--length", "5"])
    assert isinstance(pictures.exception, UsageError)


def test_a_bundle_of_other_weights_is_refused(bundle, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    header = json.loads((copy / "model.json").read_text())
    header["recipe"]["codec"]["merges"] = header["recipe"]["codec"]["merges"][:-1]
    (copy / "model.json").write_text(json.dumps(header))
    with pytest.raises(OrnsteinError):
        ornstein.load(copy)
