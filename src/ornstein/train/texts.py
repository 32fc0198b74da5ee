"""Learning text: windows of a pack, hidden block by block, all blocks of a window in one pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from ornstein.bundle import Bundle
from ornstein.codec.tokens import START, TokenCodec
from ornstein.data.manifest import TRAIN, Row, refuse
from ornstein.data.text import TextPack
from ornstein.errors import OrnsteinError, UsageError
from ornstein.loading import load
from ornstein.net.sequence import Order
from ornstein.recipes.recipe import Stage
from ornstein.recipes.text import TextRecipe
from ornstein.rng import stream
from ornstein.texts import TextModel
from ornstein.train.objective import fields_loss
from ornstein.train.task import Losses

LONGEST_SPAN = 24  # tokens of later text that are given together
MOST_SPANS = 3


@dataclass(frozen=True)
class TextBatch:
    """What one step trains on: tokens, the time and the uniform of each, and in which order they come; rows first."""

    x: Tensor
    t: Tensor
    noise: Tensor
    ranks: Tensor

    def select(self, rows: Tensor) -> TextBatch:
        """Pick rows."""
        return TextBatch(self.x[rows], self.t[rows], self.noise[rows], self.ranks[rows])


class Windows:
    """Windows of a text: the start, then tokens from the beginning of a passage on, through those that follow it.

    Args:
        codec: makes tokens of text.
        passages: in their order.
    """

    def __init__(self, codec: TokenCodec, passages: list[str]) -> None:
        encoded = codec.encode_all([f"{passage}\n" for passage in passages])
        self.tokens = np.concatenate([np.asarray(each, dtype=np.int64) for each in encoded])
        self.starts = np.cumsum([0, *(len(each) for each in encoded[:-1])])

    def draw(self, random: np.random.Generator, count: int, size: int) -> Int64[np.ndarray, "{count} {size}"]:
        """Windows of `size` tokens that begin at random passages."""
        fitting = self.starts[self.starts <= len(self.tokens) - (size - 1)]
        if not len(fitting):
            raise UsageError(f"the text has {len(self.tokens):,} tokens, fewer than one window of {size}")
        return self.at(random.choice(fitting, count), size)

    def at(self, places: Int64[np.ndarray, " count"], size: int) -> Int64[np.ndarray, "count {size}"]:
        """Windows of `size` tokens, of which the first is the start, from these places on."""
        found = self.tokens[places[:, None] + np.arange(size - 1)]
        return np.concatenate([np.full((len(places), 1), START), found], axis=1)


class TextTask:
    """A ``Task``: text of a pack.

    Args:
        recipe: resolved (see ``resolve``).
        pack: the data.
        device: where to train.
    """

    def __init__(self, recipe: TextRecipe, pack: TextPack, device: torch.device | str = "cpu") -> None:
        self.recipe, self.pack = recipe, pack
        self.model = TextModel.from_recipe(recipe)
        self.model.device = torch.device(device)
        self.model.network.to(device)
        self.start: Bundle | None = None
        if recipe.training.start is not None:
            start = starting_text(recipe.training.start)
            self.model.network.load_state_dict(start.network.state_dict())
            self.start = start.bundle
        self.windows = Windows(recipe.codec, pack.of(TRAIN))

    def batch(self, stage: Stage, step: int, count: int) -> TextBatch:
        """As of ``Task``."""
        random = stream("train", self.recipe.training.seed, 0, step)
        x = self.windows.draw(random, count, stage.size)
        block = self._block(step * stage.batch / self.recipe.training.samples, step)
        ranks = orders(random, count, stage.size, block, self.recipe.objective.infill)
        t, noise = hidden(random, ranks)
        device = self.model.device
        parts = (x, t.astype(np.float32), noise, ranks)
        return TextBatch(*(torch.from_numpy(part).to(device) for part in parts))

    def _block(self, done: float, step: int) -> int:
        """Tokens of the blocks of a step, after the share `done` of the run: growing, then the recipe's or fewer."""
        block, objective = self.recipe.process.block, self.recipe.objective
        doublings = math.log2(block)
        if done < objective.growth:
            return 2 ** int(done / objective.growth * doublings)
        random = stream("block", self.recipe.training.seed, step)
        if block > 1 and random.random() < objective.smaller:
            return 2 ** int(random.integers(math.ceil(doublings)))
        return block

    def losses(self, network: Callable[..., Tensor], batch: TextBatch) -> Losses:
        """As of ``Task``: cross-entropy, weighted to be the bound in nats a token."""
        denoiser = self.model.denoiser(network)
        weighted, nats = fields_loss(
            denoiser, self.recipe.process.path, batch.x, batch.t, batch.noise, Order(batch.ranks, batch.x)
        )
        assert isinstance(nats, Tensor)
        unseen = nats.detach() > 0
        plain = nats.detach().sum(1) / unseen.sum(1).clamp(min=1)
        return Losses(weighted, plain, batch.t.mean(1))

    def flops(self, stage: Stage) -> float:
        """As of ``Task``: 6 x parameters x tokens, of which each passes twice, once hidden and once clean."""
        return 12.0 * stage.size * sum(p.numel() for p in self.model.network.parameters())

    def with_weights(self, weights: Mapping[str, Tensor]) -> TextModel:
        """As of ``Task``."""
        model = TextModel.from_recipe(self.recipe)
        model.network.load_state_dict(weights)
        return model

    def rows(self) -> Iterable[Row]:
        """As of ``Task``: the pack's."""
        return self.pack.rows

    def sample(self, model: TextModel, stage: Stage) -> str | None:
        """As of ``Task``: a text of each of the recipe's prompts."""
        prompts = self.recipe.training.prompts
        return "\n\n".join(model.generate(prompt, seed=0)[0].text for prompt in prompts) or None


def orders(
    random: np.random.Generator, count: int, size: int, block: int, infill: float
) -> Int64[np.ndarray, "{count} {size}"]:
    """Ranks of the tokens of windows: 0 for what is given, then blocks from left to right.

    The start is always given. In a share `infill` of the rows up to three short spans are given too, wherever they
    stand, so that what is before them learns to lead up to them. Blocks begin at a random phase.
    """
    place = np.arange(size)
    ranks = 1 + (place + random.integers(block, size=(count, 1))) // block
    begin = random.integers(1, size, size=(count, MOST_SPANS, 1))
    length = random.integers(1, LONGEST_SPAN + 1, size=(count, MOST_SPANS, 1))
    spans = (begin <= place) & (place < begin + length)
    used = random.integers(1, MOST_SPANS + 1, size=(count, 1, 1)) > np.arange(MOST_SPANS)[:, None]
    given = (spans & used).any(1) & (random.random((count, 1)) < infill)
    given[:, 0] = True
    return np.where(given, 0, ranks)


def hidden(
    random: np.random.Generator, ranks: Int64[np.ndarray, "rows tokens"]
) -> tuple[Float64[np.ndarray, "rows tokens"], Float64[np.ndarray, "rows tokens"]]:
    r"""Times and uniforms under which 1 to n of the n tokens of a block are hidden, each number equally often.

    A block of n tokens is hidden in k of them at time k/n, so that the linear path's weight 1/t is n/k, and the
    weighted cross-entropy is the mean over all orders in which the block can come to be seen (Ou et al. 2024, arXiv
    2406.03736, eq. 3.7): the same bound as with times drawn from [0, 1], of less variance. Numbers are spread evenly
    over the blocks of a batch.
    """
    count, size = ranks.shape
    group = (ranks + np.arange(count)[:, None] * (ranks.max() + 1)).ravel()
    _, number, sizes = np.unique(group, return_inverse=True, return_counts=True)
    shares = (random.permutation(len(sizes)) + random.random(len(sizes))) / len(sizes)
    chosen = 1 + np.floor(shares * sizes)
    order = np.lexsort((random.random(count * size), number))
    within = np.empty(count * size)
    within[order] = np.arange(count * size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    t = np.where(ranks > 0, (chosen / sizes)[number].reshape(ranks.shape), 0.0)
    return t, 1 - ((within + 0.5) / sizes[number]).reshape(ranks.shape)


def starting_text(name: str) -> TextModel:
    """The model that a run starts from. Raises UsageError: it writes no text. OrnsteinError: it is damaged."""
    found = load(name)
    if not isinstance(found, TextModel):
        raise UsageError(f"training.start={name} writes no text")
    return found


def resolve(recipe: TextRecipe, pack: TextPack) -> TextRecipe:
    """Fill in what the data decides: the merges of the tokens.

    Raises:
        OrnsteinError: a licence the recipe does not allow, or nothing to train on.
    """
    refuse(pack.rows, set(recipe.data.licences))
    texts = pack.of(TRAIN)
    if not texts:
        raise OrnsteinError(f"{pack.name} has no training passages")
    if recipe.training.start is not None:
        return recipe.model_copy(update={"codec": starting_text(recipe.training.start).recipe.codec})
    if recipe.codec.merges:
        return recipe
    return recipe.model_copy(update={"codec": recipe.codec.fitted(f"{text}\n" for text in texts)})
