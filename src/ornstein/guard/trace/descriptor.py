"""The copy descriptor: a small network that maps a picture and altered copies of it to nearly the same unit vector.

After Pizzi et al. 2022 (SSCD, arXiv 2202.10261): contrastive training on alterations, with a term that spreads pictures
evenly, so that one distance means the same everywhere. Trained on the licensed pictures alone (``training.py``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ornstein.config import Config
from ornstein.errors import OrnsteinError
from ornstein.evaluate.pictures import on_white, resize
from ornstein.evaluate.trunk import Stage
from ornstein.guard.trace.content import content

CELLS = 2  # along each axis, pooled apart: pictures are cut to their content, so places compare
FINER = 2  # pixels to one of the network's, when pictures are cut to their content
TURN = 7.0  # degrees
TURNED = (False, True, True) * 2  # which of the views are
AT_ONCE = 256  # pictures described at a time
POWER = 3.0  # of the mean over places (GeM, Radenović et al. 2018, arXiv 1711.02512)


class DescriptorConfig(Config):
    """Shape of a descriptor.

    Attributes:
        size: side of the pictures it looks at, in pixels. width: numbers of a description.
        widths: channels of the convolutions, halving the side each time.
    """

    size: int = Field(default=32, ge=16, le=512)
    width: int = Field(default=128, ge=8, le=1024)
    widths: tuple[int, ...] = Field(default=(24, 48, 96), min_length=1, max_length=6)

    @property
    def finer(self) -> int:
        """Side at which pictures are cut to their content."""
        return FINER * self.size


class DescriptorNetwork(nn.Module):
    """Pictures (B, 3, size, size) in [-1, 1] to unit vectors (B, width); each quarter is pooled by itself."""

    def __init__(self, config: DescriptorConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = nn.Sequential(*(Stage(i, o) for i, o in pairwise((3, *config.widths))))
        self.head = nn.Linear(config.widths[-1] * CELLS**2, config.width)

    def forward(self, x: Float[Tensor, "rows 3 side side"]) -> Float[Tensor, "rows width"]:
        found = self.stages(x).float().clamp(min=1e-4)
        pooled = F.adaptive_avg_pool2d(found.pow(POWER), CELLS).pow(1 / POWER)
        return F.normalize(self.head(pooled.flatten(1)).float(), dim=1)


class Descriptor:
    """A trained descriptor, ready to describe pictures of any size.

    Args:
        network: trained; it is changed into its faster form.
    """

    def __init__(self, network: DescriptorNetwork) -> None:
        self.config = network.config
        self._network = _fused(network.eval())

    @torch.inference_mode()
    def __call__(self, pictures: np.ndarray) -> Float[Tensor, "rows width"]:
        """Unit vectors of square uint8 (B, H, W, C) pictures: premultiplied RGBA, RGB or grey, before white."""
        parts = [
            self.described(to_input(pictures[start : start + AT_ONCE], self.config.size))
            for start in range(0, len(pictures), AT_ONCE)
        ]
        return torch.cat(parts) if parts else torch.empty(0, self.config.width)

    @torch.inference_mode()
    def described(self, seen: Float[Tensor, "rows 3 size size"]) -> Float[Tensor, "rows width"]:
        """Unit vectors of what ``to_input`` makes of pictures."""
        return self._network(seen.contiguous(memory_format=torch.channels_last))


def ready(config: DescriptorConfig, weights: dict[str, Tensor]) -> Descriptor:
    """The descriptor of weights that were kept. Raises OrnsteinError where they are those of another."""
    network = DescriptorNetwork(config)
    kept = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    try:
        network.load_state_dict(kept)
    except RuntimeError as error:
        raise OrnsteinError("the copy descriptor's weights are not those of its network") from error
    return Descriptor(network)


def views(seen: Float[Tensor, "rows 3 size size"]) -> Float[Tensor, "views rows 3 size size"]:
    """What is seen of pictures as they are, turned a little either way, and of the mirror images of these."""
    return torch.stack([y for x in (seen, seen.flip(3)) for y in turned(x)])


def to_input(pictures: np.ndarray, size: int) -> Float[Tensor, "rows 3 side side"]:
    """What the network sees of uint8 (B, H, W, C) pictures: their content before white, in [-1, 1]."""
    return shown(resize(on_white(pictures), FINER * size) / 255)


def shown(x: Float[Tensor, "rows 3 fine fine"]) -> Float[Tensor, "rows 3 side side"]:
    """What the network sees of pictures in [0, 1], which are finer than its input: their content, in [-1, 1]."""
    small = F.avg_pool2d(content(x.contiguous()), FINER) * 2 - 1
    return small.contiguous(memory_format=torch.channels_last)


def turned(x: Float[Tensor, "rows 3 side side"]) -> list[Tensor]:
    """Pictures in [-1, 1] as they are, and turned by TURN degrees either way before white."""
    out = [x]
    for angle in (math.radians(TURN), -math.radians(TURN)):
        turn = [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]]
        grid = F.affine_grid(x.new_tensor(turn).expand(len(x), 2, 3), list(x.shape), align_corners=False)
        out.append(1 - F.grid_sample(1 - x, grid, align_corners=False))
    return out


def _fused(network: DescriptorNetwork) -> DescriptorNetwork:
    """The same numbers with every batch norm folded into the convolution before it."""
    for stage in network.stages:
        assert isinstance(stage, Stage)
        _fuse(stage.down, (0,))
        for pair in stage.pairs:
            assert isinstance(pair, nn.Sequential)
            _fuse(pair, (0, 3))
    return network


def _fuse(layers: nn.Sequential, convolutions: Sequence[int]) -> None:
    for place in convolutions:
        convolution, norm = layers[place], layers[place + 1]
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        layers[place], layers[place + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
