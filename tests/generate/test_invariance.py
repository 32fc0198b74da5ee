"""Same seed, same picture: alone or in any batch, in any row, whatever the others ask."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ornstein.condition.syntax import parse
from ornstein.model import Model
from ornstein.recipes.recipe import SamplingSection
from ornstein.request import BATCHES, batches, requests
from ornstein.sample.loop import sample_last
from ornstein.sample.registry import METHODS

PROMPTS = (
    "cat",
    "a very long prompt that is cut off after eight tokens",
    "red apple, 3D style",
    "x",
    "thing",
    "dog",
)


def alone(model: Model, prompt: str, seed: int, **settings: object) -> np.ndarray:
    """The picture made by itself, as signed numbers."""
    return model.generate(prompt, seeds=seed, **settings)[0].array.astype(int)  # type: ignore[arg-type]


@pytest.mark.parametrize("sampler", METHODS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_row_in_a_batch_is_the_row_alone(
    model: Model, monkeypatch: pytest.MonkeyPatch, sampler: str, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(model, "dtype", dtype)
    together = model.generate(PROMPTS, seeds=range(10, 16), sampler=sampler, negative="", steps=5)
    assert [out.record.computation.rows for out in together] == [4, 4, 4, 4, 1, 1]
    for k, out in enumerate(together):
        single = alone(model, PROMPTS[k], 10 + k, sampler=sampler, steps=5)
        assert np.abs(single - out.array).max() <= 1


def test_what_the_others_ask_changes_nothing_at_all(model: Model) -> None:
    """Other prompts, seeds, negative prompts and scales in batches of the same shape: the same bits."""
    ask = {"seeds": [1, 2, 3, 4], "negative": ["", "blue", "", "red"], "guidance": [3, 4, 5, 2.0]}
    first = model.generate(["cat", "dog", "cow", "hen"], **ask)  # type: ignore[arg-type]
    ask = {"seeds": [9, 2, 8, 7], "negative": ["ugly", "blue", "", ""], "guidance": [9, 4, 2, 1.5]}
    second = model.generate(["pen", "dog", "a long prompt of many words", "tree"], **ask)  # type: ignore[arg-type]
    assert np.array_equal(first[1].array, second[1].array)
    assert not np.array_equal(first[0].array, second[0].array)


def test_rows_with_their_own_steps_and_scales_are_the_rows_alone(model: Model) -> None:
    steps, scales = [2, 5, 3, 5, 2], [3.0, 1.0, 3.0, 1.0, 1.0]
    mixed = model.generate("cat", seeds=[1, 2, 3, 4, 5], n=5, steps=steps, guidance=scales)
    for k, out in enumerate(mixed):
        single = alone(model, "cat", k + 1, steps=steps[k], guidance=scales[k])
        assert np.abs(single - out.array).max() <= 1
        assert (out.record.request.steps, out.record.request.guidance) == (steps[k], scales[k])


COMPOSED = ["cat AND dog", "[a|b] NOT red:0.3", "(old:1.5) car AND x:2", "cat AND pen"]


def test_composed_neighbours_change_nothing_at_all(model: Model) -> None:
    """As long as they have as many parts: other texts, weights and turns, the same bits."""
    first = model.generate(COMPOSED, seeds=[1, 2, 3, 4], compose=True)
    others = ["a NOT b:3", COMPOSED[1], "[x|y|z] AND [p|q]", "pen AND (ink:0.5)"]
    second = model.generate(others, seeds=[9, 2, 8, 7], compose=True, guidance=[5.0, 3.0, 2.0, 9.0])
    assert first[1].record.computation.rows == second[1].record.computation.rows == 4
    assert np.array_equal(first[1].array, second[1].array)
    assert not np.array_equal(first[0].array, second[0].array)


def test_composed_rows_are_the_rows_alone(model: Model) -> None:
    prompts = [*COMPOSED, "cat", "cat:0.5", "[a|b|c]", "cat AND dog AND pen"]
    steps = [4, 4, 4, 4, 4, 4, 3, 5]
    mixed = model.generate(prompts, seeds=range(8), steps=steps, compose=True)
    assert [out.record.computation.rows for out in mixed] == [4, 4, 4, 4, 1, 1, 1, 1]
    for k, out in enumerate(mixed):
        single = alone(model, prompts[k], k, steps=steps[k], compose=True)
        assert np.abs(single - out.array).max() <= 1


def test_rows_of_one_batch_may_have_different_numbers_of_parts(model: Model) -> None:
    """Which ``generate`` never does: then parts that count nothing fill up, and each row is what it is alone."""
    prompts = [parse("cat AND dog"), "cat", parse("[a|b]:2")]
    ask = {"guidance": [3.0] * 3, "negatives": [""] * 3, "sampler": "ddim", "size": 32}
    together = sample_last(model.trajectory(prompts, [1, 2, 3], steps=[3, 2, 3], dtype=torch.float32, **ask))
    for k, (prompt, steps) in enumerate(zip(prompts, [3, 2, 3], strict=True)):
        one = {name: value if isinstance(value, str | int) else value[:1] for name, value in ask.items()}
        single = sample_last(model.trajectory([prompt], [k + 1], steps=[steps], dtype=torch.float32, **one))
        torch.testing.assert_close(single[0], together[k], rtol=2e-4, atol=2e-5)


def test_everything_asked_for_changes_the_picture(model: Model) -> None:
    """Or the tests above would hold for a model that ignores what it is asked."""
    plain = alone(model, "cat", 1, guidance=4.0)
    others = [
        alone(model, "dog", 1, guidance=4.0),
        alone(model, "cat", 2, guidance=4.0),
        alone(model, "cat", 1, guidance=1.0),
        alone(model, "cat", 1, guidance=4.0, negative="dog"),
        alone(model, "cat", 1, guidance=4.0, steps=7),
        alone(model, "cat", 1, guidance=4.0, sampler="ddpm"),
        alone(model, "cat", 1, guidance=4.0, rule="rescaled"),
        alone(model, "cat", 1, guidance=4.0, schedule="linear"),
        alone(model, "cat AND dog", 1, guidance=4.0, compose=True),
        alone(model, "cat NOT dog", 1, guidance=4.0, compose=True),
        alone(model, "(cat:2)", 1, guidance=4.0, compose=True),
        alone(model, "cat:2", 1, guidance=4.0, compose=True),
        alone(model, "[cat|dog]", 1, guidance=4.0, compose=True),
    ]
    assert all(np.abs(plain - other).max() > 2 for other in others)


def test_white_space_is_no_part_of_a_prompt(model: Model) -> None:
    assert np.array_equal(alone(model, "  red \n\t apple ", 1), alone(model, "red apple", 1))


def test_batches_have_the_fixed_sizes_and_lose_nobody() -> None:
    asked = requests(
        "cat", 23, 0, "", SamplingSection(), steps=[5, 6] * 11 + [5], guidance=3.0, sampler="ddim", size=32
    )  # 12 of 5 steps, 11 of 6
    plan = batches(asked, BATCHES["cpu"])
    assert [len(batch) for batch in plan] == [8, 4, 8, 1, 1, 1]
    assert sorted(index for batch in plan for index in batch) == list(range(23))
    assert all(len({asked[index].steps for index in batch}) == 1 for batch in plan)


def test_progress_counts_every_step_to_the_end(model: Model) -> None:
    told: list[tuple[int, int]] = []
    model.generate("cat", seeds=1, n=5, steps=3, progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (6, 6)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
