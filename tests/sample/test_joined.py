"""Numbers and categories undone together follow the joint law of both, which neither alone tells."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false

from __future__ import annotations

import pytest
import torch
from scipy.stats import chisquare, kstest, norm

from ornstein.denoise.exact import EnumeratedDenoiser, JointDenoiser, MixtureDenoiser
from ornstein.process.gaussian import Cosine, Flow, corrupt
from ornstein.process.masked import MASK, Masked
from ornstein.process.noise import row_noise
from ornstein.process.times import UniformGrid
from ornstein.sample.joined import joined
from ornstein.sample.loop import sample, trajectory
from ornstein.sample.registry import METHODS, TOKEN_METHODS
from tests.categories import stepped

PATHS = {"numbers": Flow(), "kinds": Masked()}
MEANS = torch.tensor([[-1.2], [0.3], [1.4], [0.3]], dtype=torch.float64)
DEVIATIONS = torch.tensor([0.3, 0.5, 0.4, 0.2], dtype=torch.float64)
KINDS = torch.tensor([[0, 0], [0, 1], [1, 1], [2, 0]])
WEIGHTS = torch.tensor([0.3, 0.2, 0.35, 0.15], dtype=torch.float64)
EXACT = JointDenoiser(MixtureDenoiser(Flow(), MEANS, DEVIATIONS, WEIGHTS.log()), KINDS, 3)


def noise_of(rows: int) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(5)
    numbers = torch.randn(rows, 1, generator=random, dtype=torch.float64)
    return {"numbers": numbers, "kinds": torch.full((rows, 2), MASK)}


def test_the_joint_denoiser_is_bayes_rule():
    """By summing over parts and a fine grid of numbers."""
    points = torch.linspace(-5, 5, 4001, dtype=torch.float64)
    bells = zip(MEANS[:, 0].tolist(), DEVIATIONS.tolist(), strict=True)
    density = torch.stack([torch.as_tensor(norm.pdf(points, mean, spread)) for mean, spread in bells])
    for kinds, here, t in (([MASK, 1], 0.4, 0.6), ([0, MASK], -0.3, 0.3), ([MASK, MASK], 1.0, 0.8)):
        x_t = {"numbers": torch.tensor([[here]], dtype=torch.float64), "kinds": torch.tensor([kinds])}
        agrees = torch.tensor(
            [all(k in (MASK, v) for k, v in zip(kinds, row, strict=True)) for row in KINDS.tolist()]
        )
        seen = torch.exp(-((here - (1 - t) * points) ** 2) / (2 * t * t))
        joint = WEIGHTS[:, None] * agrees[:, None] * density * seen
        joint = joint / joint.sum()
        found = EXACT(x_t, torch.tensor([t], dtype=torch.float64)).mean
        assert found["numbers"].item() == pytest.approx((joint.sum(0) @ points).item(), abs=1e-6)
        expected = torch.zeros(2, 3, dtype=torch.float64)
        for part in range(4):
            for column in range(2):
                expected[column, KINDS[part, column]] += joint[part].sum()
        torch.testing.assert_close(found["kinds"][0].softmax(-1), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("gaussian", "masked"), [("ddim", "unmask"), ("ddpm", "unmask"), ("dpmpp-2m", "remask")]
)
def test_the_joint_law_is_sampled(gaussian, masked):
    rows = 3000
    method = joined(METHODS[gaussian], TOKEN_METHODS[masked])
    out = stepped(method, noise_of(rows), UniformGrid().times(250, Flow()), PATHS, EXACT)
    fits = (out["kinds"][:, None] == KINDS).all(-1)
    assert (
        fits.any(1).float().mean() > 0.99
    )  # two columns drawn in one step may not go together: one in 250 is
    part = torch.where(fits.any(1), fits.long().argmax(1), -1)
    found = torch.bincount(part[part >= 0], minlength=4).double()
    assert chisquare(found.numpy(), (found.sum() * WEIGHTS).numpy()).pvalue > 1e-3
    for k in range(4):
        numbers = out["numbers"][part == k, 0].numpy()
        assert kstest(numbers, "norm", (MEANS[k].item(), DEVIATIONS[k].item())).pvalue > 1e-3


def test_a_row_alone_is_the_row_in_a_batch_and_given_columns_never_move():
    """Imputation: columns of both fields are known, so each row has grids of its own."""
    method = joined(METHODS["dpmpp-2m"], TOKEN_METHODS["unmask"])
    seeds = [4, 9, 2**50]
    x = {
        "numbers": noise_of(3)["numbers"].float(),
        "kinds": torch.tensor([[MASK, MASK], [0, MASK], [MASK, 1]]),
    }
    free = {"numbers": torch.tensor([[0.0], [1.0], [1.0]]), "kinds": (x["kinds"] == MASK).float()}
    falling = [UniformGrid().times(steps, Flow())[:, None] for steps in (6, 3, 6)]
    grids = [{name: grid * part[k] for name, part in free.items()} for k, grid in enumerate(falling)]
    states = list(trajectory(method, EXACT, PATHS, x, grids, None, seeds))
    assert len(states) == 7
    for state in states:
        assert torch.equal(state.x["numbers"][0], x["numbers"][0])
        assert state.x["kinds"][1, 0] == 0
        assert state.x["kinds"][2, 1] == 1
    assert (states[-1].x["kinds"] >= 0).all()
    for k in range(3):
        row = {name: part[k : k + 1] for name, part in x.items()}
        alone = sample(method, EXACT, PATHS, row, [grids[k]], None, seeds[k : k + 1])
        for name, part in alone.items():
            torch.testing.assert_close(part[0], states[-1].x[name][k], rtol=1e-5, atol=1e-6)


def test_marginals_of_a_product_are_those_of_its_fields():
    x = {"numbers": torch.ones(20_000, 1), "kinds": torch.ones(20_000, 2, dtype=torch.long)}
    t = {"numbers": torch.full((20_000,), 0.3), "kinds": torch.tensor([0.0, 0.8]).expand(20_000, 2)}
    like = {name: part[None] for name, part in x.items()}
    noise = {name: part[0] for name, part in row_noise([1], 0, like).items()}
    x_t = corrupt({"numbers": Cosine(), "kinds": Masked()}, x, t, noise)
    c = Cosine()(torch.tensor(0.3))
    assert kstest(x_t["numbers"][:, 0].numpy(), "norm", (c.alpha.item(), c.sigma.item())).pvalue > 1e-3
    assert (x_t["kinds"][:, 0] == 1).all()
    assert (x_t["kinds"][:, 1] == MASK).float().mean().item() == pytest.approx(0.8, abs=0.015)


def test_each_kind_alone_is_stepped_as_by_its_own_method():
    method = joined(METHODS["ddim"], TOKEN_METHODS["unmask"])
    denoiser = EnumeratedDenoiser(KINDS, WEIGHTS.log(), 3)
    x, grid = torch.full((4, 2), MASK), UniformGrid().times(5, Flow())
    both = sample(method, denoiser, Masked(), x, grid, None, [1, 2, 3, 4])
    assert torch.equal(both, sample(TOKEN_METHODS["unmask"], denoiser, Masked(), x, grid, None, [1, 2, 3, 4]))


def test_methods_that_evaluate_twice_or_at_times_of_their_own_are_not_joined():
    with pytest.raises(ValueError, match="first-hitting does, takes categories alone"):
        joined(METHODS["ddim"], TOKEN_METHODS["first-hitting"])
    with pytest.raises(ValueError, match="of one evaluation a step"):
        joined(METHODS["heun"], TOKEN_METHODS["unmask"])
