"""``ornstein serve``: models behind an HTTP interface."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    import socket

    from ornstein.serve.service import Service

GRACE = 20.0  # seconds that running requests have when the server stops

Names = Annotated[list[str] | None, typer.Argument(help="Models by name or folder; emoji if left out.")]
Host = Annotated[str, typer.Option(help="Address to listen on; any but this machine's own needs API keys.")]
Port = Annotated[int, typer.Option(min=0, max=65535)]
Named = Annotated[Path | None, typer.Option("--policy", help="A policy file (the one in force).")]
Database = Annotated[
    str | None,
    typer.Option(
        help="Of the books: sqlite:///FILE or postgresql+psycopg://… (ORNSTEIN_DATABASE, else a file)."
    ),
]
StoreUrl = Annotated[
    str | None, typer.Option("--store", help="Of the pictures: a folder or s3://BUCKET/PREFIX.")
]
Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="A picture's bits are the same in any mix.")
]
Rows = Annotated[int | None, typer.Option(min=1, help="Of the network at once (measured where left out).")]
Objective = Annotated[float, typer.Option(min=0.1, help="Seconds within which what is let in shall be done.")]
UrlInputs = Annotated[
    Literal["on", "off"],
    typer.Option(help="Whether image_url is fetched: https, never into a private network."),
]
LogFormat = Annotated[Literal["json", "text"], typer.Option(help="Of the log, on the error stream.")]


def serve(
    bundles: Names = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    policy: Named = None,
    database: Database = None,
    store: StoreUrl = None,
    deterministic: Deterministic = False,
    rows: Rows = None,
    objective: Objective = 30.0,
    url_inputs: UrlInputs = "off",
    log_format: LogFormat = "text",
) -> None:
    """Serve models: OpenAI's images API at /v1, a studio at /, and /metrics."""
    from ornstein.errors import MissingExtraError, UsageError

    try:
        import uvicorn

        from ornstein.serve.api import create_app
        from ornstein.serve.monitor import logs
        from ornstein.serve.opening import open_service
    except ImportError as error:
        raise MissingExtraError("serving", "serve") from error
    from ornstein.serve.service import Bounds
    from ornstein.shelf import find

    folders = [find(name) for name in bundles or ["emoji"]]
    service = open_service(folders, policy, database, store, Bounds(url_inputs=url_inputs == "on"))
    if service.local is not None and not _loopback(host):
        raise UsageError(
            f"{host} is open to others and there is no API key: make one with `ornstein keys create`"
        )
    listening = _bound(host, port)
    logs.set_up(log_format)
    config = uvicorn.Config(
        create_app(service, GRACE), log_config=None, server_header=False, timeout_graceful_shutdown=int(GRACE),
        h11_max_incomplete_event_size=32 << 10,
    )  # fmt: skip
    server = uvicorn.Server(config)

    def load() -> None:
        try:
            service.load(folders, rows=rows, deterministic=deterministic, objective=objective)
        except Exception:  # told below, once the server has stopped
            server.should_exit = True

    threading.Thread(target=load, name="load", daemon=True).start()
    signal.signal(
        signal.SIGTERM, lambda number, frame: None
    )  # the server's own way to stop is enough: exit 0
    typer.echo(f"ornstein: http://{host}:{listening.getsockname()[1]}", err=True)
    server.run(sockets=[listening])
    _raise_what_failed(service)


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OrnsteinError: the port is taken, or the address is not this machine's."""
    import errno
    import socket

    from ornstein.errors import OrnsteinError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise OrnsteinError(
                f"port {port} is in use: stop what listens there, or take another --port"
            ) from error
        raise OrnsteinError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listening


def _loopback(host: str) -> bool:
    import ipaddress

    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _raise_what_failed(service: Service) -> None:
    if service.failure is not None:
        raise service.failure
