"""``ornstein serve``: models behind an HTTP interface."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Literal

import typer

GRACE = 20.0  # seconds that running requests have when the server stops
TURN = 0.0005  # seconds that a thread may keep the interpreter: the engine's need it for microseconds, often

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
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto.")]
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
    device: Device = "auto",
    url_inputs: UrlInputs = "off",
    log_format: LogFormat = "text",
) -> None:
    """Serve models: OpenAI's images and completions at /v1, rows of tables, a studio at /, and /metrics."""
    from ornstein.errors import MissingExtraError, UsageError

    try:
        from ornstein.serve.listening import bound, loopback, server
        from ornstein.serve.monitor import logs
        from ornstein.serve.opening import few_heaps, keep_loaded, open_service
    except MissingExtraError:
        raise
    except ImportError as error:
        raise MissingExtraError("serving", "serve") from error
    from ornstein.serve.service import Bounds
    from ornstein.shelf import find
    from ornstein.train.device import find_device

    few_heaps()
    place = find_device(device)
    folders = [find(name) for name in bundles or ["emoji"]]
    service = open_service(folders, policy, database, store, Bounds(url_inputs=url_inputs == "on"))
    if service.local is not None and not loopback(host):
        raise UsageError(
            f"{host} is open to others and there is no API key: make one with `ornstein keys create`"
        )
    listening = bound(host, port)
    logs.set_up(log_format)
    sys.setswitchinterval(TURN)
    it = server(service, GRACE)

    def load() -> None:
        try:
            service.load(folders, place, rows=rows, deterministic=deterministic, objective=objective)
            keep_loaded()
        except Exception:  # told below, once the server has stopped
            it.should_exit = True

    threading.Thread(target=load, name="load", daemon=True).start()
    signal.signal(
        signal.SIGTERM, lambda number, frame: None
    )  # the server stops by itself, and all is well: exit 0
    typer.echo(f"ornstein: http://{host}:{listening.getsockname()[1]}", err=True)
    it.run(sockets=[listening])
    if service.failure is not None:
        raise service.failure
