"""Whom this machine believes: its own development root, the user's anchors, and those named for one call."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from c2pa import Context
from cryptography import x509

from ornstein.guard.credentials.certificates import development_root
from ornstein.guard.credentials.pem import as_pem, read_certificates, read_file
from ornstein.guard.credentials.profile import SIGNING
from ornstein.shelf import home

DEVELOPMENT, OTHERS = (
    "user_anchors",
    "trust_anchors",
)  # the library says which of its two lists a signer is on


def folder() -> Path:
    """The user's anchors: PEM files in ``trust`` under ORNSTEIN_HOME."""
    return home().parent / "trust"


class Trust:
    """Roots that a signer's chain may end at; nobody else is trusted, and nothing is fetched.

    Args:
        anchors: certificates of authorities, mostly roots.
        development: the root of this machine's own chain: its files are trusted, and said to be development.
    """

    def __init__(
        self, anchors: tuple[x509.Certificate, ...] = (), development: x509.Certificate | None = None
    ) -> None:
        self.anchors = anchors
        self.development = development

    @classmethod
    def find(cls, file: Path | None = None) -> Trust:
        """The anchors of this machine and user, and those of one PEM file more.

        Raises:
            OrnsteinError: a file that cannot be read, or holds no certificates.
        """
        files = [*sorted(folder().glob("*.pem")), *([file] if file else [])]
        anchors = tuple(anchor for f in files for anchor in read_certificates(read_file(f), str(f)))
        return cls(anchors, development_root())

    @cached_property
    def context(self) -> Context:
        """The library's settings: trust is checked, nothing goes over the network, no thumbnails (400 kB each)."""
        lists = {OTHERS: self.anchors, DEVELOPMENT: (self.development,) if self.development else ()}
        trust = {name: as_pem(anchors).decode() for name, anchors in lists.items() if anchors}
        return Context.from_dict(
            {
                "version": 1,
                "trust": trust | {"trust_config": "\n".join(purpose.dotted_string for purpose in SIGNING)},
                "verify": {
                    "verify_trust": True,
                    "verify_after_sign": False,  # the chain was linted; reading it all again doubles the time
                    "remote_manifest_fetch": False,
                    "ocsp_fetch": False,
                },
                "builder": {"thumbnail": {"enabled": False}},
            }
        )
