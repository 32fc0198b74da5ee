"""A development chain of this machine's own: a root, an intermediate and a leaf that signs; made at first use."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ornstein.data.atomic import new_file, new_folder
from ornstein.errors import OrnsteinError
from ornstein.guard.credentials.pem import as_pem, read_certificates, read_file, read_key
from ornstein.shelf import home

ROOT, CHAIN, KEY, AUTHORITY = "root.pem", "chain.pem", "key.pem", "authority.pem"
ORGANISATION = "Ornstein development"
AUTHORITY_LASTS, LEAF_LASTS = timedelta(days=3650), timedelta(days=365)
RENEWED = timedelta(days=7)  # before the leaf runs out
SKEW = timedelta(days=1)  # clocks of other machines may be behind by this much


@dataclass(frozen=True)
class Identity:
    """Who signs.

    Attributes:
        chain: leaf first, each signed by the next.
        key: the leaf's, in PEM.
    """

    chain: tuple[x509.Certificate, ...]
    key: bytes


def folder() -> Path:
    """Where the development chain lies: ``certs`` under ORNSTEIN_HOME."""
    return home().parent / "certs"


def make(target: Path, organisation: str, *, force: bool = False) -> None:
    """Make a chain of one's own in a new folder: root.pem to be trusted, chain.pem and key.pem to sign with.

    Its root's key is forgotten as soon as it has signed; authority.pem renews the leaf for ten years.

    Raises:
        UsageError: the folder exists and `force` is not given. OrnsteinError: the disk refuses.
    """
    with new_folder(target, force=force) as part:
        _fill(part, organisation)


def development() -> Identity:
    """The development chain; made at first use, its leaf renewed in time. Safe in several processes at once.

    Raises:
        OrnsteinError: it is damaged, or the disk refuses.
    """
    place = folder()
    if not place.exists():
        _make_once(place)
    try:
        chain = read_certificates((place / CHAIN).read_bytes(), str(place / CHAIN))
        if chain[0].not_valid_after_utc < datetime.now(UTC) + RENEWED:
            chain = _renew(place, chain)
        return Identity(chain, (place / KEY).read_bytes())
    except (OSError, OrnsteinError) as error:
        raise OrnsteinError(f"{_damaged(place)} ({error})") from error


def development_root() -> x509.Certificate | None:
    """The root of the development chain; None where there is no chain yet. Raises OrnsteinError."""
    place = folder()
    if not place.exists():
        return None
    try:
        return read_certificates(read_file(place / ROOT), str(place / ROOT))[0]
    except OrnsteinError as error:
        raise OrnsteinError(f"{_damaged(place)} ({error})") from error


def _damaged(place: Path) -> str:
    return f"the development chain in {place} cannot be used: make another by `ornstein certs init --force`"


def _make_once(place: Path) -> None:
    """Make the chain beside its place and move it there; where another process was first, its chain is kept."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".certs.") as part:
            made = Path(part) / "made"
            made.mkdir()
            _fill(made, ORGANISATION)
            try:
                os.rename(made, place)
            except OSError:  # a folder that holds files is never replaced by a rename
                if not (place / CHAIN).exists():
                    raise
    except OSError as error:
        raise OrnsteinError(f"cannot write {place}: {error.strerror}") from error


def _fill(place: Path, organisation: str) -> None:
    root_key, authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    ours = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()).digest.hex()[:8]
    root = _authority(f"{organisation} root {ours}", organisation, root_key, None, root_key)
    authority = _authority(f"{organisation} intermediate {ours}", organisation, authority_key, root, root_key)
    leaf = _leaf(organisation, key.public_key(), authority, authority_key)
    (place / ROOT).write_bytes(as_pem([root]))
    (place / CHAIN).write_bytes(as_pem([leaf, authority]))
    _write_private(place / KEY, _key_pem(key))
    _write_private(place / AUTHORITY, _key_pem(authority_key))


def _renew(place: Path, chain: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
    """A new leaf for the same key, in place of the one that runs out."""
    old, authority = chain
    key = read_key((place / AUTHORITY).read_bytes(), str(place / AUTHORITY))
    organisation = str(old.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)
    if authority.not_valid_after_utc < datetime.now(UTC) + LEAF_LASTS:
        raise OrnsteinError("its intermediate certificate has run out")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    public = old.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    renewed = (_leaf(organisation, public, authority, key), authority)
    with new_file(place / CHAIN) as part:
        part.write_bytes(as_pem(renewed))
    return renewed


def _authority(
    common: str,
    organisation: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """A certificate that signs others: the root where there is no issuer, else one that signs only leaves."""
    start = _start(common, organisation, key.public_key(), issuer, AUTHORITY_LASTS)
    bare = start.add_extension(x509.BasicConstraints(True, None if issuer is None else 0), critical=True)
    usage = _usage(key_cert_sign=True, crl_sign=True)
    return _signed(bare.add_extension(usage, critical=True), key.public_key(), issuer_key)


def _leaf(
    organisation: str,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    start = _start(f"{organisation} signing", organisation, key, issuer, LEAF_LASTS)
    bare = start.add_extension(x509.BasicConstraints(False, None), critical=True)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    used = bare.add_extension(_usage(digital_signature=True), critical=True).add_extension(
        purpose, critical=False
    )
    return _signed(used, key, issuer_key)


def _start(
    common: str,
    organisation: str,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
    lasts: timedelta,
) -> x509.CertificateBuilder:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer is not None else subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + lasts)
    )


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePublicKey, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    named = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    return named.add_extension(above, critical=False).sign(issuer_key, hashes.SHA256())


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature, key_cert_sign=key_cert_sign, crl_sign=crl_sign,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
