"""The verbs, as a user and as a machine meet them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ornstein.cli.data import app
from ornstein.data.pack import Pack
from ornstein.errors import OrnsteinError, UsageError

runner = CliRunner()


def run(*words: str) -> str:
    result = runner.invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_pack_show_check(pictures: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    said = run(
        "pack", str(pictures), "--out", out, "--size", "16", "--licence", "CC-BY-4.0", "--holder", "Ann"
    )
    assert "6 pictures of 2 concepts" in said
    facts = json.loads(run("show", out, "--json"))
    assert facts["fingerprint"] == Pack.open(out).fingerprint
    assert facts["holder"] == {"Ann (CC-BY-4.0)": 6}
    assert "CC-BY-4.0" in run("show", out)
    assert json.loads(run("check", out, "--json"))["kind"] == "pack"
    assert "errors: 0" in run("check", str(pictures))


def test_check_exits_with_one_on_errors(pictures: Path) -> None:
    (pictures / "owl/bad.png").write_bytes(b"no picture")
    result = runner.invoke(app, ["check", str(pictures)])
    assert result.exit_code == 1
    assert "owl/bad.png: not a readable picture" in result.output
    result = runner.invoke(app, ["check", str(pictures), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["unreadable"][0]["path"] == "owl/bad.png"


def test_unknown_set_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'emoji'"):
        run("fetch", "emojis")


def test_allow_list(pictures: Path, tmp_path: Path) -> None:
    words = (
        "pack",
        str(pictures),
        "--out",
        str(tmp_path / "out"),
        "--licence",
        "CC-BY-SA-4.0",
        "--holder",
        "Ann",
    )
    with pytest.raises(OrnsteinError, match=r"CC-BY-SA-4\.0 \(6 pictures"):
        run(*words)
    run(*words, "--allow", "default,CC-BY-SA-4.0")


def test_existing_output_needs_force(make_pack: Callable[..., Pack], pictures: Path) -> None:
    out = str(make_pack([{}]).folder)
    with pytest.raises(UsageError, match="--force"):
        run("pack", str(pictures), "--out", out, "--licence", "MIT")
    run("pack", str(pictures), "--out", out, "--licence", "MIT", "--force")


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'pyarrow', 'PIL', 'resvg_py', 'torch'}"
    code = f"import sys, ornstein.cli.data; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_data_imports_no_torch() -> None:
    modules = ("pack", "draw", "emoji", "fashion", "check", "pack_folder")
    imports = "; ".join(f"import ornstein.data.{name}" for name in modules)
    code = f"import sys; {imports}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
