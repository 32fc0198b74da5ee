"""A thousand changed policies, and a thousand changed bundles: one line each, and nothing altered passes for whole."""

from __future__ import annotations

import contextlib
import random
import shutil
from pathlib import Path

import pytest
import yaml

from ornstein.bundle import HEADER, MANIFEST, Bundle
from ornstein.data import manifest
from ornstein.errors import OrnsteinError
from ornstein.guard.policy import SHIPPED, Policy
from tests.small import bundle

__all__ = ["bundle"]

MUTATIONS = 1000


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Bytes changed, cut off, doubled, or swapped: at least one differs."""
    changed = bytearray(data)
    start = rng.randrange(len(changed))
    match rng.randrange(4):
        case 0:
            for _ in range(rng.randint(1, 4)):
                changed[rng.randrange(len(changed))] ^= rng.randint(1, 255)
        case 1:
            del changed[start:]
        case 2:
            changed[start:start] = changed[start : start + rng.randint(1, 200)]
        case 3:
            del changed[start : start + rng.randint(1, 40)]
    return bytes(changed)


@pytest.mark.slow
def test_a_changed_policy_is_read_strictly_or_refused_in_one_line(tmp_path: Path) -> None:
    text, rng = SHIPPED.read_bytes(), random.Random(5)
    file = tmp_path / "policy.yaml"
    for _ in range(MUTATIONS):
        changed = mutated(text, rng)
        file.write_bytes(changed)
        try:
            policy = Policy.read(file)
        except OrnsteinError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most are refused, some are not
        else:
            assert policy.version == yaml.safe_load(changed.decode())["version"]


def test_a_changed_manifest_is_refused_with_its_bundle_and_read_without_a_crash(
    bundle: Path, tmp_path: Path
) -> None:
    folder, rng = tmp_path / "bundle", random.Random(6)
    shutil.copytree(bundle, folder)
    original = (bundle / MANIFEST).read_bytes()
    for _ in range(MUTATIONS):
        changed = mutated(original, rng)
        if changed == original:
            continue
        (folder / MANIFEST).write_bytes(changed)
        with pytest.raises(OrnsteinError, match="was altered"):
            Bundle.open(folder)
        with contextlib.suppress(OrnsteinError):
            manifest.read(folder / MANIFEST)


def test_a_changed_header_is_read_as_it_stands_or_refused_in_one_line(bundle: Path, tmp_path: Path) -> None:
    folder, rng = tmp_path / "bundle", random.Random(7)
    shutil.copytree(bundle, folder)
    original = (bundle / HEADER).read_bytes()
    for _ in range(MUTATIONS):
        (folder / HEADER).write_bytes(mutated(original, rng))
        try:
            Bundle.open(folder)
        except OrnsteinError as error:
            assert "\n" not in str(error)  # noqa: PT017 - some only change a word
