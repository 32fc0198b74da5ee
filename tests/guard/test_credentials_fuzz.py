"""A thousand mutations of signed files: always a verdict, and never trust in what was not signed.

"Flip any byte" would be a wrong oracle: padding of the signature and names of boxes are under no hash. What must never
be trusted is a file that shows other pixels or sounds than the signed one, or whose credential says something else.
"""

from __future__ import annotations

import collections
import io
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ornstein.guard.credentials.signing import Signer
from ornstein.guard.credentials.trust import Trust
from ornstein.guard.credentials.verifying import Verdict, verify
from ornstein.guard.policy import Credentials
from ornstein.rng import stream
from tests.guard.signed import CLAIM, FILES, encoded, sound

MUTATIONS = 1000
LENGTHS = (b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1")
WORDS = (
    b"dpmpp-2m",
    b"trainedAlgorithmicMedia",
    b"notAllowed",
    b"c2pa.created",
    b"emoji",
    b"Ornstein",
    b"sha256",
)

Mutation = Callable[[np.random.Generator, bytes, bytes], bytes]


def somewhere(rng: np.random.Generator, data: bytes) -> int:
    """A place in the file; every second time, in its credential."""
    start = data.find(b"jumb")
    low, high = (start - 12, start + 3700) if rng.random() < 0.5 else (0, len(data))
    return int(rng.integers(max(low, 0), min(high, len(data))))


def flip(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        changed[somewhere(rng, data)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def cut(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    return data[: somewhere(rng, data)]


def drop(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    start = somewhere(rng, data)
    return data[:start] + data[start + int(rng.choice([1, 4, 12, 100])) :]


def insert(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    start = somewhere(rng, data)
    return data[:start] + rng.bytes(int(rng.choice([1, 4, 12, 100]))) + data[start:]


def length(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    start = somewhere(rng, data)
    return data[:start] + LENGTHS[rng.integers(len(LENGTHS))] + data[start + 4 :]


def shuffle(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """Two neighbouring stretches change places."""
    a, b, c = sorted(somewhere(rng, data) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def transplant(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """The credential of another file in this one; or this one's pixels under that one's head."""
    mine, theirs = data.find(b"jumb") - 4, other.find(b"jumb") - 4
    size = int.from_bytes(data[mine : mine + 4], "big")
    if rng.random() < 0.3:
        return other[: theirs + size] + data[mine + size :]
    return data[:mine] + other[theirs : theirs + size] + data[mine + size :]


def edit(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """A word of the credential says something else."""
    word = bytearray(old := WORDS[rng.integers(len(WORDS))])
    word[rng.integers(len(word))] ^= 1 << int(rng.integers(5))
    places = data.split(old)
    at = int(rng.integers(1, len(places))) if len(places) > 1 else 0
    return old.join(places[:at]) + bytes(word) + old.join(places[at:]) if at else flip(rng, data, other)


ALL: tuple[Mutation, ...] = (flip, flip, cut, drop, insert, length, shuffle, transplant, edit)


def shown(kind: str, data: bytes) -> bytes:
    """What a person sees or hears of a file."""
    if kind == "wav":
        with wave.open(io.BytesIO(data)) as reader:
            return reader.readframes(reader.getnframes())
    if kind in ("flac", "mp4"):  # made by hand, not to be played: their payload must be in there
        payload = FILES[kind][-4000 if kind == "mp4" else -34 :]
        return payload if payload in data else b""
    with Image.open(io.BytesIO(data)) as image:
        return str(image.size).encode() + image.convert("RGBA").tobytes()


@pytest.mark.parametrize("kind", FILES)
def test_no_mutation_is_trusted_for_what_it_is_not(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path))
    signer, trust = Signer.of(Credentials()), Trust.find()
    data = signer.sign(FILES[kind], CLAIM).data
    again = CLAIM.model_copy(update={"seed": 7})
    twin = (
        FILES[kind]
        if kind in ("flac", "mp4")
        else sound(1)
        if kind == "wav"
        else encoded(kind.upper(), seed=1)
    )
    other = signer.sign(twin, again).data
    before, seen = verify(data, trust), shown(kind, data)
    verdicts = collections.Counter[str]()
    for number in range(-(-MUTATIONS // len(FILES))):
        rng = stream("credentials-fuzz", number, len(kind), sum(kind.encode()))
        mutated = ALL[rng.integers(len(ALL))](rng, data, other)
        verdict = verify(mutated, trust)
        verdicts[verdict.state] += 1
        if verdict.state == "trusted" and mutated != other:
            assert said(verdict) == said(before), number
            assert shown(kind, mutated) == seen, number
    assert verdicts["invalid"] > sum(verdicts.values()) / 2, verdicts


def said(verdict: Verdict) -> dict[str, object]:
    return verdict.model_dump()
