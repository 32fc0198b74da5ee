"""What is seen: the animation of the way, and charts of its numbers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ornstein.evaluate.report import INK, PALE, pyplot, svg
from ornstein.explain.measure import Errors, Way
from ornstein.model import Model
from ornstein.output import to_image

SIDE, GAP, FOOT = 256, 16, 40  # most pixels of one picture of a frame, those between both, and below them
MILLISECONDS, PAUSE = 350, 2500  # a frame is shown; the last one
LEAST, MOST = -10.0, 10.0  # logsnr that charts show
WIDE = (7.0, 3.0)


def animation(way: Way) -> bytes:
    """An endless WebP: x_t on the left, the guess on the right, and below them where the step stands."""
    frames = [
        _frame(noisy, guess, line)
        for noisy, guess, line in zip(way.noisy, way.guesses, captions(way), strict=True)
    ]
    file = io.BytesIO()
    durations = [MILLISECONDS] * (len(frames) - 1) + [PAUSE]
    frames[0].save(
        file, "WEBP", save_all=True, append_images=frames[1:], duration=durations, loop=0, lossless=True,
        quality=80, method=4,
    )  # fmt: skip
    return file.getvalue()


def captions(way: Way) -> list[str]:
    """One line for each step, and one for the end."""
    count = len(way.steps)
    lines = [f"step {k + 1} of {count}, logsnr {signed(step.logsnr)}" for k, step in enumerate(way.steps)]
    return [*lines, f"after {count} steps: clean"]


def signed(value: float) -> str:
    """A number with one digit and a real minus sign, and a word for what has no number."""
    if value in (float("inf"), float("-inf")):
        return "+∞" if value > 0 else "−∞"
    return f"{value:+.1f}".replace("-", "−")


def _frame(noisy: np.ndarray, guess: np.ndarray, line: str) -> Image.Image:
    side = len(guess) * max(1, SIDE // len(guess))  # every pixel of the same size
    frame = Image.new("RGB", (2 * side + GAP, side + FOOT), "white")
    for place, picture in enumerate((noisy, guess)):
        background = None if picture.shape[-1] == 1 else "#ffffff"
        shown = to_image(picture, background).convert("RGB").resize((side, side), Image.Resampling.NEAREST)
        frame.paste(shown, (place * (side + GAP), 0))
    pen, font = ImageDraw.Draw(frame), ImageFont.load_default(15)
    ascii_line = line.replace("−", "-").replace("∞", "infinite")  # the font that Pillow carries has no more
    pen.text((4, side + 10), f"x_t, {ascii_line}", "#1d2330", font)
    pen.text((side + GAP + 4, side + 10), "guess of the picture", "#1d2330", font)
    return frame


def path_chart(model: Model, way: Way) -> str:
    """Logsnr over time, and the grid's points on it."""
    t = torch.linspace(0, 1, 401, dtype=torch.float64)
    chart, axes = pyplot().subplots(figsize=WIDE)
    axes.plot(t.tolist(), _within(model.recipe.process.path(t).logsnr.tolist()), color=PALE, label="the path")
    times = [step.t for step in way.steps]
    levels = _within([step.logsnr for step in way.steps])
    axes.plot(times, levels, "o", color=INK, markersize=5, label="where steps start")
    axes.set_xlabel("time t (0 is data, 1 is noise)")
    axes.set_ylabel("logsnr")
    axes.legend(frameon=False, loc="upper right")
    return svg(chart)


def spending_chart(way: Way, levels: Tensor | None) -> str:
    """How dense training's samples, where their `levels` are known, and the sampler's steps lie on logsnr."""
    chart, axes = pyplot().subplots(figsize=WIDE)
    if levels is not None:
        trained = levels.clamp(LEAST, MOST).numpy()
        axes.hist(
            trained, bins=40, range=(LEAST, MOST), density=True, color=PALE, alpha=0.45, label="training"
        )
    ends = _within([step.logsnr for step in way.steps])
    heights = [1 / (len(way.steps) * (high - low)) for low, high in pairwise(ends) if high > low]
    edges = sorted(set(ends))
    if len(edges) > 1:
        axes.stairs(heights, edges, color=INK, linewidth=2, label="the sampler's steps")
    axes.plot(ends, [0.0] * len(ends), "|", color=INK, markersize=14)
    axes.set_xlabel("logsnr (left is noise, right is data)")
    axes.set_ylabel("share for each unit")
    axes.legend(frameon=False, loc="upper right")
    return svg(chart)


def errors_chart(found: Errors, way: Way) -> str:
    """Mean squared error of the guess by noise level, with intervals, and what is known without structure."""
    chart, axes = pyplot().subplots(figsize=WIDE)
    values = np.array([e.value for e in found.errors])
    low, high = (np.array([getattr(e, end) for e in found.errors]) for end in ("low", "high"))
    axes.fill_between(found.levels, low, high, color=INK, alpha=0.25, linewidth=0)
    axes.plot(found.levels, values, "o-", color=INK, markersize=4, label="this model")
    alone = [found.blind(level) for level in found.levels]
    axes.plot(found.levels, alone, "--", color=PALE, label="each number by itself")
    axes.set_yscale("log")
    axes.set_xlabel("logsnr (left is noise, right is data); marks: this sampler's steps")
    axes.set_ylabel("squared error of the guess")
    inside = [step.logsnr for step in way.steps if found.levels[0] <= step.logsnr <= found.levels[-1]]
    axes.plot(inside, [float(values.min()) / 1.6] * len(inside), "|", color=INK, markersize=10)
    axes.legend(frameon=False, loc="upper right")
    return svg(chart)


def change_chart(way: Way) -> str:
    """By how much each step changes the guess, and how far it still is from the finished picture."""
    chart, axes = pyplot().subplots(figsize=WIDE)
    places = range(1, len(way.steps) + 1)
    axes.bar(places, [step.change for step in way.steps], color=PALE, label="change to the next guess")
    left = [step.left for step in way.steps]
    axes.plot(places, left, "o-", color=INK, markersize=4, label="away from the finished picture")
    _by_step(axes, way, way.unit)
    return svg(chart)


def guidance_chart(way: Way) -> str:
    """What the prompt changes in the guess at each step, and how much guidance adds to that."""
    chart, axes = pyplot().subplots(figsize=WIDE)
    places = range(1, len(way.steps) + 1)
    axes.bar(places, [step.push for step in way.steps], color=PALE, label="added by guidance")
    prompt = [step.prompt for step in way.steps]
    axes.plot(places, prompt, "o-", color=INK, markersize=4, label="with and without the prompt")
    _by_step(axes, way, way.unit)
    return svg(chart)


def _by_step(axes: Any, way: Way, what: str) -> None:
    count = len(way.steps)
    every = max(1, round(count / 12))
    places = range(1, count + 1, every)
    axes.set_xticks(places, [f"{k}\n{signed(way.steps[k - 1].logsnr)}" for k in places])
    axes.set_xlabel("step, and its logsnr")
    axes.set_ylabel(what)
    axes.legend(frameon=False, loc="upper right")


def _within(levels: Sequence[float]) -> list[float]:
    return [min(max(level, LEAST), MOST) for level in levels]
