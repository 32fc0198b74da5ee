"""A row alone equals the row in any batch: whatever its neighbours ask, for however many steps, guided or not."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

import pytest
import torch

from ornstein.condition.tokens import TokenEmbedder, Tokens
from ornstein.denoise.precondition import NetworkDenoiser
from ornstein.guide.classifier_free import ClassifierFree, Guided
from ornstein.net.dit import TransformerConfig
from ornstein.net.patched import PatchedConfig, PatchedTransformer
from ornstein.process.fields import select_rows
from ornstein.process.gaussian import Flow
from ornstein.process.noise import row_noise
from ornstein.process.times import ShiftedGrid
from ornstein.sample.loop import sample
from ornstein.sample.registry import METHODS
from tests.common import each_method, normal

WORDS, WIDTH = 8, 32
STEPS = [6, 3, 6, 5, 4]
SEEDS = [11, 2**63 + 5, 0, 7, 11]
LENGTHS = [1, 5, 0, 3, 8]  # tokens of each prompt; none is the null condition
NEGATIVES = [0, 2, 0, 0, 4]
SCALES = [3.0, 1.0, 2.0, 1.0, 5.0]
CLOSE = {"rtol": 2e-4, "atol": 2e-5}  # float32 sums in another order


@pytest.fixture(scope="module")
def network():
    """Weights far from their zero initialisation, so that every path through the network is awake."""
    torch.manual_seed(0)
    transformer = TransformerConfig(width=WIDTH, depth=2, heads=2)
    backbone = PatchedTransformer(PatchedConfig(transformer=transformer, patch=2, bottleneck=8, smooth=4), 3)
    embedder = TokenEmbedder(WORDS, WIDTH)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))

    @torch.inference_mode()
    def call(z, logsnr, condition):
        return backbone(z.float(), logsnr.float(), *embedder(condition.states, condition.mask))

    return call


def prompts(lengths: list[int]) -> Tokens:
    return Tokens.stack([normal(8, WORDS, seed=k)[:n].float() for k, n in enumerate(lengths)], 8, WORDS)


def everything() -> Guided:
    return Guided(prompts(LENGTHS), prompts(NEGATIVES), torch.tensor(SCALES))


def run(method, network, rows: list[int], condition: Guided) -> torch.Tensor:
    """Sample some of the rows in one batch."""
    path = Flow()
    x = row_noise([SEEDS[row] for row in rows], 0, torch.empty(len(rows), 6, 4, 3))
    grids = [ShiftedGrid(shift=1.5).times(STEPS[row], path) for row in rows]
    denoiser = ClassifierFree(NetworkDenoiser(network, path), (0.2, 0.9))
    return sample(method, denoiser, path, x, grids, condition, [SEEDS[row] for row in rows])


@each_method
def test_a_row_alone_is_the_row_in_any_batch(method, network):
    together = run(method, network, [0, 1, 2, 3, 4], everything())
    for rows in ([0], [1], [2], [3], [4], [4, 2], [3, 0, 1]):
        part = run(method, network, rows, everything().select(torch.tensor(rows)))
        torch.testing.assert_close(part, together[torch.tensor(rows)], **CLOSE)


def test_the_same_request_twice_in_a_batch_is_the_same_picture_twice(network):
    for method in METHODS.values():
        first, _, second = run(method, network, [0, 3, 0], everything().select(torch.tensor([0, 3, 0])))
        torch.testing.assert_close(first, second, **CLOSE)


@each_method
def test_a_short_prompt_is_the_same_in_a_longer_tensor(method, network):
    """Conditions padded to their own batch's length or to a longer one."""
    rows, condition = [0, 3], everything().select(torch.tensor([0, 3]))
    positive, negative = condition.positive, condition.negative
    short = Guided(Tokens(positive.states[:, :3], positive.mask[:, :3]), negative, condition.scale)
    torch.testing.assert_close(
        run(method, network, rows, short), run(method, network, rows, condition), **CLOSE
    )


def test_what_stands_behind_a_mask_is_never_looked_at(network):
    condition = everything().positive
    spoilt = Tokens(torch.where(condition.mask[..., None], condition.states, 50.0), condition.mask)
    z, logsnr = normal(5, 6, 4, 3), torch.linspace(-4, 4, 5)
    torch.testing.assert_close(network(z, logsnr, spoilt), network(z, logsnr, condition))


@each_method
def test_rows_at_different_times_are_stepped_as_if_alone(method, network):
    """What a server does: rows join at any time, so one step moves rows at different times, memory and all."""
    path, condition = Flow(), everything().positive
    denoiser = NetworkDenoiser(network, path, "v")
    x = normal(5, 6, 4, 3).float()
    visited = [0.95, 0.5, 0.99, 0.3, 0.7], [0.8, 0.3, 0.9, 0.1, 0.6], [0.6, 0.2, 0.5, 0.0, 0.1]
    times = [torch.tensor(t) for t in visited]
    fixed = [normal(5, 6, 4, 3, seed=k).float() for k in (1, 2)]

    def two_steps(rows: torch.Tensor) -> torch.Tensor:
        state, memory, wanted = x[rows], method.fresh(x[rows]), select_rows(condition, rows)
        for t, s, noise in zip(times, times[1:], fixed, strict=False):
            state, memory = method.step(
                lambda x_t, time: denoiser(x_t, time, wanted), path, state, t[rows], s[rows], memory,
                lambda noise=noise: noise[rows],
            )  # fmt: skip
        return state

    together = two_steps(torch.arange(5))
    for row in range(5):
        torch.testing.assert_close(two_steps(torch.tensor([row]))[0], together[row], **CLOSE)
