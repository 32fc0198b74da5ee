"""``ornstein policy``: what is checked here, whether a policy can be used, and what it says to a prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ornstein.cli.generate import Json, Named
from ornstein.errors import OrnsteinError, UsageError

if TYPE_CHECKING:
    from ornstein.guard.decision import Decision

app = typer.Typer(name="policy", no_args_is_help=True, help="Show, check and try what is refused here.")

LARGEST_CASES = 64 << 20  # bytes


@app.command()
def show(policy: Named = None, as_json: Json = False) -> None:
    """Print the policy in force, defaults written out, with its hash and where it lies."""
    import yaml

    from ornstein.guard.policy import Policy, where

    found = Policy.find(policy)
    values = found.model_dump(mode="json")
    if as_json:
        typer.echo(json.dumps({"file": str(where(policy)), "hash": found.hash, "policy": values}))
        return
    typer.echo(f"# {where(policy)}\n# sha256 {found.hash}")
    typer.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110).rstrip())


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A policy file.")], as_json: Json = False) -> None:
    """Say whether a policy can be used here: its keys, and every checker, list, key and certificate that it names."""
    from ornstein.guard.pictures.filter import PictureFilter
    from ornstein.guard.policy import Policy
    from ornstein.guard.prompts.filter import PromptFilter
    from ornstein.guard.publish import Publisher

    policy = Policy.read(file)
    PromptFilter(policy.prompt)
    PictureFilter(policy.input.checkers, "input")
    PictureFilter(policy.output.checkers, "output")
    Publisher(policy)
    answer = {"file": str(file), "name": policy.name, "hash": policy.hash, "ok": True}
    typer.echo(json.dumps(answer) if as_json else f"{file}: can be used; sha256 {policy.hash}")


@app.command(name="test")
def try_prompts(
    prompts: Annotated[list[str] | None, typer.Argument(help="Prompts to try.")] = None,
    policy: Named = None,
    cases: Annotated[
        Path | None, typer.Option(help="A YAML list of {prompt, expect}; exit 1 where one is not met.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what the policy does with prompts; nothing is drawn and nothing recorded."""
    from ornstein.guard.decision import strictest
    from ornstein.guard.policy import Policy
    from ornstein.guard.prompts.filter import PromptFilter

    expected = _cases(cases) if cases else []
    asked = [(prompt, None) for prompt in prompts or []] + expected
    if not asked:
        raise UsageError("no prompt: name some, or --cases FILE")
    found = Policy.find(policy)
    stage = PromptFilter(found.prompt)
    missed = 0
    for prompt, expect in asked:
        changed, decisions = stage.check(prompt)
        action = strictest(decisions)
        wrong = expect is not None and expect != action
        missed += wrong
        if as_json:
            said = [decision.model_dump(mode="json") for decision in decisions]
            line = {
                "prompt": prompt,
                "action": action,
                "expect": expect,
                "becomes": changed,
                "decisions": said,
            }
            typer.echo(json.dumps(line, ensure_ascii=False))
        else:
            typer.echo(_line(prompt, action, changed, decisions) + (f"  EXPECTED {expect}" if wrong else ""))
    if missed:
        raise OrnsteinError(f"{missed} of {len(expected)} cases are not met by policy {found.name}")


def _line(prompt: str, action: str, changed: str, decisions: tuple[Decision, ...]) -> str:
    why = "; ".join(
        f"{decision.rule} ({decision.finding.score:.2f})" if decision.finding else decision.rule
        for decision in decisions
    )
    became = f" -> {changed}" if changed != prompt else ""
    return f"{action:<10}{prompt}{became}" + (f"  [{why}]" if why else "")


def _cases(file: Path) -> list[tuple[str, str | None]]:
    """Read (prompt, expected action) pairs. Raises UsageError saying what a case is."""
    import yaml

    from ornstein.guard.decision import ORDER

    try:
        if file.stat().st_size > LARGEST_CASES:
            raise UsageError(f"{file} is larger than any list of cases")
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OrnsteinError(f"cannot read {file}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not readable YAML: {' '.join(str(error).split())[:150]}") from error
    out: list[tuple[str, str | None]] = []
    for number, case in enumerate(values if isinstance(values, list) else [values], start=1):
        if not isinstance(case, dict) or set(case) != {"prompt", "expect"} or case["expect"] not in ORDER:
            raise UsageError(f"{file}, case {number}: write {{prompt: …, expect: {' | '.join(ORDER)}}}")
        out.append((str(case["prompt"]), case["expect"]))
    return out
