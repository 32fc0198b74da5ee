"""What a person sees of a run: a progress bar, TensorBoard curves, and samples."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ornstein.errors import MissingExtraError
from ornstein.train.loop import Report
from ornstein.train.task import Sampled

SMOOTH = 0.98  # weight of the past in the displayed loss
LINE_SECONDS = 60.0  # between lines where there is no terminal to draw a bar on


class Monitor:
    """Shows reports as they come.

    Args:
        run: folder of the TensorBoard events and of samples.
        samples: length of the run. seen: where it starts.
    """

    def __init__(self, run: Path, samples: int, seen: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtraError("training", "train") from None
        self._run = run
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

    def sampled(self, sampled: Sampled, seen: int) -> None:
        """Keep what a model made: among the curves, and as a file under ``samples``."""
        if sampled is None:
            return
        file = self._run / "samples" / f"{seen:09d}"
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(sampled, str):
            self._events.add_text("samples", sampled, seen)
            file.with_suffix(".txt").write_text(sampled, encoding="utf-8")
        else:
            self._events.add_image("samples", sampled, seen, dataformats="HWC")
            Image.fromarray(sampled).save(file.with_suffix(".png"))

    def _curves(self, report: Report, speed: float) -> None:
        seen = report.progress.seen
        values: dict[str, Any] = {
            "loss": report.loss, "gradient norm": report.norm, "rate": report.rate, "samples a second": speed,
        }  # fmt: skip
        values |= {f"error at noise {k + 1} of 4": v for k, v in enumerate(report.by_level) if v == v}
        for name, value in values.items():
            self._events.add_scalar(name, value, seen)


def _blend(old: Any, new: Any) -> Any:
    return np.where(np.isnan(old), new, SMOOTH * np.asarray(old) + (1 - SMOOTH) * np.asarray(new))
