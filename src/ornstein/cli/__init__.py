"""The command line: one file a verb. Nothing heavy is imported until a verb runs."""

from __future__ import annotations

import os
import sys

import typer

from ornstein.cli.audit import app as audit
from ornstein.cli.books import app as books
from ornstein.cli.certs import app as certs
from ornstein.cli.compare import compare
from ornstein.cli.costs import costs
from ornstein.cli.data import app as data
from ornstein.cli.detect import detect
from ornstein.cli.docs import app as docs
from ornstein.cli.doctor import doctor
from ornstein.cli.drift import app as drift
from ornstein.cli.evaluate import evaluate
from ornstein.cli.explain import explain
from ornstein.cli.export import export
from ornstein.cli.fit import fit
from ornstein.cli.generate import generate
from ornstein.cli.import_ import import_
from ornstein.cli.impute import impute
from ornstein.cli.invert import invert
from ornstein.cli.keys import app as keys
from ornstein.cli.likelihood import likelihood
from ornstein.cli.models import app as models
from ornstein.cli.policy import app as policy
from ornstein.cli.records import app as records
from ornstein.cli.replay import replay
from ornstein.cli.review import app as review
from ornstein.cli.scorer import scorer
from ornstein.cli.serve import serve
from ornstein.cli.trace import trace
from ornstein.cli.train import train
from ornstein.cli.verify import verify
from ornstein.errors import OrnsteinError, StoppedError

app = typer.Typer(
    name="ornstein", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    rich_markup_mode=None, help="Diffusion models from a folder of licensed data to a served generator.",
)  # fmt: skip
app.command()(generate)
app.command()(impute)
app.command()(replay)
app.command()(explain)
app.command()(invert)
app.command()(likelihood)
app.add_typer(models, name="models")
app.command()(train)
app.command(name="import")(import_)
app.command()(export)
app.add_typer(data, name="data")
app.command()(evaluate)
app.command()(compare)
app.command()(scorer)
app.command()(fit)
app.add_typer(policy, name="policy")
app.add_typer(review, name="review")
app.command()(verify)
app.command()(detect)
app.command()(trace)
app.add_typer(audit, name="audit")
app.add_typer(records, name="records")
app.add_typer(certs, name="certs")
app.add_typer(docs, name="docs")
app.add_typer(keys, name="keys")
app.add_typer(books, name="books")
app.command()(costs)
app.add_typer(drift, name="drift")
app.command()(serve)
app.command()(doctor)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: a mistake is one line on stderr and code 2, a failure one line and code 1."""
    try:
        code = app(args=arguments, prog_name="ornstein", standalone_mode=False)
        if code == StoppedError.exit_code:  # typer's answer to Ctrl-C
            raise KeyboardInterrupt
    except OrnsteinError as error:
        code = _say(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _say("stopped", StoppedError.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: leave quietly
        code = 1
    except MemoryError:
        code = _say("not enough memory", 1)
    except Exception as error:
        # typer's own complaints: their base class has had several homes, this method always
        explain = getattr(error, "format_message", None)
        if explain is None:
            raise
        code = _complain(error, explain())
    sys.exit(code if isinstance(code, int) else 0)


def _complain(error: Exception, message: str) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        print(message)
        return 2
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "ornstein"
    return _say(f"{message.rstrip('.')} (see {command} --help)", getattr(error, "exit_code", 2))


def _say(message: str, code: int) -> int:
    """Print one line on stderr, whatever the message holds."""
    line = " ".join(message.split()).encode("utf-8", "backslashreplace").decode()
    print(f"ornstein: {line}", file=sys.stderr)
    return code
