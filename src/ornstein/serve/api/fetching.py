"""Pictures from addresses, where the operator allows it: https alone, and never into a private network.

A name is looked up once for each hop, every address it has must be public, and the connection goes to the very address
that was checked; the certificate must still be the name's. A redirect is a new hop.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import SplitResult, urljoin, urlsplit

from ornstein.errors import UsageError

HOPS = 4
SECONDS = 10.0
CHUNK = 1 << 16
REDIRECTS = (301, 302, 303, 307, 308)

Resolve = Callable[[str, int], list[str]]


class UrlError(UsageError):
    """An address that is not fetched, or that gave nothing."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name. Raises UrlError: it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UrlError("image_url: its host has no address") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def public(address: str) -> bool:
    """Whether an address is one of the open internet: no loopback, private, link-local, shared or reserved one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if inner or ip in ipaddress.ip_network("64:ff9b::/96"):
            return False  # an IPv4 address in disguise has no business here
    return ip.is_global and not ip.is_multicast


def fetch(
    url: str, most: int, *, resolving: Resolve = resolve, context: ssl.SSLContext | None = None
) -> bytes:
    """The bytes at an address.

    Args:
        url: https, on the usual port.
        most: bytes at most.
        resolving: looks names up.
        context: of TLS; the system's certificates where None.

    Raises:
        UrlError: an address that is not public, at whichever hop; too many of them; too large, too slow, no success.
    """
    ends, context = time.monotonic() + SECONDS, context or ssl.create_default_context()
    for _ in range(HOPS):
        parts = _checked(url)
        reply, data = _get(parts, _pinned(parts, resolving), most, ends, context)
        if reply.status not in REDIRECTS:
            if reply.status != 200:
                raise UrlError(f"image_url: its server answered {reply.status}")
            return data
        url = urljoin(url, reply.headers.get("Location", ""))
    raise UrlError("image_url: it redirects too often")


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise UrlError("image_url is no address") from error
    if parts.scheme != "https" or port not in (None, 443) or not host or parts.username or parts.password:
        raise UrlError(
            "image_url: only plain https addresses are fetched, on the usual port and without a password"
        )
    return parts


def _pinned(parts: SplitResult, resolving: Resolve) -> str:
    """The address to connect to: the first of a host, all of which are public."""
    addresses = resolving(str(parts.hostname), 443)
    if not addresses or not all(public(address) for address in addresses):
        raise UrlError("image_url: its host is not on the open internet")
    return addresses[0]


def _get(
    parts: SplitResult, address: str, most: int, ends: float, context: ssl.SSLContext
) -> tuple[http.client.HTTPResponse, bytes]:
    """One request to one address; of a redirect, no body."""
    connection = _Pinned(str(parts.hostname), address, max(0.1, ends - time.monotonic()), context)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    alarm = threading.Timer(max(0.1, ends - time.monotonic()), connection.cut)  # however slowly it drips
    alarm.start()
    try:
        connection.request("GET", target, headers={"Accept": "image/*", "User-Agent": "ornstein"})
        reply = connection.getresponse()
        return reply, b"" if reply.status in REDIRECTS else _read(reply, most)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UrlError(f"image_url could not be fetched ({type(error).__name__})") from error
    finally:
        alarm.cancel()
        connection.close()


def _read(reply: http.client.HTTPResponse, most: int) -> bytes:
    data = bytearray()
    while chunk := reply.read1(CHUNK):
        data += chunk
        if len(data) > most:
            raise UrlError(f"image_url: more than {most >> 20} MiB")
    if reply.length:
        raise UrlError(f"image_url: not all there after {SECONDS:g} s")
    return bytes(data)


class _Pinned(http.client.HTTPSConnection):
    """A connection to one address, by the certificate of a name."""

    def __init__(self, host: str, address: str, seconds: float, context: ssl.SSLContext) -> None:
        super().__init__(host, 443, timeout=seconds, context=context)
        self._address, self._tls = address, context

    def connect(self) -> None:
        """As its parent, without looking the name up again."""
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)

    def cut(self) -> None:
        """End it from another thread; whoever reads from it is woken."""
        with suppress(OSError):
            if self.sock is not None:
                self.sock.shutdown(socket.SHUT_RDWR)
