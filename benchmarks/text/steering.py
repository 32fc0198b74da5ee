"""Does a prompt steer what is written? ``python -m benchmarks.text.steering DIFFUSION AUTOREGRESSIVE PACK``.

A dictionary that neither run has seen, "headword: definition" a passage: of eight headwords, which one does a
definition belong to? The one under which it surprises least is the answer; one in eight is chance. Asked of real
definitions, by the model itself and by the rival, and, by the rival alone, of definitions that the model wrote. Where
a definition holds the first letters of its headword the question is easy, so the others are counted for themselves.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from benchmarks.text.__main__ import of_run
from benchmarks.text.next_token import nats_by_token

from ornstein.codec.tokens import START
from ornstein.data.manifest import HELD_OUT
from ornstein.data.text import TextPack
from ornstein.evaluate.estimate import Estimate, of_mean
from ornstein.net.sequence import Order
from ornstein.rng import stream
from ornstein.texts import TextModel
from ornstein.train.objective import fields_loss

CHOICES = 8
LEAST, MOST = 40, 96  # characters of a definition at least, tokens of a passage at most
STEM = 4  # letters that a definition shares with its headword where it gives it away

Nats = Callable[[torch.Tensor, list[int]], np.ndarray]
"""Maps rows of tokens, and how many of each are its prompt, to nats of each row's later tokens (rows, tokens)."""


@dataclass(frozen=True)
class Entry:
    """A headword and what is said of it."""

    word: str
    definition: str

    @property
    def told(self) -> bool:
        """Whether the definition gives its headword away."""
        return self.word[:STEM].lower() in self.definition.lower()


def entries(pack: TextPack, model: TextModel, count: int) -> list[Entry]:
    """Held-out entries of a fitting length, each headword once, in an order of chance."""
    found: dict[str, Entry] = {}
    for passage in pack.of(HELD_OUT):
        word, _, definition = passage.partition(": ")
        fits = len(definition) >= LEAST and len(model.recipe.codec.encode(f"{passage}\n")) < MOST
        if len(word) >= STEM and fits:
            found.setdefault(word, Entry(word, definition))
    known = list(found.values())
    return [known[k] for k in stream("steering", 0).permutation(len(known))[:count]]


@torch.inference_mode()
def by_model(model: TextModel) -> Nats:
    """Surprise token by token, which is exact: each is hidden, those before it are seen."""

    def nats(x: torch.Tensor, prompts: list[int]) -> np.ndarray:
        place = torch.arange(x.shape[1])[None]
        ranks = (place - torch.tensor(prompts)[:, None] + 1).clamp(min=0)
        t = (ranks > 0).float()
        with torch.inference_mode():
            _, errors = fields_loss(
                model.denoiser(),
                model.paths,
                x,
                t,
                torch.zeros(x.shape, dtype=torch.float64),
                Order(ranks, x),
            )
        assert isinstance(errors, torch.Tensor)
        return errors.double().numpy()

    return nats


def by_rival(rival: TextModel) -> Nats:
    """Surprise at the next token."""

    def nats(x: torch.Tensor, prompts: list[int]) -> np.ndarray:
        found = torch.nn.functional.pad(nats_by_token(rival.network, x), (1, 0)).numpy()
        return np.where(np.arange(x.shape[1])[None] >= np.array(prompts)[:, None], found, 0.0)

    return nats


def surprises(nats: Nats, model: TextModel, words: Sequence[str], definition: str) -> np.ndarray:
    """Nats of a definition under each headword."""
    encode = model.recipe.codec.encode
    prompts = [[START, *encode(f"{word}:")] for word in words]
    ends = encode(f" {definition}\n")
    longest = max(len(prompt) for prompt in prompts) + len(ends)
    rows = [[*prompt, *ends] for prompt in prompts]
    x = torch.tensor([row + [0] * (longest - len(row)) for row in rows])  # what comes later changes nothing
    found = nats(x, [len(prompt) for prompt in prompts])
    return np.array([found[k, : len(row)].sum() for k, row in enumerate(rows)])


def judged(nats: Nats, model: TextModel, found: Sequence[Entry]) -> dict[str, Estimate]:
    """Share of definitions that are given to their own headword, and bits a character that it saves."""
    right, saved = [], []
    for k, entry in enumerate(found):
        others = [found[(k + j) % len(found)].word for j in range(1, CHOICES)]
        under = surprises(nats, model, [entry.word, *others], entry.definition)
        right.append(float(under.argmin() == 0))
        saved.append((under[1:].mean() - under[0]) / np.log(2) / len(entry.definition))
    hard = [r for r, entry in zip(right, found, strict=True) if not entry.told]
    return {
        "own headword of eight": of_mean(np.array(right)),
        "of those that do not hold its first letters": of_mean(np.array(hard)),
        "bits a character that the headword saves": of_mean(np.array(saved)),
    }


def written(model: TextModel, words: Sequence[str], temperature: float) -> list[Entry]:
    """A definition for each headword, by the model."""
    found = []
    for k, word in enumerate(words):
        (output,) = model.generate(f"{word}:", seed=k, length=MOST, temperature=temperature)
        head, _, said = output.text.partition(":")
        assert head.strip() == word.strip(), output.text
        found.append(Entry(word, said.split("\n")[0].strip() or "-"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("diffusion", type=Path)
    parser.add_argument("rival", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--entries", type=int, default=400)
    parser.add_argument("--written", type=int, default=200)
    chosen = parser.parse_args()
    model, rival, pack = of_run(chosen.diffusion), of_run(chosen.rival), TextPack.open(chosen.pack)
    real = entries(pack, model, chosen.entries)
    tried = {
        "real definitions, by the model": (by_model(model), real),
        "real definitions, by the rival": (by_rival(rival), real),
    }
    words = [entry.word for entry in real[: chosen.written]]
    for temperature in (1.0, 0.7):
        made = written(model, words, temperature)
        tried[f"written at temperature {temperature}, by the rival"] = by_rival(rival), made
        for entry in made[:12]:
            print(f"  {temperature} {entry.word}: {entry.definition}")
    values = {}
    for name, (nats, found) in tried.items():
        values[name] = {key: asdict(value) for key, value in judged(nats, model, found).items()}
        print(
            name,
            {key: f"{v['value']:.3f} ({v['low']:.3f} to {v['high']:.3f})" for key, v in values[name].items()},
        )
    print(json.dumps(values, indent=1))


if __name__ == "__main__":
    main()
