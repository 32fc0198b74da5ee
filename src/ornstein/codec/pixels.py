"""Pictures as they are: premultiplied RGBA (or RGB, or grey) bytes to numbers of about unit variance and back."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ornstein.config import Config


class PixelCodec(Config):
    """Pixels in [-1, 1], divided by the data's deviation so that the process sees unit variance.

    Attributes:
        channels: 4 for premultiplied RGBA, 3 for opaque colour, 1 for grey.
        deviation: root mean square of the pixels in [-1, 1] over the training set, measured once.
    """

    kind: Literal["pixels"] = "pixels"
    channels: Literal[1, 3, 4] = 4
    deviation: float = 1.0

    def shape(self, size: int) -> tuple[int, int, int]:
        """Of the encoding of a picture whose sides are `size`."""
        return size, size, self.channels

    def encode(self, data: np.ndarray) -> Tensor:
        """uint8 (B, H, W, C), premultiplied, to float32 of the same shape."""
        return torch.from_numpy(data).float().div_(127.5).sub_(1.0).div_(self.deviation)

    def decode(self, x: Tensor) -> np.ndarray:
        """Float (B, H, W, C) to uint8, clipped; colour never exceeds alpha, as premultiplied colour cannot."""
        pixels = ((x.detach().float().cpu() * self.deviation + 1.0) * 127.5).round().clamp(0, 255)
        if self.channels == 4:
            pixels = torch.cat([torch.minimum(pixels[..., :3], pixels[..., 3:]), pixels[..., 3:]], dim=-1)
        return pixels.to(torch.uint8).numpy()
