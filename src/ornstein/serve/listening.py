"""Where a service listens, and the server that does."""

from __future__ import annotations

import errno
import ipaddress
import socket

import uvicorn

from ornstein.errors import OrnsteinError
from ornstein.serve.api import create_app
from ornstein.serve.service import Service

BACKLOG = 2048
HEADERS = 32 << 10  # bytes of a request before its body


def server(service: Service, grace: float) -> uvicorn.Server:
    """A server of a service. What runs when it is told to stop has `grace` seconds."""
    config = uvicorn.Config(
        create_app(service, grace), log_config=None, server_header=False, timeout_graceful_shutdown=max(1, int(grace)),
        h11_max_incomplete_event_size=HEADERS,
    )  # fmt: skip
    return uvicorn.Server(config)


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OrnsteinError: the port is taken, or the address is not this machine's."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise OrnsteinError(
                f"port {port} is in use: stop what listens there, or take another --port"
            ) from error
        raise OrnsteinError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listening


def loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
