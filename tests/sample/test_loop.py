"""The loop yields every state, and belongs to whoever consumes it."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

from itertools import islice

import pytest
import torch

from ornstein.denoise.posterior import Posterior
from ornstein.process.gaussian import Cosine, Flow
from ornstein.process.noise import row_noise
from ornstein.process.times import KarrasGrid, UniformGrid
from ornstein.sample.loop import sample, trajectory
from ornstein.sample.registry import METHODS, find_method
from tests.common import WishedGaussian, each_method, each_path, gaussian, normal, real, start, wish

PATH = Flow()
SEEDS = [1, 2, 3]


def grid(steps: int) -> torch.Tensor:
    return UniformGrid().times(steps, PATH)


def test_every_step_is_a_state():
    states = list(trajectory(METHODS["ddim"], gaussian(PATH), PATH, normal(3, 4), grid(5), None, SEEDS))
    assert [(state.step, state.steps) for state in states] == [(k, 5) for k in range(6)]
    assert torch.equal(states[0].x, normal(3, 4))
    assert states[0].mean is None
    for before, after, t in zip(states, states[1:], grid(5)[:-1], strict=False):
        assert torch.equal(after.mean, gaussian(PATH)(before.x, t.expand(3)).mean)


@each_method
def test_the_last_state_is_the_sample(method):
    x = normal(3, 4)
    states = list(trajectory(method, gaussian(PATH), PATH, x, grid(6), None, SEEDS))
    assert torch.equal(states[-1].x, sample(method, gaussian(PATH), PATH, x, grid(6), None, SEEDS))


@each_method
def test_states_once_yielded_and_the_samples_given_never_change(method):
    given = normal(3, 4)
    kept = given.clone()
    seen = [
        (state, state.x.clone(), None if state.mean is None else state.mean.clone())
        for state in trajectory(method, gaussian(PATH), PATH, given, [grid(3), grid(6), grid(4)], None, SEEDS)
    ]
    assert torch.equal(given, kept)
    for state, x, mean in seen:
        assert torch.equal(state.x, x)
        assert mean is None or torch.equal(state.mean, mean)


@each_method
def test_closing_the_generator_stops_the_work(method):
    denoiser = WishedGaussian(PATH)
    states = trajectory(method, denoiser, PATH, normal(3, 4), grid(50), wish([0, 1, 2]), SEEDS)
    assert [state.step for state in islice(states, 4)] == [0, 1, 2, 3]
    states.close()
    assert denoiser.calls == 3 * method.evaluations
    assert next(states, None) is None


@each_method
def test_rows_that_are_done_cost_nothing(method):
    steps = [2, 7, 0, 4]
    denoiser = WishedGaussian(PATH)
    x = normal(4, 4)
    states = list(
        trajectory(method, denoiser, PATH, x, [grid(n) for n in steps], wish([0, 1, 2, 3]), [1, 2, 3, 4])
    )
    assert len(states) == 8
    assert torch.equal(states[-1].x[2], x[2])
    for row, n in enumerate(steps):
        assert all(torch.equal(state.x[row], states[n].x[row]) for state in states[n:])
    # a two-evaluation method spends one on the step to clean data, unless others in the batch need the second
    assert denoiser.rows <= method.evaluations * sum(steps)
    assert denoiser.rows >= method.evaluations * (sum(steps) - 3)


def test_heun_needs_no_evaluation_of_clean_data():
    denoiser = WishedGaussian(PATH)
    sample(METHODS["heun"], denoiser, PATH, normal(3, 4), grid(5), wish([0, 1, 2]), SEEDS)
    assert denoiser.calls == 2 * 5 - 1


@each_method
@each_path
def test_nothing_moves_where_time_stands_still(method, path):
    x = start(path, 3, 4)
    for t in (1.0, 0.6, 0.0):
        time = real(t).expand(3)
        moved, _ = method.step(
            gaussian(path), path, x, time, time, method.fresh(x), lambda: normal(3, 4, seed=9)
        )
        torch.testing.assert_close(moved, x, rtol=1e-12, atol=1e-12)


@each_method
@each_path
def test_known_elements_never_move(method, path):
    """Time per element: what is known stands at 0 throughout; the rest ends where the data is."""
    x = start(path, 2, 6)
    known = torch.tensor([True, False, False, True, False, True])
    x[:, known] = normal(2, 3, seed=4)
    grid = UniformGrid().times(8, path)[:, None] * (~known).double()
    states = list(trajectory(method, gaussian(path, deviation=0.01), path, x, grid, None, [1, 2]))
    for state in states:
        assert torch.equal(state.x[:, known], x[:, known])
    assert (states[-1].x[:, ~known] - 0.7).abs().max() < 0.2


@each_method
def test_a_mapping_is_stepped_field_by_field(method):
    """A product of processes: each field as it would be alone, on its own path and in its own noise."""
    paths = {"place": Flow(), "kind": Cosine()}
    x = {"place": normal(3, 4), "kind": normal(3, 2, 2, seed=1)}

    class Both:
        def __call__(self, x_t, t, condition):
            times = t if isinstance(t, dict) else dict.fromkeys(x_t, t)
            return Posterior({name: single[name](x_t[name], times[name]).mean for name in x_t})

    single = {name: gaussian(path, mean=0.3) for name, path in paths.items()}
    together = sample(method, Both(), paths, x, grid(6), None, SEEDS)
    for name, path in paths.items():
        alone, memory = x[name], method.fresh(x[name])
        for k, (t, s) in enumerate(zip(grid(6)[:-1], grid(6)[1:], strict=True)):
            noise = row_noise(SEEDS, k + 1, {name: alone})[name]
            alone, memory = method.step(
                single[name], path, alone, t.expand(3), s.expand(3), memory, lambda noise=noise: noise
            )
        torch.testing.assert_close(together[name], alone, rtol=1e-12, atol=1e-12)


@each_method
@each_path
def test_samples_of_exact_denoisers_have_the_moments_of_the_data(method, path):
    steps = 60 if method.order == 1 else 30 if method.stochastic else 15
    times = KarrasGrid().times(steps, path)
    x = normal(1, 4000) * path(times[:1]).scale
    result = sample(method, gaussian(path), path, x, times, None, [0])
    assert result.mean().item() == pytest.approx(0.7, abs=0.05)
    assert result.std().item() == pytest.approx(0.5, abs=0.05)


def test_no_rows_are_no_work():
    denoiser = WishedGaussian(PATH)
    states = list(trajectory(METHODS["dpmpp-2m"], denoiser, PATH, normal(0, 4), [], wish([]), []))
    assert (len(states), denoiser.calls) == (1, 0)


def test_grids_and_seeds_must_match_the_rows():
    with pytest.raises(ValueError, match="3 rows need as many grids and seeds, not 2 and 3"):
        sample(METHODS["ddim"], gaussian(PATH), PATH, normal(3, 4), [grid(2)] * 2, None, SEEDS)
    with pytest.raises(ValueError, match="not 3 and 1"):
        sample(METHODS["ddim"], gaussian(PATH), PATH, normal(3, 4), grid(2), None, [1])


def test_an_unknown_sampler_is_answered_with_the_nearest():
    assert find_method("heun") is METHODS["heun"]
    with pytest.raises(ValueError, match="unknown sampler 'dpm-2m'; did you mean 'dpmpp-2m'"):
        find_method("dpm-2m")
