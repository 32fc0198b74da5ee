"""``ornstein drift``: keep a reference of what a model serves, and measure whether it still serves the like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.cli.database import Database, Store

if TYPE_CHECKING:
    from ornstein.bundle import Bundle
    from ornstein.evaluate.estimate import Estimate
    from ornstein.evaluate.features import FeatureNetwork
    from ornstein.serve.monitor.reference import Reference

app = typer.Typer(
    name="drift", no_args_is_help=True, help="Measure whether a service still makes what it made."
)

ModelName = Annotated[str, typer.Argument(help="A model's name or its folder.")]
File = Annotated[
    Path | None, typer.Option("--file", help="Of the reference; one of yours a model, if left out.")
]


@app.command()
def reference(
    model: ModelName,
    prompts: Annotated[
        Path | None,
        typer.Option(help="A golden sample: a picture of each line of this file, at seeds 0, 1, …"),
    ] = None,
    served: Annotated[
        int | None, typer.Option(min=64, max=5000, help="Or: the latest so many that were served.")
    ] = None,
    file: File = None,
    database: Database = None,
    store: Store = None,
) -> None:
    """Write down what a model's pictures look like now, to compare later ones with."""
    from ornstein.bundle import Bundle
    from ornstein.errors import UsageError
    from ornstein.evaluate.features import find_network
    from ornstein.serve.monitor.reference import NETWORK, default_path
    from ornstein.shelf import find

    if (prompts is None) == (served is None):
        raise UsageError("say what the reference is made of: --prompts FILE or --served COUNT")
    bundle, network = Bundle.open(find(model)), find_network(NETWORK)
    if prompts is not None:
        made = _golden(bundle, prompts, network)
    else:
        made = _served(bundle, served or 0, network, database, store)
    path = file or default_path(bundle.fingerprint)
    made.save(path)
    spread = _told(made.spread(), 1000)
    typer.echo(f"{path}: {len(made.features)} pictures, {made.source}")
    typer.echo(f"two halves of it: KID x 1000 = {spread}")


@app.command()
def measure(
    model: ModelName,
    last: Annotated[int, typer.Option(min=64, max=5000, help="Of the latest so many pictures.")] = 512,
    file: File = None,
    database: Database = None,
    store: Store = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Compare what was served last with the reference: kernel distance and share of refusals, with 95% intervals."""
    from dataclasses import asdict

    from ornstein.bundle import Bundle
    from ornstein.evaluate.features import find_network
    from ornstein.serve.monitor.drift import shift
    from ornstein.serve.monitor.reference import NETWORK, Reference, default_path
    from ornstein.shelf import find

    bundle, network = Bundle.open(find(model)), find_network(NETWORK)
    against = Reference.read(file or default_path(bundle.fingerprint), bundle.fingerprint, network.key)
    now = _served(bundle, last, network, database, store)
    distance, spread = against.distance(now.features), against.spread()
    refused = now.refusals()
    more = shift(refused, against) if refused is not None else None
    if as_json:
        found = {"kid": distance, "kid_within_reference": spread, "refused": refused, "refused_more": more}
        typer.echo(json.dumps({name: asdict(value) if value else None for name, value in found.items()}))
        return
    typer.echo(f"pictures: KID x 1000 = {_told(distance, 1000)}, of {distance.count}")
    typer.echo(f"without drift: {_told(spread, 1000)}; {against.source}")
    if refused is not None:
        typer.echo(f"refused: {_told(refused, 100)} % of {refused.count} requests")
    if more is not None:
        typer.echo(f"more than then: {_told(more, 100)} %")


def _golden(bundle: Bundle, prompts: Path, network: FeatureNetwork) -> Reference:
    import torch

    from ornstein.errors import OrnsteinError
    from ornstein.guard.guarded import Guarded
    from ornstein.model import Model
    from ornstein.serve.monitor.drift import looked_at
    from ornstein.serve.monitor.reference import Reference

    try:
        lines = [line.strip() for line in prompts.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise OrnsteinError(f"cannot read prompts from {prompts}: one a line, in UTF-8") from error
    answers = Guarded(Model.load(bundle.folder)).generate(lines, list(range(len(lines))))
    pictures = [answer.output.array for answer in answers if answer.output is not None]
    if not pictures:
        raise OrnsteinError("no picture of these prompts went out")
    features = torch.stack(looked_at(network, pictures))
    return Reference(features, network.key, bundle.fingerprint, f"a golden sample of {prompts.name}")


def _served(
    bundle: Bundle, count: int, network: FeatureNetwork, database: str | None, store: str | None
) -> Reference:
    import torch

    from ornstein.errors import OrnsteinError
    from ornstein.serve.books import Books
    from ornstein.serve.monitor.drift import looked_at
    from ornstein.serve.monitor.reference import Reference
    from ornstein.serve.monitor.served import latest

    found = latest(Books.open(database, store=store), bundle.facts.name, count)
    if not found.pictures:
        raise OrnsteinError(f"no picture of {bundle.facts.name!r} is in the books")
    features = torch.stack(looked_at(network, found.pictures))
    source = f"served until {found.until:%Y-%m-%d}"
    return Reference(features, network.key, bundle.fingerprint, source, found.asked, found.refused)


def _told(estimate: Estimate, scale: float) -> str:
    value, low, high = (scale * figure for figure in (estimate.value, estimate.low, estimate.high))
    return f"{value:.2f} ({low:.2f} to {high:.2f})"
