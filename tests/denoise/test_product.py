"""One network for all fields: numbers are solved for as ever, categories are logits, and what is seen is certain."""

# here a sample is a tensor or a mapping as the test made it, which its type does not say
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOperatorIssue=false

from __future__ import annotations

import pytest
import torch

from ornstein.denoise.algebra import compose, level
from ornstein.denoise.posterior import Posterior
from ornstein.denoise.precondition import LOGSNR_LIMIT, NetworkDenoiser
from ornstein.denoise.product import FieldsDenoiser
from ornstein.denoise.tempered import Tempered
from ornstein.guide.classifier_free import ClassifierFree, Guided
from ornstein.process.clocks import Warped
from ornstein.process.gaussian import Cosine, Flow
from ornstein.process.masked import IMPOSSIBLE, MASK, Masked
from tests.categories import JOINT
from tests.common import wish

PATHS = {"numbers": Cosine(), "kinds": Masked()}
LOGITS = torch.tensor([0.3, -torch.inf, 1.0])


def sample() -> dict[str, torch.Tensor]:
    return {
        "numbers": torch.linspace(-1, 1, 8).reshape(4, 2),
        "kinds": torch.tensor([[MASK, 2, 0]]).repeat(4, 1),
    }


class Told:
    """A network that keeps what it is told, and answers with given numbers and logits."""

    def __init__(self, numbers):
        self.numbers = numbers

    def __call__(self, z, logsnr, condition):
        self.z, self.logsnr = z, logsnr
        return {"numbers": self.numbers, "kinds": LOGITS.expand(*z["kinds"].shape, 3).to(torch.bfloat16)}


@pytest.mark.parametrize("target", ["x", "v", "eps", "flow"])
def test_what_a_network_says_of_numbers_is_solved_for_their_mean(target):
    x, t = sample(), torch.linspace(0.2, 0.8, 4)
    a, s = (part[:, None] for part in level(Cosine()(t).logsnr))
    clean, noise = torch.randn(4, 2), torch.randn(4, 2)
    x["numbers"] = a * clean + s * noise
    denoiser = FieldsDenoiser(Told(compose(target, clean, noise, a, s)), PATHS, target)
    torch.testing.assert_close(denoiser(x, t, None).mean["numbers"], clean, atol=1e-5, rtol=1e-4)


def test_logits_are_float32_and_finite_and_what_is_seen_is_certain():
    kinds = FieldsDenoiser(Told(torch.zeros(4, 2)), PATHS)(sample(), torch.full((4,), 0.5), None).mean[
        "kinds"
    ]
    assert kinds.dtype == torch.float32
    assert kinds[1].tolist() == [
        pytest.approx([0.3, IMPOSSIBLE, 1.0], rel=1e-2),
        [IMPOSSIBLE, IMPOSSIBLE, 0.0],
        [0.0, IMPOSSIBLE, IMPOSSIBLE],
    ]


def test_the_network_is_told_a_finite_level_of_every_field_and_given_numbers_come_back():
    network, x = Told(torch.full((4, 2), 9.0)), sample()
    warped = {
        "numbers": Warped(Cosine(), torch.tensor([[0.0, 0.2, 1.0], [0.0, 0.9, 1.0]])),
        "kinds": Masked(),
    }
    t = {
        "numbers": torch.tensor([0.0, 0.5]).expand(4, 2),
        "kinds": torch.tensor([1.0, 0.0, 0.0]).expand(4, 3),
    }
    mean = FieldsDenoiser(network, warped)(x, t, None).mean
    assert torch.equal(mean["numbers"][:, 0], x["numbers"][:, 0])
    torch.testing.assert_close(mean["numbers"][:, 1], torch.full((4,), 9.0))
    assert network.logsnr["numbers"][0].tolist() == pytest.approx(
        [LOGSNR_LIMIT, float(Cosine()(torch.tensor(0.9)).logsnr)], rel=1e-5
    )
    assert network.logsnr["kinds"][0].tolist() == [-LOGSNR_LIMIT, LOGSNR_LIMIT, LOGSNR_LIMIT]
    assert torch.equal(network.z["kinds"], x["kinds"])


def test_a_plain_tensor_is_denoised_as_by_a_network_denoiser():
    def network(z, logsnr, condition):
        return z.sin() * logsnr[:, None]

    x, t = torch.randn(3, 5), torch.tensor([0.0, 0.4, 0.9])
    for path in (Flow(), Cosine()):
        plain = NetworkDenoiser(network, path, "v")(x, t, None).mean
        assert torch.equal(FieldsDenoiser(network, path, "v")(x, t, None).mean, plain)


def test_temperature_is_a_power_of_each_elements_law():
    x, t = torch.tensor([[MASK, 1, MASK]]), torch.ones(1)
    plain = JOINT(x, t).mean.softmax(-1)
    for temperature in (0.5, 2.0):
        powers = plain ** (1 / temperature)
        found = Tempered(JOINT, temperature)(x, t, None).mean.softmax(-1)
        torch.testing.assert_close(found, powers / powers.sum(-1, keepdim=True))
    greedy = Tempered(JOINT, 0.0)(x, t, None).mean
    assert torch.equal(greedy.argmax(-1), plain.argmax(-1))
    assert (greedy.softmax(-1).amax(-1) == 1).all()
    assert torch.equal(Tempered(JOINT, 1.0)(x, t, None).mean, JOINT(x, t).mean)


def test_guided_logits_are_products_of_laws_and_what_cannot_be_stays_so():
    laws = torch.tensor([[0.6, 0.3, 0.1, 0.0], [0.2, 0.5, 0.3, 0.0]]).log().clamp(min=IMPOSSIBLE)

    def denoiser(x_t, t, condition):
        each = laws[condition.states[:, 0, 0].long()][:, None].expand(-1, 2, 4)
        return Posterior(each)

    x, t = torch.full((3, 2), MASK), torch.full((3,), 0.5)
    scale = torch.tensor([1.0, 2.5, 0.0])
    guided = Guided(wish([0.0, 0.0, 0.0]), wish([1.0, 1.0, 1.0]), scale)
    found = ClassifierFree(denoiser)(x, t, guided).mean.softmax(-1)
    for row, w in enumerate(scale.tolist()):
        law = laws[0].exp() ** w * laws[1].exp().clamp(min=1e-30) ** (1 - w)
        law[3] = 0
        torch.testing.assert_close(found[row, 0], law / law.sum())
        assert found[row, 0, 3] == 0
