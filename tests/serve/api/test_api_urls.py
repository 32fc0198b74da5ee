"""Addresses of pictures: https to the open internet alone, at every hop."""

from __future__ import annotations

import http.server
import ipaddress
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ornstein.serve.api import fetching
from ornstein.serve.api.fetching import UrlError, fetch, public
from ornstein.serve.service import Bounds
from tests.serve.api.running import picture, running

INSIDE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
    "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "no-address",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_of_a_private_network_is_reached(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def connected(*_: object, **__: object) -> None:
        raise AssertionError("it connected")

    monkeypatch.setattr("socket.create_connection", connected)
    assert not public(address)
    with pytest.raises(UrlError, match="open internet"):
        fetch("https://pictures.example/a.png", 1000, resolving=lambda host, port: [address])
    with pytest.raises(UrlError, match="open internet"):  # one of several is enough to be refused
        fetch("https://pictures.example/a.png", 1000, resolving=lambda host, port: ["93.184.215.14", address])


def test_addresses_of_the_open_internet_are_open() -> None:
    assert public("93.184.215.14")
    assert public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.png", "file:///etc/passwd", "ftp://example.com/a", "gopher://example.com/_x",
        "https://example.com:8443/a.png", "https://user:word@example.com/a.png", "https:///a.png", "//example.com/a",
        "https://[::1", "data:image/png;base64,AA", "", "https://example.com:99999/",
    ],
)  # fmt: skip
def test_only_plain_https_addresses_are_fetched(url: str) -> None:
    with pytest.raises(UrlError):
        fetch(url, 1000, resolving=lambda host, port: pytest.fail("it looked a name up"))


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "[::1]", "[::ffff:169.254.169.254]"],
)
def test_tricks_with_numbers_resolve_to_what_they_are(host: str) -> None:
    with pytest.raises(UrlError):
        fetch(f"https://{host}/a.png", 1000)


Site = tuple[Callable[[str], bytes], list[str]]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A real https server, whose loopback address counts as public here and whose port is the usual one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pictures.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("pictures.example")]), False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = tmp_path / "site.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(f"{self.headers['Host']}{self.path}")
            if self.path.startswith("/to/"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/to/"))
                self.end_headers()
                return
            self.send_response(404 if self.path == "/none" else 200)
            self.send_header("Content-Length", "1000000" if self.path in ("/large", "/slow") else "4")
            self.end_headers()
            if self.path == "/slow":
                done.wait(20)
            self.wfile.write(b"x" * (1_000_000 if self.path == "/large" else 4))

        def log_message(self, *_: object) -> None:
            pass

    done = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(file)
    server.socket = inside.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(
        fetching, "public", lambda address: address == "127.0.0.1" or ipaddress.ip_address(address).is_global
    )
    monkeypatch.setattr(fetching, "PORT", server.server_address[1])
    trusting = ssl.create_default_context(cafile=str(file))

    def get(url: str) -> bytes:
        def resolving(host: str, port: int) -> list[str]:
            return {"metadata.example": ["169.254.169.254"]}.get(host, ["127.0.0.1"])

        return fetch(url, 1000, resolving=resolving, context=trusting)

    yield get, seen
    done.set()
    server.shutdown()


def test_a_picture_is_fetched_by_the_name_of_its_certificate(site: Site) -> None:
    get, seen = site
    assert get("https://pictures.example/a.png?x=1") == b"xxxx"
    assert seen[0].startswith("pictures.example")
    assert seen[0].endswith("/a.png?x=1")
    with pytest.raises(UrlError, match="could not be fetched"):
        get("https://other.example/a.png")  # the certificate is another's


def test_every_redirect_is_judged_anew(site: Site) -> None:
    get, _ = site
    assert get("https://pictures.example/to//b.png") == b"xxxx"
    for there in (
        "http://pictures.example/",
        "https://169.254.169.254/latest",
        "https://metadata.example/",
        "file:///etc",
    ):
        with pytest.raises(UrlError):
            get(f"https://pictures.example/to/{there}")
    with pytest.raises(UrlError, match="too often"):
        get("https://pictures.example" + "/to/" * 8 + "/a")


def test_size_time_and_status_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    get, _ = site
    with pytest.raises(UrlError, match="more than"):
        get("https://pictures.example/large")
    with pytest.raises(UrlError, match="404"):
        get("https://pictures.example/none")
    monkeypatch.setattr(fetching, "SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(UrlError):
        get("https://pictures.example/slow")
    assert time.monotonic() - began < 15


def test_where_addresses_are_on_a_fetched_picture_is_edited(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ornstein.serve.api.images.fetch", lambda url, most: picture())
    with running(tmp_path, bundle, bounds=Bounds(url_inputs=True)) as it, it.http() as client:
        form = {"prompt": (None, "a cow"), "image_url": (None, "https://pictures.example/a.png")}
        assert client.post("/v1/images/edits", files=form).status_code == 200
