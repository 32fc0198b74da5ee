"""Pictures as feature networks want them."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F


def on_white(pictures: np.ndarray) -> Tensor:
    """Pictures before white: uint8 (B, H, W, C), premultiplied RGBA, RGB or grey, to float (B, 3, H, W), 0 to 255."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).movedim(-1, 1).float()
    channels = x.shape[1]
    if channels == 4:
        return x[:, :3] + (255.0 - x[:, 3:])
    if channels in (1, 3):
        return x.expand(-1, 3, -1, -1)
    raise ValueError(f"pictures have 1, 3 or 4 channels, not {channels}")


def opaque(pictures: np.ndarray) -> np.ndarray:
    """Pictures before white, as opaque ones: uint8 (B, H, W, C), premultiplied RGBA or RGB, to (B, H, W, 4)."""
    found = np.full((*pictures.shape[:-1], 4), 255, np.uint8)
    found[..., :3] = pictures[..., :3]
    if pictures.shape[-1] == 4:
        found[..., :3] += 255 - pictures[..., 3:]  # premultiplied: never more than 255
    return found


def seen_by(channels: int, picture: np.ndarray) -> np.ndarray:
    """A picture as a model of so many channels has it: premultiplied RGBA, uint8 (H, W, 4), to (H, W, channels).

    RGB lies on white. Grey is brightness, on black, as the edges of such pictures are.
    """
    if channels == 4:
        return picture
    if channels == 3:
        return opaque(picture)[..., :3]
    return np.asarray(Image.fromarray(picture[..., :3]).convert("L"))[..., None]


def resize(x: Tensor, side: int) -> Tensor:
    """Square pictures (B, 3, H, W), 0 to 255, to another side: bicubic, low-passed where it shrinks, kept in range."""
    if x.shape[-2:] == (side, side):
        return x
    return F.interpolate(x, (side, side), mode="bicubic", antialias=True, align_corners=False).clamp_(
        0.0, 255.0
    )
