"""``ornstein verify`` and ``ornstein certs``: exit codes, plain words, and no traceback whatever the file."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from ornstein.guard.credentials.signing import Signer
from ornstein.guard.policy import Credentials
from tests.guard.signed import CLAIM, DAY, FILES, a_chain
from tests.small import Command

PNG = FILES["png"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and nothing in the environment."""
    monkeypatch.setenv("ORNSTEIN_HOME", str(tmp_path / "home"))
    for name in ("ORNSTEIN_POLICY", "ORNSTEIN_SIGNING_KEY", "ORNSTEIN_SIGNING_CHAIN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """One file in each state."""
    signed = Signer.of(Credentials()).sign(PNG, CLAIM).data
    changed = bytearray(signed)
    changed[-30] ^= 1
    stranger = a_chain()
    chain, key = stranger.write(tmp_path)
    (tmp_path / "studio.pem").write_bytes(stranger.root)
    valid = Signer.of(Credentials(chain=chain, key=key)).sign(PNG, CLAIM).data
    contents = {"trusted": signed, "invalid": bytes(changed), "valid": valid, "none": PNG}
    for name, data in contents.items():
        (tmp_path / f"{name}.png").write_bytes(data)
    return {name: tmp_path / f"{name}.png" for name in contents}


@pytest.mark.parametrize(
    ("state", "code", "required"), [("trusted", 0, 0), ("valid", 0, 1), ("invalid", 1, 1), ("none", 0, 1)]
)
def test_exit_codes(ornstein: Command, files: dict[str, Path], state: str, code: int, required: int) -> None:
    said = ornstein("verify", files[state])
    assert (said.code, said.err) == (code, "")
    assert said.out.startswith(f"{files[state]}: {state}\n")
    assert ornstein("verify", files[state], "--require", "trusted").code == required


def test_one_bad_file_among_good_ones(ornstein: Command, files: dict[str, Path]) -> None:
    said = ornstein("verify", files["trusted"], "nowhere.png", files["trusted"])
    assert said.code == 1
    assert said.out.count(": trusted\n") == 2
    assert "nowhere.png: not read: No such file" in said.out


def test_json_says_everything(ornstein: Command, files: dict[str, Path], tmp_path: Path) -> None:
    said = ornstein("verify", *files.values(), tmp_path, "--json")
    rows = json.loads(said.out)
    assert [row.get("state") for row in rows] == ["trusted", "invalid", "valid", "none", None]
    assert rows[0]["claim"]["seed"] == CLAIM.seed
    assert rows[0]["development"] is True
    assert rows[4]["error"] == "Is a directory"


def test_anchors_of_the_users_own(ornstein: Command, files: dict[str, Path], tmp_path: Path) -> None:
    arguments = ["verify", files["valid"], "--require", "trusted", "--anchors"]
    assert ornstein(*arguments, tmp_path / "studio.pem").code == 0
    for bad in (files["valid"], tmp_path / "nowhere.pem"):
        said = ornstein(*arguments, bad)
        assert (said.code, said.err.count("\n"), said.out) == (1, 1, "")


def test_a_requirement_that_is_unknown(ornstein: Command, files: dict[str, Path]) -> None:
    said = ornstein("verify", files["trusted"], "--require", "trustd")
    assert (said.code, said.out) == (2, "")
    assert "did you mean 'trusted'?" in said.err


def test_nothing_that_an_invalid_file_says_is_repeated(ornstein: Command, files: dict[str, Path]) -> None:
    said = ornstein("verify", files["invalid"]).out
    assert "changed after it was signed" in said
    assert "emoji" not in said
    assert "created" not in said


def test_hostile_files_get_an_answer(ornstein: Command, tmp_path: Path) -> None:
    hostile = [
        b"",
        b"\0",
        PNG[:40],
        b"RIFF\xff\xff\xff\xffWEBPC2PA\xff\xff\xff\xff",
        b"PK\x03\x04" + bytes(100),
    ]
    hostile += [
        b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffcaBX",
        b"\0\0\0\1ftypisom\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
    ]
    for number, data in enumerate(hostile):
        (tmp_path / str(number)).write_bytes(data)
        said = ornstein("verify", tmp_path / str(number), "--require", "trusted")
        assert (said.code, said.err) == (1, "")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than 512 MiB" in ornstein("verify", tmp_path / "huge").out


def test_init_and_show(ornstein: Command, home: Path) -> None:
    assert "made at first use" in ornstein("certs", "show").out
    assert not home.exists()  # to show makes nothing
    assert ornstein("certs", "init").code == 0
    said = ornstein("certs", "init")
    assert (said.code, said.out) == (2, "")
    assert "--force" in said.err
    before = ornstein("certs", "show").out
    assert before.count("signs (development): ") == 2
    assert before.count("trusted (development): ") == 1
    assert ornstein("certs", "init", "--force").code == 0
    assert ornstein("certs", "show").out != before


def test_a_chain_of_ones_own_signs_by_the_policy(
    ornstein: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ornstein("certs", "init", "--out", tmp_path / "own", "--name", "Acme Prints").code == 0
    chain, key = tmp_path / "own" / "chain.pem", tmp_path / "own" / "key.pem"
    assert ornstein("certs", "lint", chain, "--key", key).code == 0
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"version: 1\nname: own\npublish: {{credentials: {{chain: {chain}, key: {key}}}}}\n")
    monkeypatch.setenv("ORNSTEIN_POLICY", str(policy))
    assert "signs: Acme Prints signing" in ornstein("certs", "show").out
    (tmp_path / "a.png").write_bytes(Signer.of(Credentials(chain=chain, key=key)).sign(PNG, CLAIM).data)
    assert (
        ornstein("verify", tmp_path / "a.png", "--anchors", tmp_path / "own" / "root.pem").out.count(
            "trusted"
        )
        == 1
    )


@pytest.mark.parametrize("name", ["", " ", "x" * 41])
def test_names_that_do_not_fit_on_a_certificate(ornstein: Command, tmp_path: Path, name: str) -> None:
    assert ornstein("certs", "init", "--out", tmp_path / "own", "--name", name).code == 2
    assert ornstein("certs", "init", "--name", "Acme").code == 2
    assert not (tmp_path / "own").exists()


def test_lint_lists_every_problem(ornstein: Command, tmp_path: Path) -> None:
    chain, key = a_chain(start=-9 * DAY, end=-timedelta(hours=1), organisation=None, critical=False).write(
        tmp_path
    )
    said = ornstein("certs", "lint", chain, "--key", key)
    assert said.code == 1
    assert [word in said.out for word in ("expired on", "no organisation", "not marked critical")] == [
        True
    ] * 3
    assert said.out.count("\n") == 3
    for wrong in (key, tmp_path / "nowhere.pem"):
        said = ornstein("certs", "lint", wrong)
        assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)
