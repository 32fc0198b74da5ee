"""What may be asked: ranges stated, sequences spread, nonsense refused before anything runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ornstein.errors import UsageError
from ornstein.model import Model


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompts": ""}, "the prompt is empty"),
        ({"prompts": " \n\t "}, "the prompt is empty"),
        ({"prompts": []}, "no prompt"),
        ({"prompts": ["cat", ""]}, "the prompt is empty"),
        ({"prompts": "x" * 10_000}, "the prompt has 10000 characters; the limit is 2000"),
        ({"prompts": "cat", "negative": "y" * 10_000}, "10000 characters; the limit is 2000"),
        ({"prompts": "cat\x1b[31m"}, r"holds '\\x1b'"),
        ({"prompts": "cat\x00"}, r"holds '\\x00'"),
        ({"prompts": "cat\udcff"}, r"holds '\\udcff'"),
        ({"n": 0}, "n must be 1 to 1000, not 0"),
        ({"n": -1}, "n must be 1 to 1000"),
        ({"n": 10_000}, "n must be 1 to 1000, not 10000"),
        ({"prompts": ["a"] * 10, "n": 101}, "n must be 1 to 100, not 101: at most 1000"),
        ({"seeds": -1}, "seed must be 0 to 9007199254740991, not -1"),
        ({"seeds": 2**53}, "seed must be 0 to 9007199254740991"),
        ({"seeds": [1, 2]}, "seeds has 2 values for 1 pictures"),
        ({"steps": 0}, "steps must be 1 to 1000, not 0"),
        ({"steps": 10_000}, "steps must be 1 to 1000, not 10000"),
        ({"steps": 2.5}, "steps: input should be a valid integer"),
        ({"steps": [3, 4]}, "steps has 2 values for 1 prompts"),
        ({"guidance": math.nan}, "guidance: input should be a finite number"),
        ({"guidance": math.inf}, "guidance: input should be a finite number"),
        ({"guidance": -1}, "guidance must be 0 to 30, not -1"),
        ({"guidance": 1000}, "guidance must be 0 to 30, not 1000"),
        ({"sampler": "dpmp-2m"}, "unknown sampler 'dpmp-2m'; did you mean 'dpmpp-2m'"),
        ({"prompts": "a (cat", "compose": True}, "composed prompt, character 3: '\\(' needs a weight"),
        ({"prompts": " AND ".join("a" * 99), "compose": True}, "more than 8 parts"),
        ({"prompts": "cat:nan", "compose": True}, "'nan' is no weight"),
        ({"compose": "perhaps"}, "compose: input should be a valid boolean"),
        ({"rule": "projceted"}, "unknown rule.kind 'projceted'; did you mean 'projected'"),
        ({"rule": "rescaled:share=2"}, "rule.rescaled.share: Input should be less than or equal to 1"),
        ({"rule": "rescaled:0.5"}, "write rescaled:name=value, not '0.5' alone"),
        ({"rule": "rescaled:shear=1"}, "unknown key 'rule.rescaled.shear'; did you mean 'share'"),
        ({"schedule": "power-cosine:power=nan"}, "schedule.power-cosine.power"),
        ({"schedule": ["linear", "cosine"]}, "schedule has 2 values for 1 prompts"),
        ({"size": 33}, "size 33 is not supported: .* multiples of 8 from 32 to 256; it was trained at 32"),
        ({"size": 24}, "size 24 is not supported"),
        ({"size": 0}, "size must be 8 to 256"),
        ({"size": 4096}, "size must be 8 to 256"),
    ],
)  # fmt: skip
def test_refused(model: Model, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        model.generate(**{"prompts": "cat", "seeds": 1, **arguments})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_classes_are_checked_before_anything_runs(grey: Any) -> None:
    model = Model.load(grey)
    with pytest.raises(UsageError, match="did you mean 'ankle boot'"):
        model.generate(["coat", "ankle boots"], seeds=1)
    assert model.generate("Ankle Boot", seeds=1)[0].image.mode == "L"
    with pytest.raises(UsageError, match="did you mean 'ankle boot'"):
        model.generate("coat AND ankle boots", seeds=1, compose=True)
    with pytest.raises(UsageError, match="a class has no words to weigh"):
        model.generate("(coat:2)", seeds=1, compose=True)


def test_classes_compose(grey: Any) -> None:
    model = Model.load(grey)
    coat, both = (model.generate(p, seeds=1, compose=True)[0].array for p in ("coat", "coat AND bag:0.5"))
    assert not np.array_equal(coat, both)


def test_prompts_are_plain_text_where_nothing_else_is_asked(model: Model) -> None:
    """Marks mean nothing, and a plain prompt means the same either way."""
    for prompt in ("a (b", "cat:nan", "cat AND"):
        assert model.generate(prompt, seeds=1, steps=1)[0].record.request.prompt == prompt
    plain, composed = (model.generate("cat", seeds=1, compose=asked)[0].array for asked in (False, True))
    assert np.array_equal(plain, composed)


def test_a_size_it_was_not_trained_for_is_made_with_a_warning(model: Model) -> None:
    with pytest.warns(UserWarning, match="trained at 32 pixels, not 40"):
        out = model.generate("cat", seeds=1, size=40, steps=1)
    assert out[0].image.size == (40, 40)


def test_one_seed_counts_up_for_each_prompt(model: Model) -> None:
    outs = model.generate(["cat", "dog"], seeds=7, n=2, steps=1)
    assert [(out.record.request.prompt, out.record.request.seed) for out in outs] == [
        ("cat", 7), ("cat", 8), ("dog", 7), ("dog", 8)
    ]  # fmt: skip


def test_one_setting_for_each_prompt_or_for_each_picture(model: Model) -> None:
    outs = model.generate(
        ["cat", "dog"], seeds=np.arange(4), n=2, steps=[1, 2], guidance=np.array([1, 2, 3, 4.0])
    )
    asked = [out.record.request for out in outs]
    assert [one.steps for one in asked] == [1, 1, 2, 2]
    assert [one.guidance for one in asked] == [1, 2, 3, 4]
    assert [one.seed for one in asked] == [0, 1, 2, 3]


def test_seeds_left_out_are_drawn_and_recorded(model: Model) -> None:
    outs = model.generate("cat", n=3, steps=1)
    seeds = [out.record.request.seed for out in outs]
    assert len(set(seeds)) == 3
    assert all(0 <= seed < 2**32 for seed in seeds)
    again = model.generate("cat", seeds=seeds, n=3, steps=1)
    assert all(np.array_equal(a.array, b.array) for a, b in zip(outs, again, strict=True))
