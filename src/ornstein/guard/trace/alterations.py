"""What may happen to a copy: cut, moved, turned, recoloured, blurred, compressed, covered, on another ground.

The descriptor learns to see through these. All work on float pictures (B, channels, S, S) in [0, 1], each row on its
own draw.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Pictures = Float[Tensor, "rows 3 side side"]
Layers = Float[Tensor, "rows 4 side side"]

GREY = torch.tensor([0.299, 0.587, 0.114])  # luma of BT.601
BLOCK = 8  # of JPEG
# Annex K of ITU-T T.81, the luminance table that nearly every encoder scales
QUANTISERS = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=torch.float32,
)  # fmt: skip


def altered(pictures: np.ndarray, size: int, random: np.random.Generator) -> Pictures:
    """A random altered copy of each of uint8 (B, H, W, C) pictures, (B, 3, size, size) in [0, 1]."""
    x = on_ground(moved(layers(pictures, size), random), random)
    x = recoloured(covered(x, random), random)
    x = blurred(x, random)
    return compressed(noisy(x, random), random)


def layers(pictures: np.ndarray, size: int) -> Layers:
    """Premultiplied RGBA of uint8 (B, H, W, C) pictures in [0, 1]; opaque and grey ones have alpha 1."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).movedim(-1, 1).float() / 255
    if x.shape[1] < 4:
        x = torch.cat([x.expand(-1, 3, -1, -1), torch.ones_like(x[:, :1])], dim=1)
    return F.interpolate(x, (size, size), mode="bilinear", antialias=True) if x.shape[-1] != size else x


def moved(x: Layers, random: np.random.Generator) -> Layers:
    """Two thirds cropped or shrunk, shifted, half of these turned up to 15 degrees; the border is transparent."""
    count = len(x)
    much = (random.random(count) < 0.67).astype(np.float32)
    zoom = np.exp(much * random.uniform(np.log(0.75), np.log(1.4), count))  # of the window: below 1 crops
    stretch = np.exp(much * random.uniform(-0.1, 0.1, count))
    angle = np.radians(much * random.uniform(-15, 15, count)) * (random.random(count) < 0.5)
    theta = np.empty((count, 2, 3), np.float32)
    theta[:, 0, 0], theta[:, 0, 1] = zoom * stretch * np.cos(angle), -zoom * np.sin(angle)
    theta[:, 1, 0], theta[:, 1, 1] = zoom * np.sin(angle), zoom / stretch * np.cos(angle)
    theta[:, :, 2] = much[:, None] * random.uniform(-0.2, 0.2, (count, 2))
    grid = F.affine_grid(torch.from_numpy(theta), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def on_ground(x: Layers, random: np.random.Generator) -> Pictures:
    """Before white (half of them), a colour, or a gradient of two."""
    count, side = len(x), x.shape[-1]
    first, second = (torch.from_numpy(random.random((count, 3, 1, 1), np.float32)) for _ in range(2))
    kind = torch.from_numpy(random.random(count)).view(-1, 1, 1, 1)
    ramp = torch.linspace(0, 1, side).view(1, 1, side, 1)
    ground = torch.where(kind < 0.2, first + (second - first) * ramp, first)
    ground = torch.where(kind < 0.5, ground, torch.ones(()))
    return x[:, :3] + (1 - x[:, 3:]) * ground


def covered(x: Pictures, random: np.random.Generator) -> Pictures:
    """A fifth of them in part under a block of colour or under a corner of another picture."""
    side, out = x.shape[-1], x.clone()
    for row in np.flatnonzero(random.random(len(x)) < 0.2).tolist():
        height, width = random.integers(side // 8, side * 2 // 5, 2).tolist()
        top, left = int(random.integers(side - height)), int(random.integers(side - width))
        other = int(random.integers(len(x)))
        patch = x[other, :, top : top + height, left : left + width]
        if random.random() < 0.5:
            patch = torch.from_numpy(random.random((3, 1, 1), np.float32))
        out[row, :, top : top + height, left : left + width] = patch
    return out


def recoloured(x: Pictures, random: np.random.Generator) -> Pictures:
    """Brightness, contrast, saturation and hue of three fifths; a twentieth become grey."""
    count = len(x)
    much = (random.random(count) < 0.6).astype(np.float32)
    saturation = 1 + much * random.uniform(-0.6, 0.6, count)
    saturation[random.random(count) < 0.05] = 0
    angle = much * random.uniform(-0.3, 0.3, count)  # radians; about 17 degrees of hue
    contrast = 1 + much * random.uniform(-0.4, 0.4, count)
    shift = much * random.uniform(-0.2, 0.2, count)
    grey, identity = GREY.numpy()[None, :].repeat(3, 0), np.eye(3)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)  # turns about the grey axis
    turn = identity + np.sin(angle)[:, None, None] * across
    turn = turn + (1 - np.cos(angle))[:, None, None] * (across @ across)
    matrix = saturation[:, None, None] * (turn - grey) + grey
    matrix = torch.from_numpy((contrast[:, None, None] * matrix).astype(np.float32))
    offset = torch.from_numpy((0.5 * (1 - contrast) + shift).astype(np.float32))
    return (torch.einsum("bij,bjhw->bihw", matrix, x) + offset.view(-1, 1, 1, 1)).clamp(0, 1)


def blurred(x: Pictures, random: np.random.Generator) -> Pictures:
    """A quarter Gaussian-blurred, a quarter sampled down to a third at least and up again; each quarter by one draw."""
    side, out = x.shape[-1], x.clone()
    order = np.array_split(random.permutation(len(x)), 4)
    deviation = side / 64 * random.uniform(0.4, 1.8)
    reach = max(1, round(2.5 * deviation))
    kernel = torch.exp(-torch.arange(-reach, reach + 1).float().square() / (2 * deviation**2))
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    wide = F.pad(x[order[0]], (reach,) * 4, mode="replicate")
    out[order[0]] = F.conv2d(F.conv2d(wide, kernel, groups=3), kernel.movedim(-1, -2), groups=3)
    small = int(side * random.uniform(1 / 3, 0.9))
    shrunk = F.interpolate(x[order[1]], (small, small), mode="bilinear", antialias=True)
    out[order[1]] = F.interpolate(shrunk, (side, side), mode="bilinear")
    return out


def noisy(x: Pictures, random: np.random.Generator) -> Pictures:
    """Gaussian noise on a quarter, of a deviation up to a tenth."""
    deviation = random.uniform(0, 0.1, len(x)) * (random.random(len(x)) < 0.25)
    noise = torch.from_numpy(random.standard_normal(x.shape, np.float32))
    return (x + torch.from_numpy(deviation).float().view(-1, 1, 1, 1) * noise).clamp(0, 1)


def compressed(x: Pictures, random: np.random.Generator) -> Pictures:
    """What JPEG of quality 20 to 95 leaves of two fifths; colours are not thinned, as ours are small pictures."""
    count, side = len(x), x.shape[-1]
    quality = torch.from_numpy(random.uniform(20, 95, count)).float()
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    chosen = torch.from_numpy(np.flatnonzero(random.random(count) < 0.4))
    steps = (QUANTISERS * scale[chosen].view(-1, 1, 1)).clamp(min=1).view(-1, 1, 1, 1, BLOCK, BLOCK)
    padding = -side % BLOCK
    blocks = F.pad(x[chosen], (0, padding, 0, padding), mode="replicate") * 255 - 128
    blocks = blocks.unfold(2, BLOCK, BLOCK).unfold(3, BLOCK, BLOCK)
    transform = _cosines()
    found = ((transform @ blocks @ transform.T) / steps).round() * steps
    back = (transform.T @ found @ transform + 128) / 255
    whole = back.permute(0, 1, 2, 4, 3, 5).reshape(len(chosen), 3, side + padding, side + padding)
    out = x.clone()
    out[chosen] = whole[..., :side, :side].clamp(0, 1)
    return out


def _cosines() -> Tensor:
    """The orthonormal matrix of the discrete cosine transform of eight numbers."""
    place = torch.arange(BLOCK).float()
    matrix = torch.cos(torch.pi / BLOCK * (place + 0.5) * place[:, None]) * (2 / BLOCK) ** 0.5
    matrix[0] /= 2**0.5
    return matrix
