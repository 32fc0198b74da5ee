"""How often is the watermark found, how often by mistake, and what does it cost in quality?

    python -m benchmarks.guard.watermark detection [--mark pattern] [--model emoji] [--count 500]
    python -m benchmarks.guard.watermark null [--mark pattern] [--model emoji] [--count 500]
    python -m benchmarks.guard.watermark quality [--mark pattern] [--model emoji] [--count 500]
    python -m benchmarks.guard.watermark posthoc

``detection``: share of marked pictures that are found, of pictures that somebody did something to, with Wilson's
intervals. ``null``: p-values of real pictures and of unmarked ones, before codes are paid for: chance would have a
share of p below p. ``quality``: FDr and alignment in the features of the model's own network (scorer or classifier)
with and without the mark, on the same prompts and seeds; for the pattern also peak signal-to-noise ratios of what can
be seen (mean, lowest to highest), the largest change (mean, highest), and milliseconds a picture. --mark: in the noise,
or the pattern in finished pixels. ``posthoc``: RivaGAN's mark on pictures of 256 pixels.
Pictures are made with the model's defaults, kept in --out, and not made again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from benchmarks.guard.attacks import ATTACKS, jpeg
from PIL import Image

from ornstein.data.atomic import new_file
from ornstein.errors import OrnsteinError, UsageError
from ornstein.evaluate.estimate import Estimate, of_mean, of_statistic
from ornstein.evaluate.evaluation import LEARNED, Evaluator, Plan
from ornstein.evaluate.frechet import FrechetDistance, moments, require_enough
from ornstein.evaluate.samples import Settings
from ornstein.guard.watermark.code import Shading
from ornstein.guard.watermark.detect import FALSE_POSITIVES, Reading, detect, noise_of, votes_of
from ornstein.guard.watermark.pattern import Pattern
from ornstein.guard.watermark.restore import NEAR, restore
from ornstein.model import Model
from ornstein.output import to_image

Result = dict[str, dict[str, str | float]]
AT_ONCE = 50  # pictures
CHUNK = 50  # pictures a file holds
HERE = ((0, 0),)
KEY, ANOTHER = (hashlib.sha256(name).digest() for name in (b"benchmark", b"another"))


def with_pattern(evaluator: Evaluator, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, float]:
    """Pictures without and with the pattern, and milliseconds a picture took to mark."""
    plan, marking = Plan(count, Settings.of(evaluator.model), seed=seed), Pattern(KEY)
    _, prompts, seeds = evaluator.asked(plan)
    plain = evaluator.draw(plan.settings, prompts, seeds)
    started = time.process_time()
    made = np.stack([marking.embed(picture) for picture in plain])
    return plain, made, 1000 * (time.process_time() - started) / count


def pattern_detection(evaluator: Evaluator, count: int, seed: int = 0) -> Result:
    """Share of pictures whose pattern is found, by what was done to them."""
    _, made, _ = with_pattern(evaluator, count, seed)
    marking = Pattern(KEY)
    codes = [marking.detect(picture).code for picture in made]
    images = [to_image(array) for array in made]
    found: Result = {}
    for name, attack in ATTACKS.items():
        read = [marking.detect(as_read(attack(image)), NEAR) for image in images]
        found[name] = shares(read, codes)
        tell(name, found[name])
    return found


def pattern_null(evaluator: Evaluator, count: int) -> Result:
    """How often chance alone shows a pattern of a key that made none of the pictures."""
    plain, made, _ = with_pattern(evaluator, count)
    rows, _, _ = evaluator.asked(Plan(count, Settings.of(evaluator.model)))
    sets = {
        "real": evaluator.real.pictures(evaluator.real.held, rows, evaluator.size),
        "not marked": plain,
        "marked with another key": made,
    }
    found: Result = {}
    for name, pictures in sets.items():
        read = [Pattern(ANOTHER).detect(picture, moves) for picture in pictures for moves in (HERE, NEAR)]
        p, near = np.array([r.p_value for r in read[::2]]), np.array([r.p_value for r in read[1::2]])
        found[name] = {
            "largest score": max(r.score for r in read),
            "p < 0.1": str(of_mean(p < 0.1)), "p < 0.01": str(of_mean(p < 0.01)),
            "p < 0.1, shifts": str(of_mean(near < 0.1)), "p < 0.01, shifts": str(of_mean(near < 0.01)),
            "hits": float(sum(r.hit for r in read)),
        }  # fmt: skip
        tell(name, found[name])
    return found


def pattern_quality(evaluator: Evaluator, count: int) -> Result:
    """What the pattern changes, in the eyes of the model's network and in decibels."""
    plain, made, spent = with_pattern(evaluator, count)
    found = compared(evaluator, count, made, plain)
    shown = plain[..., -1] > 0 if plain.shape[-1] == 4 else np.ones(plain.shape[:3], bool)
    error = ((made.astype(float) - plain)[..., :3] ** 2).mean(-1)
    ratios = np.array(
        [10 * math.log10(255**2 / max(e[s].mean(), 1e-3)) for e, s in zip(error, shown, strict=True)]
    )
    change = np.abs(made.astype(int) - plain).max((1, 2, 3))
    spread = f"{ratios.mean():.1f} ({ratios.min():.1f} to {ratios.max():.1f})"
    seen = {"decibels": spread, "levels": f"{change.mean():.1f} ({change.max()})", "ms": f"{spent:.1f}"}
    nothing = dict.fromkeys(seen, "-")
    return {name: values | (seen if name == "marked" else nothing) for name, values in found.items()}


def marked(model: Model, prompts: Sequence[str], seeds: Sequence[int], out: Path) -> np.ndarray:
    """Marked pictures of prompts, uint8 (N, H, W, C), premultiplied; from their files where they were made before."""
    parts = []
    for start in range(0, len(prompts), CHUNK):
        part = slice(start, start + CHUNK)
        assert model.bundle is not None
        asked = json.dumps([model.bundle.fingerprint, prompts[part], list(seeds[part])])
        file = out / f"marked-{hashlib.sha256(asked.encode()).hexdigest()[:24]}.npy"
        if not file.is_file():
            made = model.generate(list(prompts[part]), list(seeds[part]), imprint=Shading(KEY).imprint)
            file.parent.mkdir(parents=True, exist_ok=True)
            with new_file(file) as place, place.open("wb") as stream:
                np.save(stream, np.stack([output.array for output in made]))
            print(f"{start + len(made)} pictures", file=sys.stderr, flush=True)
        parts.append(np.load(file, allow_pickle=False))
    return np.concatenate(parts)


def as_read(image: Image.Image) -> np.ndarray:
    """As picture files are read: uint8 (H, W, 4), premultiplied."""
    return np.asarray(image.convert("RGBA").convert("RGBa"))


def readings(model: Model, images: Sequence[Image.Image], key: bytes) -> list[Reading]:
    """What is found in images of one size, restored as ``ornstein detect`` does."""
    size, channels = model.recipe.sampling.size, model.recipe.codec.channels
    restored = [restore(as_read(x), size, channels) for x in images]
    pictures, moves = np.stack([picture for picture, _ in restored]), restored[0][1]
    parts = (pictures[k : k + AT_ONCE] for k in range(0, len(pictures), AT_ONCE))
    return [reading for part in parts for reading in detect(model, part, [key], moves)]


def detection(model: Model, evaluator: Evaluator, count: int, out: Path) -> Result:
    """Share of marked pictures that are found with the right code, by what was done to them."""
    _, prompts, seeds = evaluator.asked(Plan(count, Settings.of(model)))
    images = [to_image(array) for array in marked(model, prompts, seeds, out)]
    codes = [Shading(KEY).code_of(seed) for seed in seeds]
    found: Result = {}
    for name, attack in ATTACKS.items():
        read = readings(model, [attack(image) for image in images], KEY)
        found[name] = shares(read, codes)
        tell(name, found[name])
    return found


def shares(read: Sequence[Reading], codes: Sequence[int]) -> dict[str, str | float]:
    """How often the code was found, and at least likeliest."""
    right = np.array([r.code == code for r, code in zip(read, codes, strict=True)])
    hits = np.array([r.hit for r in read])
    return {
        "found": str(of_mean(hits & right)), "wrong code": float((hits & ~right).sum()),
        "likeliest code is right": str(of_mean(right)), "score": float(np.mean([r.score for r in read])),
    }  # fmt: skip


def null(model: Model, evaluator: Evaluator, count: int, out: Path) -> Result:
    """How often chance alone shows a score, of all codes of a key that made none of the pictures."""
    plan = Plan(count, Settings.of(model))
    rows, prompts, seeds = evaluator.asked(plan)
    sets = {
        "real": evaluator.real.pictures(evaluator.real.held, rows, evaluator.size),
        "not marked": evaluator.draw(plan.settings, prompts, seeds),
        "marked with another key": marked(model, prompts, seeds, out),
    }
    found: Result = {}
    for name, pictures in sets.items():
        noise = noise_of(model, pictures)
        codes = Shading(ANOTHER).all_signs(noise.shape[1:]).astype(np.float32)
        scores = np.stack([votes_of(row) for row in noise]) @ codes.T
        shares = {
            f"p < {level:g}": f"{float((scores > quantile(level)).mean()):.3g}"
            for level in (1e-2, 1e-3, 1e-4, 1e-5)
        }
        read = detect(model, pictures, [ANOTHER])
        p = np.array([r.p_value for r in read])
        found[name] = {
            "scores": float(scores.size), "largest": float(scores.max()), **shares,
            "pictures p < 0.1": str(of_mean(p < 0.1)), "hits": float(sum(r.hit for r in read)),
        }  # fmt: skip
        tell(name, found[name])
    return found


def quantile(level: float) -> float:
    """The score that a standard normal number exceeds with probability `level`, by bisection."""
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erfc(middle / math.sqrt(2)) / 2 > level else (low, middle)
    return low


def quality(model: Model, evaluator: Evaluator, count: int, out: Path) -> Result:
    """FDr and alignment with and without the mark in the noise."""
    plan = Plan(count, Settings.of(model))
    _, prompts, seeds = evaluator.asked(plan)
    return compared(
        evaluator, count, marked(model, prompts, seeds, out), evaluator.draw(plan.settings, prompts, seeds)
    )


def compared(evaluator: Evaluator, count: int, with_mark: np.ndarray, without: np.ndarray) -> Result:
    """FDr and alignment with and without a mark; differences on the same prompts, with 95% intervals."""
    network = evaluator.own
    if network is None:
        raise UsageError("this model has neither scorer nor classifier to look with")
    require_enough(count, network.width)
    real = evaluator.real
    rows, prompts, _ = evaluator.asked(Plan(count, Settings.of(evaluator.model)))
    learned = evaluator.of_real(network, real.training, real.some_learned(max(LEARNED, count), 0))
    distance = FrechetDistance(moments(learned))
    unseen = distance(moments(evaluator.of_real(network, real.held, rows)))
    features = [evaluator.of_generated(network, pictures) for pictures in (with_mark, without)]

    def fdr(kind: int) -> Estimate:
        return of_statistic(lambda k, _: distance(moments(features[kind][k])) / unseen, count, count)

    worse = of_statistic(
        lambda k, _: (distance(moments(features[0][k])) - distance(moments(features[1][k]))) / unseen,
        count,
        count,
    )
    found: Result = {
        "marked": {"FDr": str(fdr(0)), "alignment": str(evaluator.aligned(with_mark, prompts))},
        "not marked": {"FDr": str(fdr(1)), "alignment": str(evaluator.aligned(without, prompts))},
        "marked minus not": {"FDr": str(worse), "alignment": str(of_mean(aligned(evaluator, with_mark, prompts)
                             - aligned(evaluator, without, prompts)))},
    }  # fmt: skip
    for name, values in found.items():
        tell(name, values)
    return found


def aligned(evaluator: Evaluator, pictures: np.ndarray, prompts: Sequence[str]) -> np.ndarray:
    """Of each picture: the scorer's cosine, or 1 where the classifier sees the right class."""
    if evaluator.scorer is not None:
        return (evaluator.scorer.see(pictures) * evaluator.scorer.read(prompts)).sum(1).double().numpy()
    assert evaluator.classifier is not None
    return np.asarray(evaluator.classifier.right(pictures, prompts)).astype(float)


def posthoc(evaluator: Evaluator, count: int) -> Result:
    """Share of pictures whose second mark is found: real ones of the pack, scaled up to 256 pixels, before white."""
    from ornstein.guard.watermark.posthoc import SMALLEST, Posthoc

    marking, pack = Posthoc(KEY), evaluator.real.held
    pictures = pack.pictures(evaluator.real.some_unseen(count, 0))
    large = [to_image(p, "#ffffff").convert("RGB").resize((SMALLEST, SMALLEST), 3) for p in pictures]
    images = [Image.fromarray(marking.embed(np.asarray(x), seed)) for seed, x in enumerate(large)]
    found: Result = {}
    for name, attack in (
        ("PNG", lambda x: x),
        ("JPEG 75", lambda x: jpeg(x, 75)),
        ("JPEG 50", lambda x: jpeg(x, 50)),
    ):
        read = [marking.detect(np.asarray(attack(image))) for image in images]
        right = np.array([r.hit and r.code == marking.word_of(seed) for seed, r in enumerate(read)])
        found[name] = {"found": str(of_mean(right)), "score": float(np.mean([r.score for r in read]))}
        tell(name, found[name])
    return found


def tell(name: str, values: dict[str, str | float]) -> None:
    """One line of progress."""
    print(f"{name}: {values}", file=sys.stderr, flush=True)


def table(found: Result) -> str:
    """In Markdown."""
    names = list(next(iter(found.values())))
    lines = [["", *names], ["---", *["--:"] * len(names)]]
    for name, values in found.items():
        cells = [value if isinstance(value, str) else f"{value:.4g}" for value in values.values()]
        lines.append([name, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> None:
    """Read the command line, measure, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["detection", "null", "quality", "posthoc"])
    parser.add_argument("--mark", choices=["noise", "pattern"], default="noise", help="which mark (noise)")
    parser.add_argument("--model", default="emoji", help="name or folder of a bundle")
    parser.add_argument("--count", type=int, default=500, help="pictures (500)")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the pictures, for the pattern's detection (0)"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/watermark"))
    arguments = parser.parse_args()
    try:
        model, out = Model.load(arguments.model), arguments.out / Path(arguments.model).name
        evaluator = Evaluator(model, out)
        if arguments.what == "posthoc":
            found = posthoc(evaluator, arguments.count)
        elif arguments.mark == "pattern":
            measure = {
                "detection": partial(pattern_detection, seed=arguments.seed),
                "null": pattern_null,
                "quality": pattern_quality,
            }
            found = measure[arguments.what](evaluator, arguments.count)
        else:
            measure = {"detection": detection, "null": null, "quality": quality}[arguments.what]
            found = measure(model, evaluator, arguments.count, out)
    except OrnsteinError as error:
        sys.exit(f"watermark: {error}")
    name = arguments.what if arguments.mark == "noise" else f"{arguments.mark}-{arguments.what}"
    what = f"{name}, {arguments.model}, {arguments.count} pictures, hits at {FALSE_POSITIVES:g}"
    text = f"{what}\n\n{table(found)}"
    with new_file(out / f"{name}.md") as part:
        part.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
