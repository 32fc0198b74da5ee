"""Masked diffusion of text beside next-token prediction: ``python -m benchmarks.text DIFFUSION AUTOREGRESSIVE PACK``.

Both are runs of the project's trainer (``benchmarks/text/train.py``): one recipe, data, tokens and number of weights.
Held-out figures are of whole windows of text that neither saw; every score of written text stands beside its entropy
and its copies.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from benchmarks.text.next_token import generate, nats_by_token
from safetensors.torch import load_file

from ornstein.bundle import Bundle
from ornstein.config import parse
from ornstein.data.copies import LONG, Copies
from ornstein.data.manifest import HELD_OUT, TRAIN
from ornstein.data.text import TextPack
from ornstein.evaluate.estimate import Estimate, of_mean
from ornstein.evaluate.texts.bound import bits_a_character, bound_nats, characters, held_windows
from ornstein.evaluate.texts.manner import manner
from ornstein.net.sequence import Order
from ornstein.recipes.text import TextRecipe
from ornstein.rng import stream
from ornstein.saving import with_metrics
from ornstein.texts import TextModel
from ornstein.train.checkpoint import checkpoints, of_prefix

TEXTS, LENGTH = 32, 127  # of each way of writing; tokens of one
WAYS = (  # block, steps of a block, sampler
    (1, 1, "unmask"), (2, 2, "first-hitting"), (2, 1, "unmask"), (4, 4, "first-hitting"), (4, 4, "unmask"),
    (4, 2, "unmask"), (4, 2, "confidence"), (4, 1, "unmask"), (8, 4, "unmask"), (8, 2, "confidence"),
    (16, 4, "confidence"), (4, 8, "remask"),
)  # fmt: skip


def of_run(run: Path) -> TextModel:
    """The averaged weights of a run's newest checkpoint."""
    folder = checkpoints(run)[-1]
    recipe = parse(TextRecipe, json.loads((folder / "checkpoint.json").read_text())["recipe"])
    model = TextModel.from_recipe(recipe)
    model.network.load_state_dict(of_prefix("ema0", load_file(folder / "state.safetensors")))
    model.network.eval()
    return model


def held_out(
    model: TextModel, rival: TextModel, passages: Sequence[str], draws: int, most: int
) -> dict[str, Estimate]:
    """Bits a character of held-out text: the rival's surprise, the model's bounds, and each over the rival's."""
    windows = held_windows(model.recipe.codec, passages, model.recipe.network.context)
    windows = windows[:: max(1, len(windows) // most)]
    counts = characters(model.recipe.codec, windows)
    exact = torch.cat([nats_by_token(rival.network, part).sum(1) for part in windows.split(16)]).numpy()
    found = {"next token, exact": bits_a_character(exact, counts)}
    print(f"{'next token, exact':28} {found['next token, exact']}", flush=True)
    for block in (1, 2, 4, 8):
        name = "token by token, exact" if block == 1 else f"blocks of {block}, bound"
        nats = bound_nats(model, windows, block, draws=1 if block == 1 else draws)
        found[name] = bits_a_character(nats, counts)
        found[f"{name}, over the rival's"] = over(nats, exact)
        print(f"{name:28} {found[name]}, over the rival's {over(nats, exact)}", flush=True)
    return found


def over(nats: np.ndarray, exact: np.ndarray, rounds: int = 1000) -> Estimate:
    """A ratio of sums over the same windows, with an interval that resamples windows."""
    drawn = np.random.default_rng(0).integers(0, len(nats), (rounds, len(nats)))
    low, high = np.quantile(nats[drawn].sum(1) / exact[drawn].sum(1), (0.025, 0.975))
    return Estimate(float(nats.sum() / exact.sum()), float(low), float(high), len(nats))


@torch.inference_mode()
def holes(model: TextModel, passages: Sequence[str], size: int = 8, later: int = 16) -> dict[str, Estimate]:
    """Nats a token of holes of `size` tokens, by whether the `later` tokens behind them are given."""
    windows = held_windows(model.recipe.codec, passages, 64)
    begin = 24
    found = {}
    for name, known in (("what follows is given", True), ("only what goes before", False)):
        ranks = torch.zeros(len(windows), begin + size + later, dtype=torch.long)
        ranks[:, begin : begin + size] = 1 + torch.arange(size)
        ranks[:, begin + size :] = 0 if known else size + 1
        x, nats = windows[:, : begin + size + later], []
        for k in range(size):
            z = torch.where(ranks > k, -1, x)
            logits = model.network(z, torch.zeros(len(x)), Order(ranks))[:, begin + k].double()
            nats.append(torch.nn.functional.cross_entropy(logits, x[:, begin + k], reduction="none"))
        found[name] = of_mean(torch.stack(nats).mean(0))
    return found


def written(
    model: TextModel, rival: TextModel, copies: Copies, real: Sequence[str]
) -> list[dict[str, object]]:
    """A row for each way of writing, for the rival, and for real text."""
    rows: list[dict[str, object]] = []

    def told(name: str, texts: Sequence[str], evaluations: float, seconds: float) -> None:
        score = surprise(rival, texts)
        facts = manner(texts, copies)
        rows.append(
            {"way": name, "evaluations a token": evaluations, "seconds a text": seconds,
             "rival's bits a character": asdict(score), **facts.as_dict()}
        )  # fmt: skip
        print(
            f"{name:34} {evaluations:5.2f} {seconds:6.2f} {score}  entropy {facts.entropy:.2f} distinct "
            f"{facts.distinct_2:.3f} {facts.distinct_3:.3f} copied {facts.copied:.3f} longest {facts.longest}",
            flush=True,
        )

    print(f"{'way':34} eval. second rival's bits a character")
    told("held-out text", real, 0.0, 0.0)
    uniforms = torch.from_numpy(np.stack([stream("noise", s).random(LENGTH + 1) for s in range(TEXTS)]))
    started = time.perf_counter()
    x = generate(rival.network, torch.zeros(1, 1, dtype=torch.long), LENGTH + 1, uniforms)
    texts = [model.recipe.codec.decode(row.tolist()) for row in x]
    told("next token", texts, 1.0, (time.perf_counter() - started) / TEXTS)
    for block, steps, sampler in WAYS:
        outputs = model.generate(
            f"[MASK*{LENGTH}]", TEXTS, block=block, steps=steps, sampler=sampler, temperature=1.0
        )  # the model's own law, whatever its recipe writes at
        spent = outputs[0].spent
        told(
            f"blocks of {block}, {steps} steps, {sampler}", [one.text for one in outputs],
            spent.evaluations / LENGTH, spent.computed,
        )  # fmt: skip
    return rows


def surprise(rival: TextModel, texts: Sequence[str]) -> Estimate:
    """Bits a character of texts under the rival, each cut to its context."""
    codec, size = rival.recipe.codec, rival.recipe.network.context
    nats, counts = [], []
    for text in texts:
        tokens = [0, *codec.encode(text)][:size]
        nats.append(float(nats_by_token(rival.network, torch.tensor([tokens])).sum()))
        counts.append(max(len(codec.decode(tokens)), 1))
    return bits_a_character(np.array(nats), np.array(counts))


def alarms(copies: Copies, pack: TextPack) -> dict[str, object]:
    """How often text that was never trained on counts as copied, and how often what was trained on is found."""
    held, train = pack.of(HELD_OUT), pack.of(TRAIN)
    groups = [" ".join(held[k : k + 4]) for k in range(0, len(held) - 3, 4)]
    quoted = [f"And so it is said: {' '.join(train[k : k + 2])} Thus it ends." for k in range(0, 20_000, 50)]
    flagged = np.array([bool(copies.spans(group)) for group in groups])
    long = [quote for quote in quoted if len(quote.split()) > LONG + 12]
    found = np.array([bool(copies.spans(quote)) for quote in long])
    return {
        "held-out text of four verses flagged": str(of_mean(flagged)),
        "training text of two verses found": str(of_mean(found)),
        "examples": [group[s.start : s.end] for group in groups for s in copies.spans(group)][:5],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("diffusion", type=Path)
    parser.add_argument("rival", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--windows", type=int, default=10**6, help="at most about so many held-out windows")
    parser.add_argument("--into", type=Path, help="a bundle that is to tell the figures")
    chosen = parser.parse_args()
    model, rival, pack = of_run(chosen.diffusion), of_run(chosen.rival), TextPack.open(chosen.pack)
    held = pack.of(HELD_OUT)
    figures = held_out(model, rival, held, chosen.draws, chosen.windows)
    filled = holes(model, held)
    for name, value in filled.items():
        print(f"nats a token of a hole, {name}: {value}")
    copies = Copies.of(pack.of(TRAIN))
    false = alarms(copies, pack)
    print(json.dumps(false, indent=1))
    real = [
        model.recipe.codec.decode(row.tolist())
        for row in held_windows(model.recipe.codec, held, LENGTH + 1)[:: max(1, 500 // TEXTS)][:TEXTS]
    ]
    rows = written(model, rival, copies, real)
    values = {
        "held-out bits a character": {name: asdict(value) for name, value in figures.items()},
        "nats a token of a hole of 8": {name: asdict(value) for name, value in filled.items()},
        "copies": false, "written": rows,
    }  # fmt: skip
    if chosen.into:
        bundle = Bundle.open(chosen.into)
        with_metrics(bundle, {"format": 1, "fingerprint": bundle.fingerprint, **values}, {})
    else:
        print(json.dumps(values, indent=1))


if __name__ == "__main__":
    main()
