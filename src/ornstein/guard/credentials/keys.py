"""A signing key that lies elsewhere, behind a callback: its signatures in the form that credentials want."""

from __future__ import annotations

import threading
from collections.abc import Callable

from c2pa import C2paSigningAlg
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from ornstein.errors import OrnsteinError
from ornstein.guard.credentials.profile import algorithm
from ornstein.guard.credentials.texts import one_line

PROBE = b"ornstein: does this key sign?"
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)

Sign = Callable[[bytes], bytes]


class KeyService:
    """The callback as the library calls it: never raises, an error is kept for the thread that met it.

    Args:
        sign: takes a message, returns its signature.
        key: the leaf's, of a kind that the profile allows.
    """

    def __init__(self, sign: Sign, key: PublicKeyTypes) -> None:
        name = algorithm(key)
        assert name is not None
        self.algorithm = C2paSigningAlg[name.upper()]
        self._sign, self._key = sign, key
        self._errors = threading.local()

    def __call__(self, message: bytes) -> bytes:
        """The signature, ECDSA's as r and s of fixed size (RFC 9053, section 2.1); empty after an error."""
        self._errors.met = None
        try:
            return self._fixed(self._sign(message))
        except Exception as error:  # whatever a stranger's client raises
            self._errors.met = error
            return b""

    @property
    def met(self) -> Exception | None:
        """The error of this thread's last call."""
        return getattr(self._errors, "met", None)

    def prove(self) -> None:
        """Sign a message and verify it: whether the service answers, and with the leaf's key.

        Raises:
            OrnsteinError: it does not.
        """
        signature = self(PROBE)
        if self.met:
            raise OrnsteinError(f"the key service does not sign: {one_line(self.met)}")
        try:
            self._verify(signature)
        except (InvalidSignature, ValueError):
            raise OrnsteinError("the key service signs with another key than that of the leaf") from None

    def _fixed(self, signature: bytes) -> bytes:
        """ECDSA signatures come in DER from most services, and as r and s from some."""
        if not isinstance(self._key, ec.EllipticCurvePublicKey):
            return signature
        size = (self._key.key_size + 7) // 8
        try:
            r, s = decode_dss_signature(signature)
        except ValueError:
            return signature
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def _verify(self, signature: bytes) -> None:
        if isinstance(self._key, ec.EllipticCurvePublicKey):
            half = len(signature) // 2
            r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
            hashed = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[self._key.key_size]
            self._key.verify(encode_dss_signature(r, s), PROBE, ec.ECDSA(hashed))
        elif isinstance(self._key, rsa.RSAPublicKey):
            self._key.verify(signature, PROBE, PSS, hashes.SHA256())
        elif isinstance(self._key, ed25519.Ed25519PublicKey):
            self._key.verify(signature, PROBE)
