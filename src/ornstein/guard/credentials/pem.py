"""Certificates and keys as PEM texts: read whole or refused in one line that repeats nothing of a key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from ornstein.errors import OrnsteinError
from ornstein.guard.credentials.texts import one_line

LARGEST = 1 << 20  # bytes of a PEM file; a chain has a few thousand


def read_file(path: Path) -> bytes:
    """The bytes of a PEM file. Raises OrnsteinError."""
    try:
        if path.stat().st_size > LARGEST:
            raise OrnsteinError(f"{path} is larger than any chain of certificates: it is something else")
        return path.read_bytes()
    except OSError as error:
        raise OrnsteinError(f"cannot read {path}: {error.strerror}") from error


def read_certificates(pem: bytes, where: str) -> tuple[x509.Certificate, ...]:
    """Every certificate of a PEM text, in its order; at least one. `where` names it in errors.

    Raises:
        OrnsteinError: no certificate in it, or one that cannot be read.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except (ValueError, x509.InvalidVersion) as error:
        raise OrnsteinError(f"{where} holds no certificates in PEM that can be read") from error


def read_key(pem: bytes, where: str) -> PrivateKeyTypes:
    """The private key of a PEM text. Raises OrnsteinError, which repeats nothing of the key."""
    try:
        return load_pem_private_key(pem, password=None)
    except TypeError:
        raise OrnsteinError(f"{where} is encrypted: decrypt it, or sign by a callback") from None
    except Exception:  # cryptography has several unrelated types for damaged and unsupported keys
        raise OrnsteinError(f"{where} holds no private key in PEM that can be read") from None


def as_pem(chain: Sequence[x509.Certificate]) -> bytes:
    """Certificates as one PEM text, in their order."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)


def as_pkcs8(pem: bytes) -> bytes:
    """A key in the one form that the library reads, whichever of PEM's it was in. Raises OrnsteinError."""
    return read_key(pem, "the key").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def title(name: x509.Name) -> str:
    """A subject or an issuer for people: its common name and its organisation."""
    found = (name.get_attributes_for_oid(oid) for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME))
    common, organisation = (str(parts[0].value) if parts else "" for parts in found)
    if common and organisation and organisation not in common:
        return one_line(f"{common} ({organisation})")
    return one_line(common or organisation or "a subject without a name")
