"""Signing files: who signs, what is said, and what happens while the time-stamp service is down."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import c2pa
from cryptography import x509

from ornstein.errors import OrnsteinError, UsageError
from ornstein.guard.credentials.certificates import Identity, development
from ornstein.guard.credentials.claim import PARENT, Claim, manifest
from ornstein.guard.credentials.keys import KeyService, Sign
from ornstein.guard.credentials.media import NAMES, UNKNOWN, mime_of
from ornstein.guard.credentials.pem import as_pem, as_pkcs8, read_certificates, read_file
from ornstein.guard.credentials.profile import algorithm, lint
from ornstein.guard.credentials.texts import one_line
from ornstein.guard.credentials.trust import Trust
from ornstein.guard.policy import Credentials

KEY_VARIABLE, CHAIN_VARIABLE = "ORNSTEIN_SIGNING_KEY", "ORNSTEIN_SIGNING_CHAIN"
REST = 60.0  # seconds without a stamp, once a service is down: asking one that hangs takes 30


@dataclass(frozen=True)
class Signed:
    """A signed file.

    Attributes:
        data: its bytes. stamp: "stamped"; "down" where the service did not answer and the policy allows that; "none"
            where the policy asks for none.
    """

    data: bytes
    stamp: Literal["none", "stamped", "down"]


class Signer:
    """Signs files in one name. Threads may share it; a forked process makes its own.

    Args:
        chain: leaf first; checked against the profile.
        native: makes the library's signer, given the address of a time-stamp service or None.
        policy: what is said, and which service stamps it.
        service: that holds the key, where another than this process does.

    Raises:
        OrnsteinError: the chain cannot sign what others accept; the first reason is named.
    """

    def __init__(
        self,
        chain: tuple[x509.Certificate, ...],
        native: Callable[[str | None], c2pa.Signer],
        policy: Credentials,
        service: KeyService | None = None,
    ) -> None:
        _refuse(chain, None)
        self.chain = chain
        self.policy = policy
        self._service = service
        stamp = policy.time_stamp
        try:
            self._plain = native(None)
            self._stamping = native(stamp.url) if stamp else None
        except c2pa.C2paError as error:
            raise OrnsteinError(f"the signing certificate cannot be used: {one_line(error)}") from error
        self._context = Trust.find().context  # by which the library judges the credentials of inputs
        self._resumes = 0.0

    @classmethod
    def of(cls, policy: Credentials) -> Signer:
        """The policy's signer: chain and key from its files, else from the environment, else of development.

        Raises:
            UsageError: a chain without its key, or the other way round. OrnsteinError: unreadable files, or a chain
                that does not fit the profile or the key.
        """
        who = _identity(policy)
        _refuse(who.chain, who.key)
        name, pem, key = algorithm(who.chain[0].public_key()), as_pem(who.chain), as_pkcs8(who.key)

        def native(stamps: str | None) -> c2pa.Signer:
            return c2pa.Signer.from_info(c2pa.C2paSignerInfo(name, pem, key, stamps))

        return cls(who.chain, native, policy)

    @classmethod
    def from_callback(cls, sign: Sign, chain: bytes, policy: Credentials | None = None) -> Signer:
        """A signer whose key lies elsewhere, in a key service or a security module.

        Args:
            sign: takes the message, returns its signature by the leaf's key: ECDSA with SHA-256, 384 or 512 for P-256,
                P-384 or P-521 (in DER, or as r and s), PSS with SHA-256 and a salt of 32 bytes for RSA, or Ed25519.
            chain: certificates in PEM, leaf first.
            policy: what is said; its chain and key are not used.

        Raises:
            OrnsteinError: the chain does not fit the profile, or `sign` fails on a first message.
        """
        certificates = read_certificates(chain, "the chain")
        _refuse(certificates, None)
        service = KeyService(sign, certificates[0].public_key())
        service.prove()
        pem = as_pem(certificates).decode()

        def native(stamps: str | None) -> c2pa.Signer:
            return c2pa.Signer.from_callback(service, service.algorithm, pem, stamps)

        return cls(certificates, native, policy or Credentials(), service)

    def sign(self, data: bytes, claim: Claim, parent: bytes | None = None, *, stamp: bool = True) -> Signed:
        """A file with its credential inside; everything else in it stays as it is.

        Args:
            data: the whole file, of a kind that carries credentials.
            claim: how it was made. Its prompt stays out where the policy keeps it out.
            parent: the file that was edited; with its own credential, where it has one.
            stamp: whether to ask the policy's time-stamp service, where it names one.

        Raises:
            OrnsteinError: another kind of file, a certificate that has run out meanwhile, a key service that fails, or
                a time-stamp service that is down where the policy then denies.
        """
        mime = mime_of(data)
        if mime is None:
            raise OrnsteinError(f"this kind of file carries no credentials: write {NAMES}")
        return self._signed(_File(data, mime, self._manifest(claim, parent is not None), parent), stamp)

    def beside(self, data: bytes, claim: Claim) -> Signed:
        """The credential of a file that has no place for one, such as text or a table: a file of its own beside it.

        C2PA 2.2, section 11.4, "External manifests": it holds the hash of every byte of the file that it is about.

        Args:
            data: the whole file, of any kind.
            claim: as of ``sign``.

        Raises:
            OrnsteinError: as ``sign``, except for the kind of file.
        """
        return self._signed(_File(data, UNKNOWN, self._manifest(claim, False), None, beside=True), True)

    def _manifest(self, claim: Claim, edited: bool) -> dict[str, Any]:
        """What is said, without the prompt where the policy keeps it out."""
        if not self.policy.prompt:
            claim = claim.model_copy(update={"prompt": None})
        return manifest(claim, self.policy.training, edited)

    def _signed(self, file: _File, stamp: bool) -> Signed:
        if self._stamping is None or not stamp:
            return Signed(self._embed(file, self._plain), "none")
        return self._stamped(file, self._stamping)

    def _stamped(self, file: _File, stamping: c2pa.Signer) -> Signed:
        """With a stamp, or as the policy says where there is none to be had."""
        stamp, why = self.policy.time_stamp, f"it did not answer less than {REST:.0f} s ago"
        assert stamp is not None
        if asked := time.monotonic() >= self._resumes:
            try:
                return Signed(self._embed(file, stamping), "stamped")
            except OrnsteinError as error:
                why = str(error)
        unstamped = self._embed(file, self._plain)  # so it was the stamp; any other error leaves here
        if asked:
            self._resumes = time.monotonic() + REST
        if stamp.when_down == "deny":
            raise OrnsteinError(
                f"the time-stamp service {stamp.url} is down, and the policy then denies: {why}"
            )
        return Signed(unstamped, "down")

    def _embed(self, file: _File, signer: c2pa.Signer) -> bytes:
        signed = io.BytesIO()
        try:
            with c2pa.Builder(file.definition, context=self._context) as builder:
                if file.parent is not None:
                    _add_parent(builder, file.parent)
                if file.beside:
                    builder.set_no_embed()
                credential = builder.sign(signer, file.mime, io.BytesIO(file.data), signed)
        except c2pa.C2paError as error:
            met = self._service.met if self._service else None
            raise OrnsteinError(f"cannot sign: {one_line(met or error)}") from error
        return credential if file.beside else signed.getvalue()


@dataclass(frozen=True)
class _File:
    data: bytes
    mime: str
    definition: dict[str, Any]
    parent: bytes | None
    beside: bool = False


def _add_parent(builder: c2pa.Builder, parent: bytes) -> None:
    """Name the file that was edited; of one that the library cannot read, its hash alone."""
    ingredient = {"title": "input", "relationship": "parentOf", "label": PARENT}
    try:
        builder.add_ingredient(ingredient, mime_of(parent) or UNKNOWN, io.BytesIO(parent))
    except c2pa.C2paError:
        builder.add_ingredient(ingredient, UNKNOWN, io.BytesIO(parent))


def named_chain(policy: Credentials) -> tuple[x509.Certificate, ...] | None:
    """The certificates that the policy or the environment names; None where the development chain signs.

    Raises:
        OrnsteinError: they cannot be read.
    """
    pem = read_file(policy.chain) if policy.chain else os.environ.get(CHAIN_VARIABLE, "").encode()
    return read_certificates(pem, str(policy.chain or CHAIN_VARIABLE)) if pem else None


def _identity(policy: Credentials) -> Identity:
    chain = named_chain(policy)
    key = read_file(policy.key) if policy.key else os.environ.get(KEY_VARIABLE, "").encode()
    if chain is None and not key:
        return development()
    if chain is None:
        raise UsageError(f"a key without its certificates: name the policy's chain, or set {CHAIN_VARIABLE}")
    if not key:
        raise UsageError(f"certificates without their key: name the policy's key, or set {KEY_VARIABLE}")
    return Identity(chain, key)


def _refuse(chain: tuple[x509.Certificate, ...], key: bytes | None) -> None:
    if problems := lint(chain, key):
        more = f" (and {len(problems) - 1} more: ornstein certs lint)" if len(problems) > 1 else ""
        raise OrnsteinError(f"the signing certificate cannot be used: {problems[0]}{more}")
