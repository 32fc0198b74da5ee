"""Picture files nobody vouches for, on their way to detection: an array or one clear line, whatever is in them."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ornstein.errors import OrnsteinError
from ornstein.guard.watermark.restore import read_file, restore


def read_or_line(path: Path) -> np.ndarray | str:
    try:
        return read_file(path, 64)
    except OrnsteinError as error:
        return str(error)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "TIFF"])
def test_altered_files_are_read_or_refused(tmp_path: Path, form: str):
    random, file = np.random.default_rng(0), io.BytesIO()
    Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(file, form)
    whole, path = file.getvalue(), tmp_path / "picture"
    for _ in range(100):
        data = bytearray(whole)
        for place in random.integers(0, len(data), random.integers(1, 8)):
            data[place] = random.integers(256)
        path.write_bytes(data[: random.integers(1, len(data) + 1)] if random.random() < 0.3 else data)
        found = read_or_line(path)
        if isinstance(found, str):
            assert "\n" not in found
        else:
            assert restore(found, 64, 4)[0].shape == (64, 64, 4)


@pytest.mark.filterwarnings("error")
def test_a_header_of_many_megapixels_is_refused(tmp_path: Path):
    file = io.BytesIO()
    Image.new("1", (16, 16)).save(file, "PNG")
    data = bytearray(file.getvalue())
    data[16:24] = (13_000).to_bytes(4) * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(OrnsteinError, match="megapixels"):
        read_file(tmp_path / "bomb.png", 64)


def test_large_pictures_are_read_at_four_times_the_models_size(tmp_path: Path):
    Image.new("RGB", (900, 500), (200, 0, 0)).save(tmp_path / "large.png")
    assert read_file(tmp_path / "large.png", 64).shape == (256, 256, 4)
