"""Taking a credential out again gives the very bytes that were signed."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ornstein.errors import OrnsteinError
from ornstein.guard.credentials.claim import Claim
from ornstein.guard.credentials.signing import Signer
from ornstein.guard.credentials.stripping import without
from ornstein.guard.credentials.trust import Trust
from ornstein.guard.credentials.verifying import verify
from ornstein.guard.policy import Credentials
from ornstein.model import Model
from ornstein.output import Output, encode
from ornstein.record import FileForm
from tests.guard.signed import CLAIM, FILES

Format = Literal["png", "webp", "jpeg"]


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORNSTEIN_HOME", str(tmp_path_factory.mktemp("home")))
        return Signer.of(Credentials())


@pytest.fixture(scope="module")
def out(model: Model) -> Output:
    return model.generate("red apple, “3D” style", seeds=5, steps=2)[0]


@pytest.mark.parametrize("form", ["png", "webp", "jpeg"])
def test_generated_files_with_their_records(signer: Signer, out: Output, form: Format) -> None:
    background = "#ffffff" if form == "jpeg" else None
    data = out.encode(FileForm(format=form, background=background))
    claim = Claim.of(out.record, evaluations=4)
    signed = signer.sign(data, claim).data
    read = verify(signed, Trust()).claim
    assert (read.seed, read.sampler, read.steps) == (5, out.record.request.sampler, 2)
    assert (read.model, read.fingerprint) == (out.record.model.name, out.record.model.fingerprint)
    assert len(signed) > len(data) + 3000
    assert without(signed) == data
    assert without(data) == data
    assert verify(without(signed), Trust()).state == "none"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    form=st.sampled_from(["png", "webp", "jpeg"]),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    channels=st.sampled_from([1, 3, 4]),
    seed=st.integers(0, 2**32 - 1),
)
def test_pictures_of_any_size(
    signer: Signer, form: Format, size: tuple[int, int], channels: int, seed: int
) -> None:
    array = np.random.default_rng(seed).integers(0, 256, (*size, channels)).astype(np.uint8)
    data = encode(
        array, FileForm(format=form, background="#ffffff" if channels == 4 and form == "jpeg" else None)
    )
    assert without(signer.sign(data, CLAIM).data) == data


def test_sounds(signer: Signer) -> None:
    assert without(signer.sign(FILES["wav"], CLAIM).data) == FILES["wav"]


def test_an_edit_of_a_signed_file(signer: Signer) -> None:
    parent = signer.sign(FILES["jpeg"], CLAIM).data
    assert without(signer.sign(FILES["png"], CLAIM, parent=parent).data) == FILES["png"]


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "wav"])
def test_what_is_cut_off_or_odd_is_refused(signer: Signer, kind: str) -> None:
    data = signer.sign(FILES[kind], CLAIM).data
    for end in range(12, len(data) - len(FILES[kind]), 37):
        with pytest.raises(OrnsteinError, match=r"not whole"):
            without(data[:end])


@pytest.mark.parametrize("data", [FILES["gif"], FILES["mp4"], b"", b"text"])
def test_other_kinds_are_refused(data: bytes) -> None:
    with pytest.raises(OrnsteinError, match="PNG, JPEG, WebP and WAV"):
        without(data)
