"""The index: a description of every picture that was trained on, beside the descriptor that made it, in one file.

Brute force: a matrix product over 20,000 pictures takes a millisecond, and it is exact. ``sources.safetensors`` holds

- ``descriptor.*``: weights, bfloat16
- ``vectors``: unit vectors (N, D), int8, in units of ``scale``
- ``ids``: of the N pictures, UTF-8, one a line, in the manifest's order
- ``null``: scores of held-out pictures, ascending, float32
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor
from torch.nn import functional as F

from ornstein.config import parse
from ornstein.errors import OrnsteinError, UsageError
from ornstein.evaluate.copying import NEIGHBOURS, ratios
from ornstein.guard.trace.calibrate import Null
from ornstein.guard.trace.descriptor import AT_ONCE, Descriptor, DescriptorConfig, DescriptorNetwork

FORMAT = 1
LARGEST_SHAPE = 1 << 24  # weights; a forged shape must not take memory
FEWEST = 3  # pictures: one has a nearest, which needs others to be near beside


@dataclass(frozen=True)
class Found:
    """What lies nearest to each of some pictures.

    Attributes:
        where: (B, k) places in the index, nearest first. distance: (B, k) Euclidean, 0 to 2.
        score: (B,) the least distance by the mean of the next ones up to the fiftieth.
    """

    where: Int[Tensor, "rows k"]
    distance: Float[Tensor, "rows k"]
    score: Float[Tensor, " rows"]


@dataclass(frozen=True)
class Index:
    """Descriptor, descriptions and threshold.

    Attributes:
        config: of the descriptor. weights: of it, in bfloat16.
        ids: of the pictures. vectors: their descriptions in units of `scale`. null: scores of held-out pictures.
        root: hash of the manifest whose training rows these are. facts: how it was made, and how well it works.
    """

    config: DescriptorConfig
    weights: dict[str, Tensor]
    ids: tuple[str, ...]
    vectors: Int8[Tensor, "pictures width"]
    scale: float
    null: Null
    root: str
    facts: dict[str, Any]

    @cached_property
    def descriptor(self) -> Descriptor:
        """The network, ready. Raises OrnsteinError where the weights are those of another."""
        network = DescriptorNetwork(self.config)
        try:
            network.load_state_dict({name: value.to(_kind(value)) for name, value in self.weights.items()})
        except RuntimeError as error:
            raise OrnsteinError("the copy descriptor's weights are not those of its network") from error
        return Descriptor(network)

    @cached_property
    def _unit(self) -> Float[Tensor, "pictures width"]:
        return F.normalize(self.vectors.float(), dim=1)

    def look(self, pictures: np.ndarray, k: int = 1) -> Found:
        """The `k` nearest to each of uint8 (B, H, W, C) pictures, by that of its views which is the most suspicious."""
        views = self.descriptor.views(pictures)
        found = self.search(views.flatten(0, 1), k)
        count, rows = len(views), torch.arange(views.shape[1])
        most = found.score.view(count, -1).argmin(0)
        where, distance = (
            part.view(count, len(rows), -1)[most, rows] for part in (found.where, found.distance)
        )
        return Found(where, distance, found.score.view(count, -1)[most, rows])

    def search(self, descriptions: Float[Tensor, "rows width"], k: int = 1) -> Found:
        """The `k` nearest pictures to each description; as many as there are, at most."""
        reach = min(max(k, NEIGHBOURS), len(self.ids))
        cosine, where = (descriptions @ self._unit.T).topk(reach, dim=1)
        distance = (2 - 2 * cosine).clamp(min=0).sqrt()
        return Found(where[:, :k], distance[:, :k], ratios(distance[:, :NEIGHBOURS]))

    def doubles(self, threshold: float) -> int:
        """How many of its own pictures have a score below the threshold, each searched among all the others."""
        reach, count = min(NEIGHBOURS, len(self.ids) - 1), 0
        for start in range(0, len(self.ids), AT_ONCE):
            cosine = self._unit[start : start + AT_ONCE] @ self._unit.T
            cosine[torch.arange(len(cosine)), torch.arange(start, start + len(cosine))] = -torch.inf
            distance = (2 - 2 * cosine.topk(reach, dim=1).values).clamp(min=0).sqrt()
            count += int((ratios(distance) < threshold).sum())
        return count

    def without(self, ids: Collection[str], root: str) -> Index:
        """The index of the same pictures but these, belonging to another manifest. Raises OrnsteinError."""
        kept = [place for place, one in enumerate(self.ids) if one not in set(ids)]
        if len(kept) < FEWEST:
            raise OrnsteinError("hardly a picture would be left in the index: delete the model instead")
        left = tuple(self.ids[place] for place in kept)
        return replace(self, ids=left, vectors=self.vectors[kept], root=root)

    def to_bytes(self) -> bytes:
        """The file."""
        from safetensors.torch import save

        tensors = {f"descriptor.{name}": value.contiguous() for name, value in self.weights.items()}
        tensors["vectors"], tensors["null"] = self.vectors.contiguous(), self.null.scores.float()
        tensors["ids"] = torch.from_numpy(np.frombuffer("\n".join(self.ids).encode(), np.uint8).copy())
        header = {
            "format": FORMAT, "config": self.config.model_dump(mode="json"), "scale": self.scale, "root": self.root,
            "facts": self.facts,
        }  # fmt: skip
        return save(tensors, {"sources": json.dumps(header, ensure_ascii=False)})

    @classmethod
    def of_bytes(cls, data: bytes) -> Index:
        """Read the file. Raises OrnsteinError: whatever is not as it is written."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            header, tensors = _header(data), load(data)
            config = parse(DescriptorConfig, header["config"])
            prefix = "descriptor."
            weights = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
            ids = tuple(tensors["ids"].numpy().tobytes().decode().split("\n"))
            vectors, null, scale = tensors["vectors"], tensors["null"], float(header["scale"])
            root, facts = str(header["root"]), dict(header["facts"])
        except (SafetensorError, KeyError, ValueError, TypeError, RecursionError, UsageError) as error:
            raise OrnsteinError(
                f"no readable index of sources ({' '.join(str(error).split())[:120]})"
            ) from error
        _refuse_unfit(config, weights, vectors, null, len(ids))
        return cls(config, weights, ids, vectors, scale, Null(null), root, facts)


def quantised(descriptions: Float[Tensor, "pictures width"]) -> tuple[Int8[Tensor, "pictures width"], float]:
    """Unit vectors as int8, and the unit; their cosines change by less than a hundredth."""
    scale = float(descriptions.abs().max()) / 127
    return (descriptions / scale).round().to(torch.int8), scale


def _kind(value: Tensor) -> torch.dtype:
    return torch.float32 if value.is_floating_point() else value.dtype


def _header(data: bytes) -> dict[str, Any]:
    """Our part of a safetensors header: eight bytes of length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    if length > len(data):
        raise ValueError("it is cut short")
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["sources"])
    if header["format"] != FORMAT:
        raise ValueError(f"it has format {header['format']}; this version reads {FORMAT}")
    return header


def _refuse_unfit(
    config: DescriptorConfig, weights: dict[str, Tensor], vectors: Tensor, null: Tensor, count: int
) -> None:
    """Raise OrnsteinError where parts do not belong together or hold what no index holds."""
    if vectors.dtype != torch.int8 or tuple(vectors.shape) != (count, config.width) or count < FEWEST:
        raise OrnsteinError("the index of sources is damaged: its ids and vectors do not belong together")
    if (
        null.dtype != torch.float32
        or null.ndim != 1
        or not bool((null.diff() >= 0).all())
        or null.isnan().any()
    ):
        raise OrnsteinError("the index of sources is damaged: its held-out scores are not in order")
    floating = [value for value in weights.values() if value.is_floating_point()]
    if not all(bool(torch.isfinite(value).all()) for value in floating):
        raise OrnsteinError("the index of sources is damaged: a weight of its descriptor is not finite")
    if (
        sum(16 * i * o + 36 * o * o for i, o in zip((3, *config.widths), config.widths, strict=False))
        > LARGEST_SHAPE
    ):
        raise OrnsteinError("the index of sources is damaged: its descriptor is larger than any")
