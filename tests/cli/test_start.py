"""The command line starts at once and answers every mistake in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small import Command

HEAVY = ("torch", "pydantic", "numpy", "PIL", "transformers", "rich", "safetensors", "pyarrow")


@pytest.mark.parametrize("code", ["import ornstein", "import ornstein.cli"])
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    check = f"import sys; {code}; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_generating_imports_no_library_that_it_can_do_without(bundle: Path, tmp_path: Path) -> None:
    """Each of these costs a second or more of every start."""
    heavy = ("transformers", "torch._dynamo", "sympy", "scipy", "pyarrow", "huggingface_hub")
    script = (
        "import sys; from ornstein.model import Model\n"
        f"Model.load({str(bundle)!r}).generate('cat', seeds=1)[0].save({str(tmp_path / 'a.png')!r})\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert said.stdout == "[]\n"


def test_help_names_every_verb(ornstein: Command) -> None:
    said = ornstein("--help")
    assert said.code == 0
    for verb in ("generate", "replay", "models", "train", "data", "doctor"):
        assert f"\n  {verb} " in said.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generat"], "No such command 'generat'"),
        (["--nonsense"], "No such option: --nonsense"),
        (["models", "shw"], "No such command 'shw'"),
        (["models", "show"], "Missing argument"),
        (["models", "list", "extra"], "Got unexpected extra argument"),
        (["doctor", "--json=yes"], "does not take a value"),
    ],
)
def test_usage_errors_are_one_line(ornstein: Command, arguments: list[str], message: str) -> None:
    said = ornstein(*arguments)
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert said.err.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_error(bundle: Path) -> None:
    command = f"{sys.executable} -m ornstein models show {bundle} | head -c 1"
    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert said.stderr == ""
