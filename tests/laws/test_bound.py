"""The loss of hidden categories is the evidence bound, whatever the schedule: checked against exact enumeration."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false

from __future__ import annotations

import itertools

import pytest
import torch

from ornstein.denoise.posterior import Posterior
from ornstein.process.clocks import Warped
from ornstein.process.gaussian import Flow
from ornstein.process.masked import MASK, Masked
from ornstein.train.objective import denoising_loss, fields_loss
from tests.categories import JOINT, LAW, LENGTH, VALUES

PATHS = {
    "linear": Masked(),
    "cosine": Masked(schedule="cosine"),
    "warped": Warped(Masked(), torch.tensor([[0.0, 0.2, 0.9, 1.0]] * LENGTH)),
}
ROWS = 60_000


class Wrong:
    """A denoiser that says of every hidden element what one that forgets half of the seen ones would."""

    def __call__(self, x_t, t, condition):
        return Posterior(0.4 * JOINT(x_t, t).mean.clamp(min=-30) + torch.tensor([0.3, 0.0]))


def exact_bound(denoiser) -> torch.Tensor:
    """-ELBO of each row, in nats: the mean over all orders of the cost of seeing one element after another."""
    costs = []
    for order in itertools.permutations(range(LENGTH)):
        x = torch.full_like(VALUES, MASK)
        cost = torch.zeros(len(VALUES), dtype=torch.float64)
        for element in order:
            log_p = denoiser(x, torch.ones(len(x)), None).mean[:, element].log_softmax(-1)
            cost = cost - log_p.gather(1, VALUES[:, element : element + 1])[:, 0]
            x = x.index_copy(1, torch.tensor([element]), VALUES[:, element : element + 1])
        costs.append(cost)
    return torch.stack(costs).mean(0)


def estimate(denoiser, path, row: int) -> tuple[float, float]:
    """Mean over times and masks of the loss of one row times its elements, and the mean's deviation."""
    random = torch.Generator().manual_seed(row)
    t = (torch.randperm(ROWS, generator=random) + torch.rand(ROWS, generator=random)).clamp(min=1e-3) / ROWS
    noise = torch.rand(ROWS, LENGTH, generator=random, dtype=torch.float64)
    losses, _ = fields_loss(denoiser, path, VALUES[row].expand(ROWS, -1), t, noise, None)
    return float(losses.mean()) * LENGTH, float(losses.std()) * LENGTH / ROWS**0.5


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_the_loss_is_the_bound_of_each_row_in_any_clock(path):
    for denoiser in (JOINT, Wrong()):
        for row, bound in list(enumerate(exact_bound(denoiser).tolist()))[::3]:
            mean, deviation = estimate(denoiser, path, row)
            assert mean == pytest.approx(bound, abs=4.5 * deviation)
            assert deviation < 0.05 * bound


def test_with_the_exact_denoiser_the_bound_is_the_entropy_and_above_it_with_another():
    entropy = -(LAW * LAW.log()).sum()
    assert (LAW * exact_bound(JOINT)).sum() == pytest.approx(entropy.item())
    assert (LAW * exact_bound(Wrong())).sum() > entropy + 0.05
    assert (exact_bound(JOINT) >= -LAW.log() - 1e-9).all()


def mixed() -> tuple[dict, dict, dict]:
    random = torch.Generator().manual_seed(0)
    x = {
        "numbers": torch.randn(6, 2, generator=random),
        "kinds": torch.randint(0, 4, (6, 3), generator=random),
    }
    noise = {
        "numbers": torch.randn(6, 2, generator=random),
        "kinds": torch.rand(6, 3, generator=random, dtype=torch.float64),
    }
    return x, noise, {"numbers": Flow(), "kinds": Masked()}


class Guess:
    """The same guess of everything."""

    def __call__(self, x_t, t, condition):
        kinds = torch.tensor([0.1, 0.2, 0.3, 0.4]).log().expand(*x_t["kinds"].shape, 4)
        return Posterior({"numbers": torch.full_like(x_t["numbers"], 0.2), "kinds": kinds})


def test_numbers_alone_have_the_loss_they_always_had():
    x, noise, _ = mixed()
    t = torch.linspace(0.1, 0.9, 6)

    def denoiser(x_t, t, condition):
        return Posterior(0.3 * x_t)

    plain = denoising_loss(denoiser, Flow(), x["numbers"], t, noise["numbers"], None, "v", cap=5.0)
    losses, _ = fields_loss(denoiser, Flow(), x["numbers"], t, noise["numbers"], None, weighting="v", cap=5.0)
    torch.testing.assert_close(losses, plain)


def test_a_rows_loss_is_the_mean_over_elements_of_all_fields():
    x, noise, paths = mixed()
    t = torch.linspace(0.2, 0.9, 6)
    losses, errors = fields_loss(Guess(), paths, x, t, noise, None)
    torch.testing.assert_close(errors["numbers"], (x["numbers"] - 0.2).square())
    hidden = noise["kinds"] >= 1 - t[:, None].double()
    nats = -torch.tensor([0.1, 0.2, 0.3, 0.4]).log()[x["kinds"]]
    torch.testing.assert_close(errors["kinds"], torch.where(hidden, nats, 0.0))
    whole = errors["numbers"].sum(1) + errors["kinds"].sum(1) / t
    torch.testing.assert_close(losses, whole / 5)


def test_what_is_given_unknown_or_not_counted_does_not_count():
    x, noise, paths = mixed()
    x["kinds"][:, 0] = MASK  # the data does not tell
    t = torch.linspace(0.2, 0.9, 6)
    times = {
        "numbers": t[:, None] * torch.tensor([0.0, 1.0]),
        "kinds": t[:, None].expand(6, 3),
    }  # one is given
    counted = {
        "numbers": torch.ones(6, 2, dtype=torch.bool),
        "kinds": torch.tensor([True, True, False]).expand(6, 3),
    }
    losses, errors = fields_loss(Guess(), paths, x, times, noise, None, counted, "eps")
    assert (errors["numbers"][:, 0] == 0).all()
    assert (errors["kinds"][:, [0, 2]] == 0).all()
    level = ((1 - t) / t).square()  # of eps: the squared ratio of data to noise
    whole = errors["numbers"][:, 1] * level + errors["kinds"][:, 1] / t
    torch.testing.assert_close(losses, whole / 2)
    nothing = {name: torch.zeros_like(part) for name, part in counted.items()}
    assert fields_loss(Guess(), paths, x, times, noise, None, nothing)[0].tolist() == [0.0] * 6


def test_the_gradient_is_finite_and_only_of_what_is_hidden():
    x, noise, _ = mixed()
    logits = torch.zeros(6, 3, 4, requires_grad=True)
    t = torch.linspace(0.0, 1.0, 6)
    losses, _ = fields_loss(
        lambda x_t, t, c: Posterior(logits), Masked(), x["kinds"], t, noise["kinds"], None
    )
    losses.sum().backward()
    hidden = noise["kinds"] >= 1 - t[:, None].double()
    assert torch.equal((logits.grad != 0).any(-1), hidden)
    assert logits.grad.isfinite().all()
