"""The certificate profile of C2PA, checked before anything is signed: the library signs with much that nobody accepts.

Source: C2PA Technical Specification 2.2, "X.509 Certificates", and RFC 5280.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, SignatureAlgorithmOID
from cryptography.x509.oid import ExtensionOID as Oid

from ornstein.config import Config
from ornstein.guard.credentials.pem import read_key, title

CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
SMALLEST_RSA = 2048
SIGNING = (
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
    x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # documentSigning
    x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1"),  # c2pa-kp-claimSigning
)
ALONE = (ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.OCSP_SIGNING)
SIGNATURES = (
    SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    SignatureAlgorithmOID.RSA_WITH_SHA256,
    SignatureAlgorithmOID.RSA_WITH_SHA384,
    SignatureAlgorithmOID.RSA_WITH_SHA512,
    SignatureAlgorithmOID.RSASSA_PSS,
    SignatureAlgorithmOID.ED25519,
)


class Problem(Config):
    """One way in which a chain is not fit to sign.

    Attributes:
        where: "leaf", "certificate 2" …, "chain" or "key". what: is wrong, and what would be right.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def algorithm(key: PublicKeyTypes) -> str | None:
    """C2PA's name of the signature that a key makes, such as ``es256``; None for keys it does not allow."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return CURVES.get(key.curve.name)
    if isinstance(key, rsa.RSAPublicKey):
        return "ps256" if key.key_size >= SMALLEST_RSA else None
    return "ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else None


def lint(
    chain: Sequence[x509.Certificate], key: bytes | None = None, at: datetime | None = None
) -> list[Problem]:
    """Everything that keeps a chain from signing credentials that others accept; empty where nothing does.

    Args:
        chain: leaf first, at least one certificate.
        key: the leaf's private key in PEM, to be compared with it.
        at: the time to judge validity at; now where None.
    """
    at = at or datetime.now(UTC)
    found = list(_order(chain))
    for number, certificate in enumerate(chain):
        where = f"certificate {number + 1}" if number else "leaf"
        try:
            complaints = [*_common(certificate, at), *(_above if number else _leaf)(certificate)]
        except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
            complaints = ["its key or its extensions cannot be read"]
        found += [Problem(where=where, what=what) for what in complaints]
    return found + ([] if key is None else [Problem(where="key", what=what) for what in _key(chain[0], key)])


def _order(chain: Sequence[x509.Certificate]) -> Iterator[Problem]:
    """Each certificate is issued by the next; the leaf stands first, and not alone."""
    if chain[0].subject == chain[0].issuer:
        yield Problem(where="leaf", what="is self-signed, which nobody trusts: get one from an authority")
    elif len(chain) == 1:
        yield Problem(where="chain", what="holds the leaf alone: add the certificates of those who issued it")
    for number, (certificate, issuer) in enumerate(pairwise(chain), start=1):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
            why = "its signature is wrong" if isinstance(error, InvalidSignature) else "the names differ"
            what = f"certificate {number} is not issued by certificate {number + 1} ({why}): leaf first"
            yield Problem(where="chain", what=what)
        if _key_id(certificate, Oid.AUTHORITY_KEY_IDENTIFIER) != _key_id(issuer, Oid.SUBJECT_KEY_IDENTIFIER):
            what = f"certificate {number}'s authority key identifier is not that of certificate {number + 1}"
            yield Problem(where="chain", what=what)


def _common(certificate: x509.Certificate, at: datetime) -> Iterator[str]:
    """What holds for every certificate."""
    if certificate.version is not x509.Version.v3:
        yield "is not an X.509 certificate of version 3"
    if at > certificate.not_valid_after_utc:
        yield f"expired on {_day(certificate.not_valid_after_utc)}: renew it"
    if at < certificate.not_valid_before_utc:
        yield (
            f"is valid from {_day(certificate.not_valid_before_utc)} only, and the clock says {_day(at)}: "
            "is the clock right?"
        )
    if algorithm(certificate.public_key()) is None:
        yield f"its key is none of P-256, P-384, P-521, Ed25519 or RSA from {SMALLEST_RSA} bits on"
    if certificate.signature_algorithm_oid not in SIGNATURES:
        yield "is signed by an algorithm that C2PA does not allow, such as one on SHA-1"
    extensions = certificate.extensions
    if certificate.subject != certificate.issuer and not _has(extensions, x509.AuthorityKeyIdentifier):
        yield "has no authority key identifier"
    if not _has(extensions, x509.SubjectKeyIdentifier):
        yield "has no subject key identifier"


def _leaf(certificate: x509.Certificate) -> Iterator[str]:
    """What the certificate that signs must be."""
    extensions = certificate.extensions
    constraints, usage = _get(extensions, x509.BasicConstraints), _get(extensions, x509.KeyUsage)
    if constraints is not None and constraints.value.ca:
        yield "is an authority's (CA): sign with a leaf that it issued"
    if usage is None or not usage.value.digital_signature:
        yield "its key usage does not allow digitalSignature"
    if usage is not None and not usage.critical:
        yield "its key usage is not marked critical"
    if usage is not None and usage.value.key_cert_sign:
        yield "its key usage allows keyCertSign, which belongs to authorities"
    yield from _purposes(_get(extensions, x509.ExtendedKeyUsage))
    if not certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME):
        yield "names no organisation (O): readers show it as the signer"


def _purposes(extension: x509.Extension[x509.ExtendedKeyUsage] | None) -> Iterator[str]:
    purposes = set(extension.value) if extension is not None else set()
    if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes:
        yield "its extended key usage is anyExtendedKeyUsage, which C2PA refuses"
    if not purposes & set(SIGNING):
        yield "its extended key usage holds none of emailProtection, documentSigning or c2pa-kp-claimSigning"
    if len(purposes) > 1 and purposes & set(ALONE):
        yield "its extended key usage holds timeStamping or OCSPSigning, which stand alone"


def _above(certificate: x509.Certificate) -> Iterator[str]:
    """What a certificate must be that issues others."""
    constraints = _get(certificate.extensions, x509.BasicConstraints)
    usage = _get(certificate.extensions, x509.KeyUsage)
    if constraints is None or not constraints.value.ca:
        yield "is no authority's: basicConstraints lacks CA"
    if usage is None or not usage.value.key_cert_sign:
        yield "its key usage does not allow keyCertSign"


def _key(leaf: x509.Certificate, pem: bytes) -> Iterator[str]:
    def der(key: PublicKeyTypes) -> bytes:
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    if der(read_key(pem, "the key").public_key()) != der(leaf.public_key()):
        yield f"does not belong to the leaf, {title(leaf.subject)}"


def _get(extensions: x509.Extensions, kind: type) -> x509.Extension | None:
    return next((extension for extension in extensions if isinstance(extension.value, kind)), None)


def _has(extensions: x509.Extensions, kind: type) -> bool:
    return _get(extensions, kind) is not None


def _key_id(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> bytes | None:
    try:
        value = certificate.extensions.get_extension_for_oid(oid).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    return getattr(value, "key_identifier", None)


def _day(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC")
