"""What a person sees of a run: a progress bar, TensorBoard curves, and grids of samples."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from torch import Tensor

from ornstein.errors import MissingExtraError
from ornstein.model import Model
from ornstein.sample.loop import sample_last
from ornstein.train.loop import Report

SMOOTH = 0.98  # weight of the past in the displayed loss
LINE_SECONDS = 60.0  # between lines where there is no terminal to draw a bar on


class Monitor:
    """Shows reports as they come.

    Args:
        run: folder of the TensorBoard events.
        samples: length of the run. seen: where it starts.
    """

    def __init__(self, run: Path, samples: int, seen: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtraError("training", "train") from None
        self._events = SummaryWriter(str(run / "events"))
        self.console = Console(stderr=True)
        columns = (
            TextColumn("training"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
        )  # fmt: skip
        self._bar = Progress(*columns, console=self.console, disable=not self.console.is_terminal)
        self._task = self._bar.add_task("training", total=samples, completed=seen, text="")
        self._samples, self._loss = samples, float("nan")
        self._levels = np.full(4, np.nan)
        self._mark = (time.monotonic(), seen)
        self._line = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._events.close()

    def show(self, report: Report) -> None:
        """Update the bar and the curves with one step."""
        seen, levels = report.progress.seen, np.array(report.by_level)
        self._loss = _blend(self._loss, report.loss)
        self._levels = np.where(np.isnan(levels), self._levels, _blend(self._levels, levels))
        now = time.monotonic()
        speed = (seen - self._mark[1]) / max(now - self._mark[0], 1e-9)
        if now - self._mark[0] > 30:
            self._mark = (now, seen)
        by_level = " ".join(f"{value:.3f}" for value in self._levels)
        text = f"{seen:,} of {self._samples:,}  {speed:.0f}/s  loss {self._loss:.4f}  by noise {by_level}"
        self._bar.update(self._task, completed=seen, text=text)
        if self._bar.disable and now - self._line > LINE_SECONDS:
            self._line = now
            left = (self._samples - seen) / max(speed, 1e-9) / 60
            self.console.print(f"{text}  {left:.0f} min left", highlight=False)
        self._curves(report, speed)

    def picture(self, name: str, grid: np.ndarray, seen: int) -> None:
        """Add a (H, W, 3) uint8 picture to TensorBoard."""
        self._events.add_image(name, grid, seen, dataformats="HWC")

    def _curves(self, report: Report, speed: float) -> None:
        seen = report.progress.seen
        values: dict[str, Any] = {
            "loss": report.loss, "gradient norm": report.norm, "rate": report.rate, "samples a second": speed,
        }  # fmt: skip
        values |= {f"error at noise {k + 1} of 4": v for k, v in enumerate(report.by_level) if v == v}
        for name, value in values.items():
            self._events.add_scalar(name, value, seen)


@torch.inference_mode()
def sample_grid(model: Model, prompts: tuple[str, ...], size: int) -> np.ndarray:
    """One picture a prompt of side `size`, seeds 0, 1, 2 …, at the recipe's defaults, on white: (H, W, 3) uint8."""
    section, count = model.recipe.sampling, len(prompts)
    x = sample_last(
        model.trajectory(
            prompts, list(range(count)), steps=[section.steps] * count, guidance=[section.guidance] * count,
            sampler=section.sampler, negatives=[""] * count, size=size,
        )
    )  # fmt: skip
    assert isinstance(x, Tensor)
    pictures = model.recipe.codec.decode(x)
    if pictures.shape[-1] == 4:
        pictures = pictures[..., :3] + (255 - pictures[..., 3:])
    columns = int(np.ceil(np.sqrt(count)))
    empty = np.full((-count % columns, *pictures.shape[1:]), 255, np.uint8)
    rows = np.concatenate([pictures, empty]).reshape(-1, columns, *pictures.shape[1:])
    grid = rows.transpose(0, 2, 1, 3, 4).reshape(rows.shape[0] * rows.shape[2], -1, pictures.shape[-1])
    return np.repeat(grid, 3, axis=-1) if grid.shape[-1] == 1 else grid


def write_grid(grid: np.ndarray, file: Path) -> None:
    """Write a grid as PNG."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid).save(file)


def _blend(old: Any, new: Any) -> Any:
    return np.where(np.isnan(old), new, SMOOTH * np.asarray(old) + (1 - SMOOTH) * np.asarray(new))
