"""What a picture costs: rows that the network evaluates, blocks that run, texts that are encoded, memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from ornstein.condition.minilm import MiniLM
from ornstein.errors import UsageError
from ornstein.model import Model
from ornstein.net.inference import InferenceBlock
from ornstein.net.patched import PatchedTransformer
from ornstein.request import BATCHES, ROOM


@pytest.fixture
def evaluated(model: Model) -> Iterator[list[int]]:
    """Rows of each evaluation of the network, as they happen."""
    rows: list[int] = []
    handle = model.inference().register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    yield rows
    handle.remove()


def test_guidance_doubles_rows_within_its_interval_only(model: Model, evaluated: list[int]) -> None:
    sampling = model.recipe.sampling
    low, high = sampling.interval
    times = sampling.grid.times(10, model.recipe.process.path)[:-1].float()
    guided = ((times >= low) & (times <= high)).tolist()
    assert 0 < sum(guided) < 10
    model.generate("cat", seeds=1, n=4, steps=10, guidance=3.0)
    assert evaluated == [8 if twice else 4 for twice in guided]
    evaluated.clear()
    model.generate("cat", seeds=1, n=4, steps=10, guidance=1.0)
    assert evaluated == [4] * 10


def test_a_text_is_encoded_once(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    forward = MiniLM.__call__

    def counting(self: MiniLM, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        calls.append(len(ids))
        return forward(self, ids, mask)

    monkeypatch.setattr(MiniLM, "__call__", counting)
    for _ in range(2):
        model.generate(["a new prompt", "a new prompt", "cat"], seeds=1, negative="another new one", steps=1)
    assert len(calls) <= 3  # the prompts, and the negative one; "cat" may be known from other tests


def test_pictures_are_made_by_the_copy_and_it_follows_the_weights(model: Model) -> None:
    fresh = Model.load(model.bundle.folder)  # type: ignore[union-attr]
    before, copied = fresh.generate("cat", seeds=1, steps=2)[0].array, fresh.inference()
    assert any(isinstance(part, InferenceBlock) for part in copied.modules())
    assert fresh.inference() is copied
    with torch.no_grad():
        for weight in fresh.network.parameters():
            weight.mul_(1.1)
    assert fresh.inference() is not copied
    assert not np.array_equal(fresh.generate("cat", seeds=1, steps=2)[0].array, before)


def test_pictures_are_those_of_the_trained_network(model: Model) -> None:
    """Within rounding: in bfloat16 as near to the network's own float32 as autocast comes."""

    @torch.inference_mode()
    def picture(network: nn.Module | None, dtype: torch.dtype) -> np.ndarray:
        *_, last = model.trajectory(
            ["cat"], [1], steps=[4], guidance=[3.0], sampler="ddim", negatives=[""], size=32,
            network=network, dtype=dtype,
        )  # fmt: skip
        return model.recipe.codec.decode(last.x).astype(int)  # type: ignore[arg-type]

    exact = picture(model.network, torch.float32)
    assert np.abs(picture(None, torch.float32) - exact).max() <= 1
    autocast, copied = (np.abs(picture(net, torch.bfloat16) - exact).mean() for net in (model.network, None))
    assert 0 < copied < 1.5 * autocast


def test_reused_blocks_run_at_every_second_evaluation_of_a_row(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    forward = InferenceBlock.forward

    def counting(self: InferenceBlock, x: torch.Tensor, *rest: object) -> torch.Tensor:
        runs.append(len(x))
        return forward(self, x, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(InferenceBlock, "forward", counting)
    model.generate("cat", seeds=1, steps=9, guidance=1.0)
    assert sum(runs) == 2 * 9  # a network of two blocks
    runs.clear()
    model.generate("cat", seeds=1, steps=9, guidance=1.0, reuse=2)
    assert sum(runs) == 9 + 5


def test_reuse_is_off_by_default_asked_for_by_picture_and_replayed(model: Model) -> None:
    plain = model.generate("cat", seeds=1, steps=8)[0]
    assert '"reuse"' not in plain.record.model_dump_json()  # old pictures are replayed to the same bytes
    assert np.array_equal(model.generate("cat", seeds=1, steps=8, reuse=1)[0].array, plain.array)
    out = model.generate(["cat", "dog"], seeds=[1, 2], steps=8, reuse=[2, 1])
    assert out[0].record.request.reuse == 2
    assert not np.array_equal(out[0].array, plain.array)
    assert np.array_equal(model.replay(out[0].record).array, out[0].array)
    with pytest.raises(UsageError, match="reuse must be 1 to 3, not 5"):
        model.generate("cat", reuse=5)
    with pytest.raises(UsageError, match="a composed prompt cannot be drawn with reuse"):
        model.generate("cat AND dog", compose=True, reuse=2)


def test_a_reused_row_does_not_depend_on_its_neighbours(model: Model) -> None:
    ask = {"n": 1, "steps": 6, "reuse": 2, "negative": ["", "blue", "", "red"]}
    first = model.generate(["cat", "dog", "cow", "hen"], seeds=[1, 2, 3, 4], guidance=[3, 4, 5, 2.0], **ask)
    second = model.generate(["pen", "dog", "tree", "x"], seeds=[9, 2, 8, 7], guidance=[9, 4, 2, 1.5], **ask)
    assert np.array_equal(first[1].array, second[1].array)
    alone = model.generate("dog", seeds=2, guidance=4, steps=6, reuse=2, negative="blue")[0].array
    assert np.abs(alone.astype(int) - first[1].array).max() <= 1


def test_large_pictures_are_made_in_smaller_batches(model: Model) -> None:
    """From the fixed list, by a count of bytes that knows nothing of the machine."""
    network, states = model.recipe.network, model.encoder.length
    assert tuple(model.rows(32)) == BATCHES["cpu"]
    for size in (32, 64, 128, 256):
        most = model.rows(size)[0]
        assert model.rows(size)[-1] == 1
        assert most == 1 or 2 * most * network.memory(size, states) <= ROOM["cpu"]
    large = network.model_copy(update={"patch": 2})
    assert 2 * BATCHES["cpu"][0] * large.memory(256, states) > ROOM["cpu"]


def test_the_count_of_memory_bounds_the_scores_of_attention(model: Model) -> None:
    """The largest tensors a block holds at once are no more than it says."""
    network = model.recipe.network
    tokens = network.tokens(64) + 8
    assert isinstance(model.network.backbone, PatchedTransformer)
    assert (
        network.memory(64, 8) >= 6 * network.transformer.heads * tokens**2
    )  # scores in float32, weights in bfloat16
