"""The verifier: is a picture an altered copy of one of the candidates that the descriptor names?

It lays the picture over a small picture of each candidate and weighs what is left (``likeness.py``), together with how
near the descriptor finds them and how near the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn

from ornstein.config import Config
from ornstein.errors import OrnsteinError
from ornstein.evaluate.copying import NEIGHBOURS
from ornstein.guard.trace.likeness import SIDE, compared

MOST = 6.0  # deviations from the mean that a number may have; beyond, nothing was learned
WIDEST = 4096  # layer; a forged shape must not take memory
CANDIDATES = 12  # pictures that are laid beside each
TOGETHER = (
    16  # pictures whose views are compared with all that is known in one product, which reads the index once
)


class VerifierConfig(Config):
    """Shape of a verifier.

    Attributes:
        numbers: that it weighs for a pair. widths: of its two layers.
    """

    numbers: int = Field(ge=1, le=1024)
    widths: tuple[int, int] = (96, 48)


class VerifierNetwork(nn.Module):
    """Numbers of pairs (B, K, numbers) to log-odds (B, K) that the first picture is a copy of the second."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: VerifierConfig) -> None:
        super().__init__()
        self.config = config
        first, second = config.widths
        self.register_buffer("mean", torch.zeros(config.numbers))
        self.register_buffer("deviation", torch.ones(config.numbers))
        self.layers = nn.Sequential(
            nn.Linear(config.numbers, first),
            nn.ReLU(),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Linear(second, 1),
        )

    def forward(self, numbers: Float[Tensor, "rows candidates numbers"]) -> Float[Tensor, "rows candidates"]:
        even = ((numbers - self.mean) / self.deviation).clamp(-MOST, MOST)
        return self.layers(even).squeeze(-1)


@dataclass(frozen=True)
class Candidates:
    """What the descriptor finds for each of some pictures, nearest first.

    Attributes:
        where: (B, R) places in the index. cosine: (B, R) of their descriptions, by the view that is nearest.
        view: (B, K) that view of the first K. seen: (B, K, 3, S, S) the picture in that view, in [-1, 1].
    """

    where: Int[Tensor, "rows reach"]
    cosine: Float[Tensor, "rows reach"]
    view: Int[Tensor, "rows candidates"]
    seen: Float[Tensor, "rows candidates 3 side side"]

    @property
    def distance(self) -> Float[Tensor, "rows reach"]:
        """Euclidean, of unit vectors."""
        return (2 - 2 * self.cosine).clamp(min=1e-4).sqrt()


def candidates(
    seen: Float[Tensor, "views rows 3 side side"],
    described: Float[Tensor, "views rows width"],
    known: nn.Module,
    reach: int,
    own: Int[Tensor, " rows"] | None = None,
) -> Candidates:
    """The nearest of the pictures whose unit vectors are the weights of `known`, by the nearest view of each picture;
    never the one at its `own` place.
    """
    parts = [
        _nearest(described[:, start : start + TOGETHER], known, reach, None if own is None else own[start:])
        for start in range(0, described.shape[1], TOGETHER)
    ]
    where, cosine, view = (torch.cat(column) for column in zip(*parts, strict=True))
    return Candidates(where, cosine, view, seen[view, torch.arange(len(view))[:, None]])


def _nearest(
    described: Float[Tensor, "views rows width"],
    known: nn.Module,
    reach: int,
    own: Int[Tensor, " others"] | None,
) -> tuple[Int[Tensor, "rows reach"], Float[Tensor, "rows reach"], Int[Tensor, "rows candidates"]]:
    """Where the nearest are, their cosines, and the view that is nearest to each of the first."""
    cosines = known(described.flatten(0, 1)).unflatten(0, described.shape[:2])
    best = cosines.amax(0)
    rows = torch.arange(len(best))[:, None]
    if own is not None:
        best[rows, own[: len(best), None]] = -torch.inf
    top = best.topk(min(reach, best.shape[1] - (own is not None)), dim=1)
    return top.indices, top.values, cosines[:, rows, top.indices[:, :CANDIDATES]].argmax(0)


def weighed(
    found: Candidates, pictures: Float[Tensor, "rows candidates 3 side side"], turned: Bool[Tensor, " views"]
) -> Float[Tensor, "rows candidates numbers"]:
    """The numbers of each picture and its first candidates.

    Args:
        found: for the pictures.
        pictures: the candidates' own, in [-1, 1].
        turned: which views are.
    """
    shape = pictures.shape[:2]
    pairs = compared(found.seen.flatten(0, 1), pictures.flatten(0, 1)).unflatten(0, shape)
    return torch.cat([pairs, _around(found), turned[found.view][..., None].float()], dim=2)


def _around(found: Candidates) -> Float[Tensor, "rows candidates 7"]:
    """How near the candidates are among each other and against those behind them."""
    count, distance = found.view.shape[1], found.distance[:, :NEIGHBOURS]
    near, behind = distance[:, :count], distance[:, count:]
    far = behind.mean(1, keepdim=True) if behind.shape[1] else near.mean(1, keepdim=True)
    others = (near.sum(1, keepdim=True) - near) / (count - 1)
    place = torch.arange(count).float().expand_as(near) / CANDIDATES
    return torch.stack(
        [
            near, near / far, near / others, far.expand_as(near), near - near[:, :1],
            (near / near[:, :1]).clamp(max=4), place,
        ], 2,
    )  # fmt: skip


def numbers_of_a_pair() -> int:
    """How many numbers there are for one pair."""
    nothing = torch.zeros(1, 2, 3, SIDE, SIDE)
    where = torch.zeros(1, 2, dtype=torch.long)
    found = Candidates(where, torch.zeros(1, 2), where, nothing)
    return weighed(found, nothing, torch.zeros(1, dtype=torch.bool)).shape[2]


def loaded(config: VerifierConfig, weights: dict[str, Tensor]) -> VerifierNetwork:
    """The network of weights that were read. Raises OrnsteinError where they are not those of this version's."""
    if config.numbers != numbers_of_a_pair() or max(config.widths) > WIDEST:
        raise OrnsteinError("the index of sources is damaged: its verifier weighs other numbers")
    network = VerifierNetwork(config)
    try:
        network.load_state_dict({name: value.float() for name, value in weights.items()})
    except RuntimeError as error:
        raise OrnsteinError("the verifier's weights are not those of its network") from error
    if not all(bool(torch.isfinite(value).all()) for value in network.state_dict().values()):
        raise OrnsteinError("the index of sources is damaged: a weight of its verifier is not finite")
    return network.eval()
