"""The index: a description and a small picture of all that was trained on, and the networks that compare, in one file.

Brute force: a matrix product over 20,000 pictures takes a millisecond, and it is exact. ``sources.safetensors`` holds

- ``descriptor.*``: weights, bfloat16
- ``vectors``: unit vectors (N, D), int8, in units of ``scale``
- ``thumbnails.*``: a small picture of each (``thumbnails.py``)
- ``verifier.*``: weights that compare a picture with these, float32
- ``ids``: of the N pictures, UTF-8, one a line, in the manifest's order
- ``null``: scores of held-out pictures, ascending, float32
"""

from __future__ import annotations

import json
import zlib
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
from ornstein.evaluate.copying import NEIGHBOURS
from ornstein.guard.trace.calibrate import Null
from ornstein.guard.trace.descriptor import (
    TURNED,
    Descriptor,
    DescriptorConfig,
    ready,
    to_input,
    views,
)
from ornstein.guard.trace.likeness import SIDE
from ornstein.guard.trace.thumbnails import Thumbnails
from ornstein.guard.trace.verifier import (
    Candidates,
    VerifierConfig,
    VerifierNetwork,
    candidates,
    loaded,
    weighed,
)
from ornstein.net.packed import PackedLinear

FORMAT = 2
AT_ONCE = 64  # pictures looked up at a time
LARGEST_IDS = 1 << 28  # bytes of them; what was packed to burst must not take memory
LARGEST_SHAPE = 1 << 24  # weights; a forged shape must not take memory
FEWEST = 3  # pictures: one has a nearest, which needs others to be near beside


@dataclass(frozen=True)
class Found:
    """What each of some pictures is most like.

    Attributes:
        where: (B, k) places in the index: those the verifier compared, likeliest first, then the next by distance.
        distance: (B, k) Euclidean, of descriptions, 0 to 2. score: (B,) log-odds that it is no copy of the first.
    """

    where: Int[Tensor, "rows k"]
    distance: Float[Tensor, "rows k"]
    score: Float[Tensor, " rows"]


@dataclass(frozen=True)
class Index:
    """Descriptor, descriptions, small pictures, verifier and threshold.

    Attributes:
        config: of the descriptor. weights: of it, in bfloat16.
        ids: of the pictures. vectors: their descriptions in units of `scale`. thumbnails: of them, in the same order.
        verifier: compares a picture with thumbnails. null: scores of held-out pictures.
        root: hash of the manifest whose training rows these are. facts: how it was made, and how well it works.
    """

    config: DescriptorConfig
    weights: dict[str, Tensor]
    ids: tuple[str, ...]
    vectors: Int8[Tensor, "pictures width"]
    scale: float
    thumbnails: Thumbnails
    verifier: VerifierNetwork
    null: Null
    root: str
    facts: dict[str, Any]

    @cached_property
    def descriptor(self) -> Descriptor:
        """The network, ready. Raises OrnsteinError where the weights are those of another."""
        return ready(self.config, self.weights)

    @cached_property
    def _unit(self) -> PackedLinear:
        """The cosines of unit vectors with every picture's, as a layer: a plain product takes six times as long."""
        return PackedLinear(F.normalize(self.vectors.float(), dim=1), None, torch.float32)

    def look(self, pictures: np.ndarray, k: int = 1) -> Found:
        """The `k` pictures that each of uint8 (B, H, W, C) ones is most like; as many as there are, at most."""
        parts = [
            self._judged(self.find(to_input(pictures[start : start + AT_ONCE], self.config.size), k), k)
            for start in range(0, len(pictures), AT_ONCE)
        ]
        if not parts:
            return Found(torch.empty(0, k, dtype=torch.long), torch.empty(0, k), torch.empty(0))
        return Found(
            *(torch.cat([getattr(part, one) for part in parts]) for one in ("where", "distance", "score"))
        )

    @torch.inference_mode()
    def find(
        self, seen: Float[Tensor, "rows 3 size size"], k: int = 1, own: Int[Tensor, " rows"] | None = None
    ) -> Candidates:
        """What the descriptor takes pictures for, as ``to_input`` shows them; never for the one at its `own` place."""
        looks = views(seen)
        described = self.descriptor.described(looks.flatten(0, 1)).unflatten(0, (len(looks), -1))
        return candidates(looks, described, self._unit, max(k, NEIGHBOURS), own)

    @torch.inference_mode()
    def compared(self, found: Candidates) -> Float[Tensor, "rows candidates numbers"]:
        """The numbers by which the verifier judges each candidate."""
        count = found.view.shape[1]
        known = self.thumbnails[found.where[:, :count].flatten()].pictures(self.config.size)
        return weighed(found, known.unflatten(0, (-1, count)), torch.tensor(TURNED))

    @torch.inference_mode()
    def _judged(self, found: Candidates, k: int) -> Found:
        odds = self.verifier(self.compared(found))
        order = odds.argsort(dim=1, descending=True)
        where, distance = (
            torch.cat([part.gather(1, order), part[:, order.shape[1] :]], dim=1)[:, :k]
            for part in (found.where, found.distance)
        )
        return Found(where, distance, -odds.amax(1))

    def doubles(self, pictures: np.ndarray, places: np.ndarray, threshold: float) -> int:
        """How many of its own pictures at these places have a score below the threshold among all the others."""
        count = 0
        for start in range(0, len(places), AT_ONCE):
            own = places[start : start + AT_ONCE]
            found = self.find(to_input(pictures[own], self.config.size), own=torch.from_numpy(own))
            count += int((self._judged(found, 1).score < threshold).sum())
        return count

    def without(self, ids: Collection[str], root: str) -> Index:
        """The index of the same pictures but these, belonging to another manifest. Raises OrnsteinError."""
        kept = [place for place, one in enumerate(self.ids) if one not in set(ids)]
        if len(kept) < FEWEST:
            raise OrnsteinError("hardly a picture would be left in the index: delete the model instead")
        left = tuple(self.ids[place] for place in kept)
        return replace(
            self, ids=left, vectors=self.vectors[kept], thumbnails=self.thumbnails[kept], root=root
        )

    def to_bytes(self) -> bytes:
        """The file."""
        from safetensors.torch import save

        tensors = {f"descriptor.{name}": value.contiguous() for name, value in self.weights.items()}
        tensors |= {
            f"verifier.{name}": value.contiguous() for name, value in self.verifier.state_dict().items()
        }
        tensors |= {
            "thumbnails.palettes": self.thumbnails.palettes,
            "thumbnails.planes": self.thumbnails.planes,
        }
        tensors["vectors"], tensors["null"] = self.vectors.contiguous(), self.null.scores.float()
        tensors["ids"] = torch.from_numpy(
            np.frombuffer(zlib.compress("\n".join(self.ids).encode()), np.uint8).copy()
        )
        header = {
            "format": FORMAT, "config": self.config.model_dump(mode="json"), "scale": self.scale, "root": self.root,
            "facts": self.facts, "side": self.thumbnails.side, "verifier": self.verifier.config.model_dump(mode="json"),
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
            weights, verifier = _part(tensors, "descriptor."), parse(VerifierConfig, header["verifier"])
            ids = _unpacked(tensors["ids"].numpy().tobytes())
            vectors, null, scale = tensors["vectors"], tensors["null"], float(header["scale"])
            thumbnails = Thumbnails(
                int(header["side"]), tensors["thumbnails.palettes"], tensors["thumbnails.planes"]
            )
            root, facts = str(header["root"]), dict(header["facts"])
        except (
            SafetensorError, KeyError, ValueError, TypeError, RecursionError, UsageError, zlib.error, OverflowError
        ) as error:  # fmt: skip
            raise OrnsteinError(
                f"no readable index of sources ({' '.join(str(error).split())[:120]})"
            ) from error
        _refuse_unfit(config, weights, vectors, null, len(ids))
        thumbnails.refuse_unfit(len(ids))
        network = loaded(verifier, _part(tensors, "verifier."))
        return cls(config, weights, ids, vectors, scale, thumbnails, network, Null(null), root, facts)


def quantised(descriptions: Float[Tensor, "pictures width"]) -> tuple[Int8[Tensor, "pictures width"], float]:
    """Unit vectors as int8, and the unit; their cosines change by less than a hundredth."""
    scale = float(descriptions.abs().max()) / 127
    return (descriptions / scale).round().to(torch.int8), scale


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _unpacked(data: bytes) -> tuple[str, ...]:
    """The ids. Raises ValueError: there are more than any index has."""
    reader = zlib.decompressobj()
    text = reader.decompress(data, LARGEST_IDS)
    if not reader.eof:
        raise ValueError("its ids are cut short, or too many")
    return tuple(text.decode().split("\n"))


def _header(data: bytes) -> dict[str, Any]:
    """Our part of a safetensors header: eight bytes of length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    if length > len(data):
        raise ValueError("it is cut short")
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["sources"])
    if header["format"] != FORMAT:
        raise ValueError(
            f"its format is {header['format']}, this version reads {FORMAT}: build it again with `ornstein data index`"
        )
    return header


def _refuse_unfit(
    config: DescriptorConfig, weights: dict[str, Tensor], vectors: Tensor, null: Tensor, count: int
) -> None:
    """Raise OrnsteinError where parts do not belong together or hold what no index holds."""
    if vectors.dtype != torch.int8 or tuple(vectors.shape) != (count, config.width) or count < FEWEST:
        raise OrnsteinError("the index of sources is damaged: its ids and vectors do not belong together")
    if config.size != SIDE:
        raise OrnsteinError(f"the index of sources is damaged: its pictures are not of {SIDE} pixels")
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
