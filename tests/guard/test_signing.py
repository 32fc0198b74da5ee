"""Signing: what is said is what is read, inputs keep their credentials, keys come from where they are said to be."""

from __future__ import annotations

import io
import json
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from PIL import Image

from ornstein.errors import OrnsteinError, UsageError
from ornstein.guard.credentials.claim import Claim
from ornstein.guard.credentials.media import mime_of
from ornstein.guard.credentials.signing import Signer
from ornstein.guard.credentials.trust import Trust
from ornstein.guard.credentials.verifying import Verdict, verify
from ornstein.guard.policy import Credentials, TimeStamp
from tests.guard.signed import CLAIM, FILES, OPENSSL, Chain, a_chain, encoded, listening, time_stamps

PNG = FILES["png"]
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="openssl answers for the time-stamp service")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and nothing in the environment."""
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ORNSTEIN_SIGNING_KEY", raising=False)
    monkeypatch.delenv("ORNSTEIN_SIGNING_CHAIN", raising=False)
    return tmp_path


def judged(data: bytes, *who: Chain) -> Verdict:
    return verify(
        data, Trust(tuple(anchor for chain in who for anchor in chain.anchors)) if who else Trust.find()
    )


def manifests(data: bytes) -> dict[str, Any]:
    with c2pa.Reader(mime_of(data), io.BytesIO(data), context=Trust.find().context) as reader:
        return json.loads(reader.json())


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file_is_signed_and_read_again(kind: str) -> None:
    signed = Signer.of(Credentials()).sign(FILES[kind], CLAIM)
    verdict = judged(signed.data)
    assert verdict.state == "trusted"
    assert verdict.development
    assert verdict.claim == CLAIM.model_copy(update={"prompt": None})
    assert verdict.actions == ("created (trainedAlgorithmicMedia)",)
    assert verdict.training == "notAllowed"
    assert judged(FILES[kind]).state == "none"
    assert signed.stamp == "none"


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "tiff", "avif"])
def test_the_pixels_stay(kind: str) -> None:
    signed = Signer.of(Credentials()).sign(FILES[kind], CLAIM).data
    with Image.open(io.BytesIO(FILES[kind])) as before, Image.open(io.BytesIO(signed)) as after:
        assert np.array_equal(np.asarray(before.convert("RGBA")), np.asarray(after.convert("RGBA")))


def test_the_prompt_goes_in_only_where_the_policy_says_so() -> None:
    kept = Signer.of(Credentials()).sign(PNG, CLAIM).data
    said = Signer.of(Credentials(prompt=True)).sign(PNG, CLAIM).data
    assert CLAIM.prompt is not None
    assert CLAIM.prompt.encode() not in kept
    assert judged(said).claim == CLAIM


@pytest.mark.parametrize("training", ["allowed", "notAllowed", "constrained"])
def test_what_others_may_learn_from_is_the_policys_word(training: Any) -> None:
    assert judged(Signer.of(Credentials(training=training)).sign(PNG, CLAIM).data).training == training


@pytest.mark.parametrize("guidance", [1, 0.1, -3.25, 1e30, 5e-324])
@pytest.mark.parametrize("seed", [0, 2**53 - 1])
def test_numbers_come_back_as_they_were(guidance: float, seed: int) -> None:
    claim = Claim(model="ö", sampler="s", steps=1, evaluations=0, seed=seed, guidance=guidance)
    assert judged(Signer.of(Credentials()).sign(PNG, claim).data).claim == claim


def test_no_thumbnail_is_added() -> None:
    large = encoded("PNG", size=512)
    assert len(Signer.of(Credentials()).sign(large, CLAIM).data) - len(large) < 6000


def test_an_edit_names_its_input_and_keeps_both_credentials() -> None:
    signer = Signer.of(Credentials())
    before = signer.sign(FILES["jpeg"], CLAIM).data
    verdict = judged(edited := signer.sign(PNG, CLAIM, parent=before).data)
    assert verdict.state == "trusted"
    assert verdict.actions == ("opened", "edited (compositeWithTrainedAlgorithmicMedia)")
    assert verdict.reasons == ("made from an input that Ornstein development signed",)
    store = manifests(edited)
    active = store["manifests"][store["active_manifest"]]
    assert set(store["manifests"]) == {
        store["active_manifest"],
        active["ingredients"][0]["active_manifest"],
        manifests(before)["active_manifest"],
    }
    assert active["ingredients"][0]["relationship"] == "parentOf"


def test_an_edit_of_an_edit_keeps_all_three() -> None:
    signer = Signer.of(Credentials())
    data = signer.sign(PNG, CLAIM).data
    for seed in (1, 2):
        data = signer.sign(encoded("PNG", seed), CLAIM, parent=data).data
    assert len(manifests(data)["manifests"]) == 3
    assert judged(data).state == "trusted"


PARENTS = {
    "unmarked": (PNG, "made from an input without a credential"),
    "another kind": (encoded("BMP"), "made from an input without a credential"),
    "not a file of any kind": (b"what is this", "made from an input without a credential"),
    "cut off": (PNG[:200], "made from an input without a credential"),
}


@pytest.mark.parametrize("name", PARENTS)
def test_any_input_can_be_named(name: str) -> None:
    parent, said = PARENTS[name]
    verdict = judged(Signer.of(Credentials()).sign(PNG, CLAIM, parent=parent).data)
    assert verdict.state == "trusted"
    assert verdict.reasons == (said,)


def test_an_input_whose_credential_does_not_hold_is_told() -> None:
    signer = Signer.of(Credentials())
    parent = bytearray(signer.sign(PNG, CLAIM).data)
    parent[-30] ^= 1
    verdict = judged(signer.sign(PNG, CLAIM, parent=bytes(parent)).data)
    assert verdict.reasons == ("made from an input whose credential, by Ornstein development, did not hold",)


def test_an_input_by_a_stranger_is_told(tmp_path: Path) -> None:
    chain, key = a_chain().write(tmp_path)
    parent = Signer.of(Credentials(chain=chain, key=key)).sign(PNG, CLAIM).data
    verdict = judged(Signer.of(Credentials()).sign(PNG, CLAIM, parent=parent).data)
    assert verdict.reasons == ("made from an input that Studio signed, whom the signer did not know",)


def test_chain_and_key_from_files_from_the_environment_or_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = a_chain()
    chain, key = who.write(tmp_path)
    assert judged(Signer.of(Credentials(chain=chain, key=key)).sign(PNG, CLAIM).data, who).state == "trusted"
    monkeypatch.setenv("ORNSTEIN_SIGNING_KEY", who.key.decode())
    assert judged(Signer.of(Credentials(chain=chain)).sign(PNG, CLAIM).data, who).state == "trusted"
    monkeypatch.setenv("ORNSTEIN_SIGNING_CHAIN", who.chain.decode())
    verdict = judged(Signer.of(Credentials()).sign(PNG, CLAIM).data, who)
    assert (verdict.state, verdict.signer, verdict.development) == ("trusted", "leaf (Studio)", False)


def test_a_key_without_a_chain_and_a_chain_without_a_key(tmp_path: Path) -> None:
    chain, key = a_chain().write(tmp_path)
    with pytest.raises(UsageError, match="ORNSTEIN_SIGNING_CHAIN"):
        Signer.of(Credentials(key=key))
    with pytest.raises(UsageError, match="ORNSTEIN_SIGNING_KEY"):
        Signer.of(Credentials(chain=chain))


def test_a_key_of_another_chain_is_refused_and_never_shown(tmp_path: Path) -> None:
    chain, key = a_chain().write(tmp_path)[0], tmp_path / "other.pem"
    key.write_bytes(a_chain().key)
    with pytest.raises(OrnsteinError, match="does not belong to the leaf") as met:
        Signer.of(Credentials(chain=chain, key=key))
    assert key.read_bytes().splitlines()[1].decode() not in str(met.value)


def test_keys_in_either_form_of_pem(tmp_path: Path) -> None:
    for private, form in ((KEY, PrivateFormat.TraditionalOpenSSL), (KEY, PrivateFormat.PKCS8)):
        who = a_chain(private)
        chain, key = who.write(tmp_path)
        key.write_bytes(private.private_bytes(Encoding.PEM, form, NoEncryption()))
        assert (
            judged(Signer.of(Credentials(chain=chain, key=key)).sign(PNG, CLAIM).data, who).state == "trusted"
        )


def test_an_encrypted_key_is_told_apart(tmp_path: Path) -> None:
    chain, key = a_chain(KEY).write(tmp_path)
    key.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    with pytest.raises(OrnsteinError, match="is encrypted"):
        Signer.of(Credentials(chain=chain, key=key))


KEY = ec.generate_private_key(ec.SECP256R1())


def in_der(message: bytes) -> bytes:
    return KEY.sign(message, ec.ECDSA(hashes.SHA256()))


def in_numbers(message: bytes) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(in_der(message)))


@pytest.mark.parametrize("sign", [in_der, in_numbers])
def test_a_key_service_signs_by_a_callback(sign: Any) -> None:
    who = a_chain(KEY)
    signer = Signer.from_callback(sign, who.chain)
    for _ in range(20):  # r or s is shorter in one signature of 128
        assert judged(signer.sign(PNG, CLAIM).data, who).state == "trusted"


def test_a_key_service_that_fails_is_named_before_and_while_signing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fails(message: bytes) -> bytes:
        raise ConnectionError("no route to the key")

    who, other, calls = a_chain(KEY), a_chain(), []
    with pytest.raises(OrnsteinError, match="does not sign: no route to the key"):
        Signer.from_callback(fails, who.chain)
    with pytest.raises(OrnsteinError, match="another key than that of the leaf"):
        Signer.from_callback(in_der, other.chain)
    with pytest.raises(OrnsteinError, match="another key"):
        Signer.from_callback(lambda message: b"short", who.chain)

    def once(message: bytes) -> bytes:
        calls.append(message)
        return in_der(message) if len(calls) == 1 else fails(message)

    with pytest.raises(OrnsteinError, match="cannot sign: no route to the key"):
        Signer.from_callback(once, who.chain).sign(PNG, CLAIM)
    assert capfd.readouterr().err == ""


def test_a_certificate_that_runs_out_between_two_files(tmp_path: Path) -> None:
    chain, key = a_chain(end=timedelta(seconds=4)).write(tmp_path)
    signer = Signer.of(Credentials(chain=chain, key=key))
    signer.sign(PNG, CLAIM)
    time.sleep(5.5)
    with pytest.raises(OrnsteinError, match="not valid at time of signing"):
        signer.sign(PNG, CLAIM)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4", b"RIFF\0\0\0\0AVI ", PNG[:100], b"\xff\xd8\xff"])
def test_what_cannot_be_signed_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(OrnsteinError, match=r"cannot sign|carries no credentials") as met:
        Signer.of(Credentials()).sign(data, CLAIM)
    assert "\n" not in str(met.value)


def test_threads_share_a_signer() -> None:
    signer, pictures = Signer.of(Credentials()), [encoded("PNG", seed) for seed in range(8)]
    results: dict[int, list[bytes]] = {}

    def work(number: int) -> None:
        results[number] = [signer.sign(picture, CLAIM).data for picture in pictures]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trust = Trust.find()
    assert {verify(data, trust).state for signed in results.values() for data in signed} == {"trusted"}
    assert sum(map(len, results.values())) == 64


@needs_openssl
def test_a_time_stamp_outlives_the_certificate(tmp_path: Path) -> None:
    who = a_chain(end=timedelta(seconds=6))
    chain, key = who.write(tmp_path)
    with time_stamps(tmp_path / "clock") as (address, clock):
        policy = Credentials(chain=chain, key=key, time_stamp=TimeStamp(url=address))
        stamped = Signer.of(policy).sign(PNG, CLAIM)
    plain = Signer.of(Credentials(chain=chain, key=key)).sign(PNG, CLAIM)
    both = Trust((*who.anchors, *clock))
    fresh = verify(stamped.data, both)
    assert (stamped.stamp, fresh.state, fresh.stamped) == ("stamped", "trusted", True)
    time.sleep(8)
    assert verify(stamped.data, both).state == "trusted"
    unknown, none = verify(stamped.data, Trust(who.anchors)), verify(plain.data, both)
    assert (unknown.state, none.state, unknown.stamped) == ("invalid", "invalid", False)
    assert "none of the anchors vouches for" in str(unknown.reasons)
    assert "no trusted time stamp says that the file was signed then" in str(none.reasons)


def test_a_service_that_is_down_denies_or_is_left_out_as_the_policy_says() -> None:
    asked: list[bytes] = []

    def useless(query: bytes) -> bytes:
        asked.append(query)
        return b"not a time stamp"

    with listening(useless) as address:
        strict = Signer.of(Credentials(time_stamp=TimeStamp(url=address)))
        lenient = Signer.of(Credentials(time_stamp=TimeStamp(url=address, when_down="allow")))
        for _ in range(3):
            with pytest.raises(OrnsteinError, match=f"{address} is down, and the policy then denies"):
                strict.sign(PNG, CLAIM)
        for _ in range(3):
            signed = lenient.sign(PNG, CLAIM)
            assert signed.stamp == "down"
            assert judged(signed.data).state == "trusted"
    assert len(asked) == 2  # once each: nobody waits for it again at once


def test_a_service_is_asked_again_after_a_while_however_much_is_signed_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bytes] = []

    def useless(query: bytes) -> bytes:
        asked.append(query)
        return b"not a time stamp"

    monkeypatch.setattr("ornstein.guard.credentials.signing.REST", 0.5)
    with listening(useless) as address:
        signer = Signer.of(Credentials(time_stamp=TimeStamp(url=address, when_down="allow")))
        end = time.monotonic() + 2
        while time.monotonic() < end:
            assert signer.sign(PNG, CLAIM).stamp == "down"
    assert 2 <= len(asked) <= 5


def test_a_file_that_cannot_be_signed_is_not_blamed_on_the_service() -> None:
    signer = Signer.of(Credentials(time_stamp=TimeStamp(url="http://127.0.0.1:9/", when_down="allow")))
    with pytest.raises(OrnsteinError, match="^cannot sign"):
        signer.sign(PNG[:100], CLAIM)
    assert signer.sign(PNG, CLAIM).stamp == "down"
