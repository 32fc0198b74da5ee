"""The development chain, made once whoever comes first; and the profile: every fault of a chain is named."""

from __future__ import annotations

import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from ornstein.errors import OrnsteinError, UsageError
from ornstein.guard.credentials import certificates
from ornstein.guard.credentials.certificates import ORGANISATION, development, development_root, folder, make
from ornstein.guard.credentials.pem import as_pem, read_certificates, read_file, read_key
from ornstein.guard.credentials.profile import lint
from ornstein.guard.credentials.signing import Signer
from ornstein.guard.credentials.trust import Trust
from ornstein.guard.credentials.verifying import verify
from ornstein.guard.policy import Credentials
from tests.guard.signed import CLAIM, DAY, FILES, a_chain, usage


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path))
    return tmp_path


FIRST = """
import sys
from pathlib import Path
from ornstein.guard.credentials.certificates import development
from ornstein.guard.credentials.pem import as_pem
print("ready", flush=True)
sys.stdin.readline()
sys.stdout.write(as_pem(development().chain).decode())
"""


def test_processes_that_all_come_first_end_with_one_chain(home: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    chains = {worker.communicate(timeout=60)[0] for worker in workers}
    assert [worker.returncode for worker in workers] == [0] * 6
    assert chains == {(home / "certs" / "chain.pem").read_text()}
    assert {path.name for path in home.iterdir()} == {"certs"}  # nothing of the others is left


def test_it_fits_the_profile_and_its_keys_are_private() -> None:
    who = development()
    assert lint(who.chain, who.key) == []
    holding = [file for file in folder().iterdir() if b"PRIVATE" in file.read_bytes()]
    assert {file.name for file in holding} == {"key.pem", "authority.pem"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in holding} == {0o600}


def test_the_key_of_the_root_is_forgotten() -> None:
    development()
    root = development_root()
    assert root is not None
    kept = [
        load_pem_private_key((folder() / name).read_bytes(), None) for name in ("key.pem", "authority.pem")
    ]
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    assert root.public_key().public_bytes(*form) not in [key.public_key().public_bytes(*form) for key in kept]


def test_a_leaf_that_runs_out_is_renewed_below_the_same_root(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as hurried:
        hurried.setattr(certificates, "LEAF_LASTS", timedelta(days=1))
        make(folder(), ORGANISATION)
        before = read_certificates(read_file(folder() / "chain.pem"), "it")
        who = {"chain": folder() / "chain.pem", "key": folder() / "key.pem"}
        signed = Signer.of(Credentials(**who)).sign(FILES["png"], CLAIM).data
    after = development()
    assert after.chain[0].not_valid_after_utc > before[0].not_valid_after_utc + 300 * DAY
    assert after.chain[1] == before[1]
    assert lint(after.chain, after.key) == []
    again = Signer.of(Credentials()).sign(FILES["png"], CLAIM).data
    assert [verify(data, Trust.find()).state for data in (signed, again)] == ["trusted", "trusted"]


@pytest.mark.parametrize("name", ["chain.pem", "key.pem", "root.pem"])
@pytest.mark.parametrize(
    "text", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_damaged_chain_says_what_to_do(name: str, text: bytes | None) -> None:
    development()
    (folder() / name).unlink()
    if text is not None:
        (folder() / name).write_bytes(text)
    with pytest.raises(OrnsteinError, match=r"certs init --force|no private key"):
        Signer.of(Credentials())


def test_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(OrnsteinError, match="cannot write"):
        development()


def test_a_folder_is_replaced_only_when_asked(tmp_path: Path) -> None:
    make(tmp_path / "own", "Studio")
    before = (tmp_path / "own" / "root.pem").read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        make(tmp_path / "own", "Studio")
    make(tmp_path / "own", "Studio", force=True)
    assert (tmp_path / "own" / "root.pem").read_bytes() != before


GOOD = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "RSA": rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("kind", GOOD)
def test_every_kind_of_key_that_is_allowed_signs(kind: str, tmp_path: Path) -> None:
    who = a_chain(GOOD[kind])
    assert lint(who.certificates, who.key) == []
    chain, key = who.write(tmp_path)
    signed = Signer.of(Credentials(chain=chain, key=key)).sign(FILES["png"], CLAIM).data
    assert verify(signed, Trust(who.anchors)).state == "trusted"


@pytest.mark.parametrize("purpose", ["1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1"])
def test_other_purposes_that_are_allowed_sign_and_are_trusted(purpose: str, tmp_path: Path) -> None:
    who = a_chain(purposes=[x509.ObjectIdentifier(purpose)])
    assert lint(who.certificates, who.key) == []
    chain, key = who.write(tmp_path)
    signed = Signer.of(Credentials(chain=chain, key=key)).sign(FILES["png"], CLAIM).data
    assert verify(signed, Trust(who.anchors)).state == "trusted"


ANY, STAMPS = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, ExtendedKeyUsageOID.TIME_STAMPING
MAIL, SERVER = ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.SERVER_AUTH
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"start": -9 * DAY, "end": -DAY}, "leaf: expired on"),
    "not yet": ({"start": DAY}, "is the clock right?"),
    "an authority": ({"authority": True}, "is an authority's"),
    "no usage": ({"uses": None}, "does not allow digitalSignature"),
    "wrong usage": ({"uses": usage("key_agreement")}, "does not allow digitalSignature"),
    "usage not critical": ({"critical": False}, "not marked critical"),
    "signs certificates": ({"uses": usage("digital_signature", "key_cert_sign")}, "keyCertSign"),
    "no purpose": ({"purposes": []}, "holds none of"),
    "another purpose": ({"purposes": [SERVER]}, "holds none of"),
    "any purpose": ({"purposes": [MAIL, ANY]}, "anyExtendedKeyUsage"),
    "stamps too": ({"purposes": [MAIL, STAMPS]}, "stand alone"),
    "nameless": ({"organisation": None}, "no organisation"),
    "no identifiers": ({"identified": False}, "no authority key identifier"),
    "small RSA": ({"key": rsa.generate_private_key(65537, 1024)}, "its key is none of"),
    "odd curve": ({"key": ec.generate_private_key(ec.SECP256K1())}, "its key is none of"),
    "DSA": ({"key": dsa.generate_private_key(2048)}, "its key is none of"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named_and_nothing_is_signed_with_it(name: str, tmp_path: Path) -> None:
    properties, said = FAULTS[name]
    who = a_chain(**properties)
    problems = [str(problem) for problem in lint(who.certificates, who.key)]
    assert any(said in problem for problem in problems), problems
    chain, key = who.write(tmp_path)
    with pytest.raises(OrnsteinError, match="the signing certificate cannot be used"):
        Signer.of(Credentials(chain=chain, key=key))


def test_order_and_kinship_of_a_chain() -> None:
    one, other = a_chain(), a_chain()
    (leaf, middle), stranger = one.certificates, other.certificates[1]

    def said(*chain: x509.Certificate, key: bytes | None = None) -> str:
        return "; ".join(str(problem) for problem in lint(chain, key))

    assert "leaf first" in said(middle, leaf)
    assert "the leaf alone" in said(leaf)
    assert "is self-signed" in said(*one.anchors)
    assert "its signature is wrong" in said(leaf, stranger)  # the same names, another key
    assert "authority key identifier is not that" in said(leaf, stranger)
    assert "does not belong to the leaf" in said(leaf, middle, key=other.key)
    assert said(leaf, middle, *one.anchors) == ""  # the root may be there, too


def test_validity_is_judged_at_the_time_that_is_asked_for() -> None:
    who = a_chain()
    assert lint(who.certificates, at=datetime.now(UTC) + 20 * DAY) == []
    assert "expired" in str(lint(who.certificates, at=datetime.now(UTC) + 40 * DAY))
    assert "clock" in str(lint(who.certificates, at=datetime.now(UTC) - 40 * DAY))


def test_a_changed_certificate_is_not_issued_by_anybody() -> None:
    """Whatever bit of a leaf is turned: it cannot be read, or a fault is named."""
    who = a_chain()
    leaf, middle = who.certificates
    der = bytearray(leaf.public_bytes(Encoding.DER))
    for place in range(0, len(der), 7):
        turned = bytes([*der[:place], der[place] ^ 0x10, *der[place + 1 :]])
        try:
            changed = x509.load_der_x509_certificate(turned)
        except (ValueError, x509.InvalidVersion):
            continue
        assert lint((changed, middle)), place


@pytest.mark.parametrize(
    "text", [b"", b"\0" * 100, b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----"]
)
def test_what_is_no_pem_is_refused(text: bytes, tmp_path: Path) -> None:
    with pytest.raises(OrnsteinError, match="no certificates"):
        read_certificates(text, "it")
    with pytest.raises(OrnsteinError, match="no private key"):
        read_key(text, "it")


def test_a_file_that_is_too_large_or_absent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(bytes(2 << 20))
    with pytest.raises(OrnsteinError, match="larger than any chain"):
        read_file(tmp_path / "a.pem")
    with pytest.raises(OrnsteinError, match="cannot read"):
        read_file(tmp_path / "b.pem")


def test_pem_round_trip() -> None:
    who = a_chain()
    assert as_pem(read_certificates(who.chain, "it")) == who.chain
