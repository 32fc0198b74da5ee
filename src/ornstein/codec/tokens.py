"""Text as numbers: byte-level BPE, whose merges are all there is to store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ornstein.config import Config

if TYPE_CHECKING:
    from tokenizers import Tokenizer

START = 0
"""The token that a text begins with. It is always given, never generated."""
_START_NAME = "<start>"


class TokenCodec(Config):
    """Byte-pair encoding of UTF-8 (Sennrich et al. 2016, arXiv 1508.07909), so any text passes.

    Attributes:
        size: number of tokens that training looks for: 256 bytes, the start, and merges.
        merges: of pairs of tokens, the most frequent first; empty until the data has decided.
    """

    kind: Literal["tokens"] = "tokens"
    size: int = Field(default=2048, ge=257, le=65_536)
    merges: tuple[str, ...] = ()

    @property
    def categories(self) -> int:
        """Tokens there are."""
        return 257 + len(self.merges)

    def fitted(self, texts: Iterable[str]) -> TokenCodec:
        """The same with the merges that shorten `texts` most."""
        import json

        from tokenizers import Tokenizer, models, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=self.size, special_tokens=[_START_NAME], show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )  # fmt: skip
        tokenizer.train_from_iterator(texts, trainer)
        merges = json.loads(tokenizer.to_str())["model"]["merges"]
        return self.model_copy(update={"merges": tuple(" ".join(pair) for pair in merges)})

    def encode(self, text: str) -> list[int]:
        """Token numbers of a text, without the start."""
        return _tokenizer(self.merges).encode(text, add_special_tokens=False).ids

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """As ``encode``, of many at once."""
        found = _tokenizer(self.merges).encode_batch(list(texts), add_special_tokens=False)
        return [each.ids for each in found]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of token numbers; bytes that are no UTF-8 become the replacement character, the start nothing."""
        return _tokenizer(self.merges).decode([token for token in tokens if token != START])


@cache
def _tokenizer(merges: tuple[str, ...]) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    pairs = [(first, second) for first, _, second in (merge.partition(" ") for merge in merges)]
    names = [_START_NAME, *sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in pairs)]
    tokenizer = Tokenizer(models.BPE({name: number for number, name in enumerate(names)}, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
