"""What the tests of credentials share: a file of every kind, chains with faults, a time-stamp service."""

from __future__ import annotations

import http.server
import io
import shutil
import struct
import subprocess
import threading
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from ornstein.guard.credentials.claim import Claim

CLAIM = Claim(
    model="emoji", fingerprint="ab" * 32, policy="cd" * 32, sampler="dpmpp-2m", steps=20, evaluations=40,
    seed=2**53 - 1, guidance=2.5, watermark_key="0123456789abcdef", watermark_code=4095, prompt="a red apple",
)  # fmt: skip
DAY = timedelta(days=1)
PURPOSE = (ExtendedKeyUsageOID.EMAIL_PROTECTION,)


def picture(seed: int = 0, size: int = 32, channels: int = 3) -> np.ndarray:
    """Noise, uint8 (size, size, channels)."""
    return np.random.default_rng(seed).integers(0, 256, (size, size, channels)).astype(np.uint8)


def encoded(kind: str, seed: int = 0, size: int = 32, **options: Any) -> bytes:
    """A picture file by Pillow."""
    file = io.BytesIO()
    Image.fromarray(picture(seed, size)).save(file, kind, **options)
    return file.getvalue()


def sound(seed: int = 0) -> bytes:
    """A WAV file: half a second of noise."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(np.random.default_rng(seed).bytes(8000))
    return file.getvalue()


def film() -> bytes:
    """The boxes of an MP4 file around media data that no decoder has to understand."""

    def box(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", 8 + len(body)) + name + body

    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    header = bytes(4) + struct.pack(">IIIIIH", 0, 0, 1000, 0, 0x10000, 0x100) + bytes(10) + matrix + bytes(24)
    movie = box(b"moov", box(b"mvhd", header + struct.pack(">I", 1)))
    media = box(b"mdat", np.random.default_rng(0).bytes(4000))
    return box(b"ftyp", b"isom" + bytes(4) + b"isommp41") + movie + media


def flac() -> bytes:
    """A FLAC stream's header, of no samples."""
    rate = ((8000 << 44) | (15 << 36)).to_bytes(8, "big")
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + rate + bytes(16)
    return b"fLaC" + bytes([0x80]) + len(info).to_bytes(3, "big") + info


FILES: dict[str, bytes] = {
    "png": encoded("PNG"),
    "jpeg": encoded("JPEG", quality=90),
    "webp": encoded("WEBP", lossless=True),
    "gif": encoded("GIF"),
    "tiff": encoded("TIFF"),
    "avif": encoded("AVIF"),
    "wav": sound(),
    "flac": flac(),
    "mp4": film(),
}


@dataclass(frozen=True)
class Chain:
    """A chain to sign with, in PEM: leaf and intermediate, the leaf's key, and the root to trust."""

    chain: bytes
    key: bytes
    root: bytes

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        return tuple(x509.load_pem_x509_certificates(self.chain))

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        return tuple(x509.load_pem_x509_certificates(self.root))

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Files of chain and key."""
        (folder / "chain.pem").write_bytes(self.chain)
        (folder / "key.pem").write_bytes(self.key)
        return folder / "chain.pem", folder / "key.pem"


def usage(*names: str) -> x509.KeyUsage:
    known = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{name: name in names for name in known})


USAGE = usage("digital_signature")


def a_chain(
    key: Any = None,
    start: timedelta = -DAY,
    end: timedelta = 30 * DAY,
    purposes: Sequence[x509.ObjectIdentifier] = PURPOSE,
    uses: x509.KeyUsage | None = USAGE,
    critical: bool = True,
    authority: bool = False,
    organisation: str | None = "Studio",
    identified: bool = True,
) -> Chain:
    """Root, intermediate and a leaf with the properties asked for, right unless told otherwise."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    root_key, middle_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    above = [(x509.BasicConstraints(True, None), True), (usage("key_cert_sign", "crl_sign"), True)]
    root = certificate("Studio root", root_key, None, root_key, above)
    middle = certificate("Studio intermediate", middle_key, root, root_key, above)
    below: list[tuple[x509.ExtensionType, bool]] = [(x509.BasicConstraints(authority, None), True)]
    below += [(uses, critical)] if uses is not None else []
    below += [(x509.ExtendedKeyUsage(purposes), False)] if purposes else []
    leaf = certificate("leaf", key, middle, middle_key, below, start, end, organisation, identified)
    pem = [part.public_bytes(Encoding.PEM) for part in (leaf, middle, root)]
    return Chain(pem[0] + pem[1], key_pem(key), pem[2])


def certificate(
    common: str,
    key: Any,
    issuer: x509.Certificate | None,
    issuer_key: Any,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    start: timedelta = -DAY,
    end: timedelta = 30 * DAY,
    organisation: str | None = "Studio",
    identified: bool = True,
) -> x509.Certificate:
    """One certificate; `start` and `end` count from now."""
    names = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    names += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    now, subject = datetime.now(UTC), x509.Name(names)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer is not None else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + start)
        .not_valid_after(now + end)
    )
    if identified:
        ids = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        extensions = [*extensions, (ids, False), (above, False)]
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    edwards = isinstance(issuer_key, ed25519.Ed25519PrivateKey)
    return builder.sign(issuer_key, None if edwards else hashes.SHA256())


def key_pem(key: Any) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


OPENSSL = shutil.which("openssl")
SETTINGS = """[tsa]
default_tsa = t
[t]
serial = {0}/serial
signer_cert = {0}/service.pem
certs = {0}/root.pem
signer_key = {0}/key.pem
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@contextmanager
def time_stamps(folder: Path) -> Iterator[tuple[str, tuple[x509.Certificate, ...]]]:
    """A service by RFC 3161 on this machine, answered by openssl: its address, and the root to trust."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    above = [(x509.BasicConstraints(True, None), True), (usage("key_cert_sign", "crl_sign"), True)]
    root = certificate("Clock root", root_key, None, root_key, above)
    below = [
        (x509.BasicConstraints(False, None), True),
        (usage("digital_signature"), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
    ]
    service = certificate("Clock", key, root, root_key, below)
    folder.mkdir()
    for name, part in (("service", service), ("root", root)):
        (folder / f"{name}.pem").write_bytes(part.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key_pem(key))
    (folder / "serial").write_text("01")
    (folder / "settings").write_text(SETTINGS.format(folder))

    def answer(query: bytes) -> bytes:
        assert OPENSSL is not None
        (folder / "query").write_bytes(query)
        arguments = ["-config", folder / "settings", "-section", "t", "-queryfile", folder / "query"]
        subprocess.run([OPENSSL, "ts", "-reply", *arguments, "-out", folder / "reply"], check=True)
        return (folder / "reply").read_bytes()

    with listening(answer) as address:
        yield address, (root,)


@contextmanager
def listening(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """An HTTP service on this machine; yields its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            answer(b"")
            self.send_error(404)

        def log_message(self, *arguments: Any) -> None:
            """Nothing is said."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
