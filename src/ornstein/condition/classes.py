"""Class names as conditions: one token a class."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ornstein.condition.parts import Phrase
from ornstein.condition.tokens import Tokens
from ornstein.errors import UsageError, nearest


class ClassEncoder:
    """Turns class names into one-hot tokens; the embedder's projection is then their learned table.

    Args:
        names: the classes, in the order of the training set.
    """

    length = 1

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.width = len(self.names)
        self._index = {name.casefold(): k for k, name in enumerate(self.names)}

    def encode(self, prompts: Sequence[str | Phrase]) -> Tokens:
        """Return (B, 1, classes) one-hot states; an empty prompt is the null condition.

        Raises:
            UsageError: for a name that is no class; names the nearest one. For weighed words.
        """
        states, mask = (
            torch.zeros(len(prompts), 1, self.width, dtype=torch.float32),
            torch.zeros(len(prompts), 1, dtype=torch.bool),
        )
        for row, prompt in enumerate(prompts):
            if not prompt:
                continue
            if isinstance(prompt, Phrase):
                raise UsageError(
                    f"a class has no words to weigh: weigh the whole part, as in {self.names[0]}:1.3"
                )
            index = self._index.get(prompt.strip().casefold())
            if index is None:
                raise UsageError(
                    f"this model knows classes, and {prompt!r} is none{nearest(prompt, self.names)}"
                )
            states[row, 0, index], mask[row, 0] = 1.0, True
        return Tokens(states, mask)
