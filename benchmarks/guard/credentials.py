"""What credentials cost: time to sign and to verify, and bytes added, for each kind of file.

``python -m benchmarks.guard.credentials``. Pictures have the spectrum of photographs. One process, one
thread, signer and trust at hand as in a server; rounds go through all files in turn, so that a busy moment of the
machine meets them all. Processor time is what an idle machine takes; the clock on the wall also counts what others do.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import time
import wave
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ornstein.data.atomic import new_file
from ornstein.guard.credentials.claim import Claim
from ornstein.guard.credentials.signing import Signer
from ornstein.guard.credentials.trust import Trust
from ornstein.guard.credentials.verifying import verify
from ornstein.guard.policy import Credentials

GOAL = 15.0  # milliseconds to sign and verify a picture
CLAIM = Claim(
    model="emoji", fingerprint="ab" * 32, policy="cd" * 32, sampler="dpmpp-2m", steps=20, evaluations=40, seed=5,
    guidance=3.0, watermark_key="0123456789abcdef", watermark_code=17,
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One file's figures, times in milliseconds: of the processor, and of a clock on the wall."""

    what: str
    bytes: int
    added: int
    sign: float
    verify: float
    both_95: float
    wall: float
    wall_95: float


def files() -> dict[str, bytes]:
    """Pictures of 64, 256 and 1,024 pixels, noise as the largest file there is, and a second of sound."""
    made: dict[str, bytes] = {}
    for size in (64, 256, 1024):
        pixels = photographic(size)
        made[f"PNG {size} px"] = _picture(pixels, "PNG")
        made[f"JPEG {size} px"] = _picture(pixels, "JPEG", quality=95, subsampling=0)
        made[f"WebP {size} px"] = _picture(pixels, "WEBP", lossless=True, quality=50, method=2)
    made |= {f"{kind} 64 px": _picture(photographic(64), kind) for kind in ("GIF", "TIFF", "AVIF")}
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 4)).astype(np.uint8)
    made["PNG 1024 px, noise"] = _picture(noise, "PNG")
    sound = io.BytesIO()
    with wave.open(sound, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(24_000)
        writer.writeframes(np.random.default_rng(0).bytes(48_000))
    return made | {"WAV 1 s": sound.getvalue()}


def photographic(size: int) -> np.ndarray:
    """Colours with the spectrum of photographs, amplitude 1/f; uint8 (size, size, 3)."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None, None], np.fft.rfftfreq(size)[None, :, None])
    white = np.fft.rfft2(np.random.default_rng(size).standard_normal((size, size, 3)), axes=(0, 1))
    pixels = np.fft.irfft2(white / np.maximum(frequency, 1 / size), s=(size, size), axes=(0, 1))
    return np.clip(128 + 45 * pixels / pixels.std(), 0, 255).astype(np.uint8)


def _picture(pixels: np.ndarray, kind: str, **options: int | bool) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def measure(rounds: int) -> list[Line]:
    """Every file signed and verified `rounds` times."""
    signer, trust, all_files = Signer.of(Credentials()), Trust.find(), files()
    times: dict[str, list[tuple[float, float, float]]] = {what: [] for what in all_files}
    added: dict[str, int] = {}
    for _ in range(rounds + 1):  # the first round warms up
        for what, data in all_files.items():
            wall, start = time.perf_counter(), time.process_time()
            signed = signer.sign(data, CLAIM).data
            between = time.process_time()
            verdict = verify(signed, trust)
            end = time.process_time()
            times[what].append((between - start, end - between, time.perf_counter() - wall))
            assert verdict.state == "trusted", verdict
            added[what] = len(signed) - len(data)
    lines = []
    for what, data in all_files.items():
        sign, checked, wall = 1000 * np.array(times[what][1:]).T
        medians = np.median(sign), np.median(checked)
        figures = (*medians, np.quantile(sign + checked, 0.95), np.median(wall), np.quantile(wall, 0.95))
        lines.append(Line(what, len(data), added[what], *map(float, figures)))
    return lines


def table(lines: Sequence[Line]) -> str:
    """The lines in Markdown."""
    head = ["file", "kB", "added, kB", "sign, ms", "verify, ms", "both, 95%", "by the wall", "95%"]
    rows = [
        [line.what, f"{line.bytes / 1e3:,.0f}", f"{line.added / 1e3:.1f}",
         *(f"{t:.1f}" for t in (line.sign, line.verify, line.both_95, line.wall, line.wall_95))]
        for line in lines
    ]  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---", *["--:"] * 7], *rows)) + "\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100, help="times each file is signed (100)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    with tempfile.TemporaryDirectory() as home:
        os.environ["ORNSTEIN_HOME"] = home  # a development chain of its own
        lines = measure(arguments.rounds)
    print(table(lines))
    for name, figure in (("processor time", "both_95"), ("time by the wall", "wall_95")):
        late = [line.what for line in lines if getattr(line, figure) >= GOAL]
        said = f"missed by {', '.join(late)}" if late else "met by all"
        print(f"under {GOAL:.0f} ms to sign and verify, 95% of files, {name}: {said}")
    if arguments.json:
        with new_file(arguments.json) as part:
            part.write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n")


if __name__ == "__main__":
    main()
