"""The engine with everything around it: published checkpoints, and the guard that draws through it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from ornstein.drawing import Previews
from ornstein.guard.guarded import Guarded
from ornstein.model import Model
from ornstein.request import requests
from ornstein.serve.engine.engine import Engine
from tests.interop.conftest import Both, both
from tests.serve.test_engine import arriving
from tests.small import bundle, model

__all__ = ["both", "bundle", "model"]


@pytest.mark.parametrize("family", ["stable_diffusion", "pixart", "dit"])
@pytest.mark.parametrize("deterministic", [True, False])
def test_a_published_checkpoint_draws_the_same_in_a_mix(
    both: Callable[..., Both], family: str, deterministic: bool
) -> None:
    """Samples of the same kind of prompt and another guidance, or none, share calls as ours do."""
    published = both(family).model
    prompts = ["goldfish", "tench"] if family == "dit" else ["a cat", "a red apple in the rain"]
    ask = published.recipe.sampling
    wanted = [
        *requests(prompts, 1, 3, "", ask, steps=2, guidance=3.0),
        *requests(prompts[0], 1, 4, "", ask, steps=3, guidance=1.0, sampler="ddim"),
        *requests(prompts[1], 1, 5, "", ask, steps=2, sampler="heun", guidance=2.0),
    ]
    engine = Engine(published, rows=4, deterministic=deterministic)
    together = arriving(engine, wanted)
    single = [engine.make([request])[0] for request in wanted]
    engine.close()
    for one, other, theirs in zip(together, single, published.make(wanted), strict=True):
        far = np.abs(one.array.astype(int) - other.array).max()
        assert far <= (0 if deterministic else 1)
        assert np.abs(one.array.astype(int) - theirs.array).mean() < 1
        assert one.spent.evaluations == theirs.spent.evaluations


def test_a_guard_draws_through_it(model: Model) -> None:
    guarded, engine = Guarded(model), Engine(model, rows=4)
    asked = requests(["cat", "dog"], 2, 1, "", model.recipe.sampling)
    shown: list[int] = []
    mine = guarded.make(
        asked, draw=partial(engine.make, owner="a"), previews=Previews(1, lambda *told: shown.append(told[0]))
    )
    engine.close()
    for one, other in zip(mine, guarded.make(asked), strict=True):
        assert one.output is not None
        assert other.output is not None
        assert np.abs(one.output.array.astype(int) - other.output.array).max() <= 1
        assert one.output.record.mark == other.output.record.mark
        assert one.spent.evaluations == other.spent.evaluations > 0
    assert sorted(shown) == [0, 1, 2, 3]
