"""``ornstein review``: what the policy holds back until a person decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ornstein.cli.generate import Force, Json, Named

app = typer.Typer(
    name="review", no_args_is_help=True, help="Decide about prompts and pictures that are held."
)

Id = Annotated[str, typer.Argument(help="Of the case.")]


@app.command(name="list")
def list_cases(as_json: Json = False) -> None:
    """List what waits, oldest first."""
    from ornstein.guard.review import Reviews

    for case in Reviews().waiting():
        rules = ", ".join(decision.rule for decision in case.decisions)
        told = {"id": case.id, "stage": case.stage, "held": case.held, "rules": rules}
        typer.echo(json.dumps(told) if as_json else f"{case.id}  {case.held}  {case.stage:<7} {rules}")


@app.command()
def show(
    name: Id,
    picture: Annotated[
        Path | None, typer.Option(help="Also write the held picture here, unsigned, for whoever decides.")
    ] = None,
    force: Force = False,
) -> None:
    """Show a case: the prompt in clear, and why it is held."""
    from ornstein.errors import UsageError
    from ornstein.guard.review import Reviews
    from ornstein.output import write

    reviews = Reviews()
    case = reviews.case(name)
    if picture is not None:
        if case.stage == "prompt":
            raise UsageError(f"case {case.id} is a prompt: there is no picture")
        write(picture, reviews.picture(case), force)
    typer.echo(json.dumps(case.model_dump(mode="json"), indent=1, ensure_ascii=False))


@app.command()
def approve(
    name: Id,
    out: Annotated[Path | None, typer.Option(help="Of a held picture: the .png file to write.")] = None,
    policy: Named = None,
    force: Force = False,
) -> None:
    """Let a prompt pass under this policy from now on, or sign a held picture and write it."""
    from ornstein.errors import UsageError
    from ornstein.guard.policy import Policy
    from ornstein.guard.release import note, release
    from ornstein.guard.review import Reviews
    from ornstein.output import refuse_existing, refuse_unwritable, write

    reviews, rules = Reviews(), Policy.find(policy)
    case = reviews.case(name)
    if case.stage == "prompt":
        if out is not None:
            raise UsageError(f"case {case.id} is a prompt: it has no file, leave --out out")
        note(rules, case, "approved")
    else:
        if out is None or out.suffix.lower() != ".png":
            raise UsageError(f"case {case.id} is a picture: name the file to write, --out FILE.png")
        refuse_existing(out, force)
        refuse_unwritable(out.parent)
        file = release(reviews, case, rules)
        note(rules, case, "approved", (file.sha256,))
        write(out, file.data, force)
        typer.echo(str(out))
    reviews.settle(case, permit=True)


@app.command()
def reject(name: Id, policy: Named = None) -> None:
    """Delete a case; nothing goes out."""
    from ornstein.guard.policy import Policy
    from ornstein.guard.release import note
    from ornstein.guard.review import Reviews

    reviews, rules = Reviews(), Policy.find(policy)
    case = reviews.case(name)
    note(rules, case, "rejected")
    reviews.settle(case, permit=False)
