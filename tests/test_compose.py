"""docker-compose.yml and Dockerfile: what they start exists, and what they publish is loopback."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeper.cli import output
from sweeper.client import Client
from tests.cli.processes import run_sweeper
from tests.served import TINY, start, stop

ROOT = Path(__file__).parents[1]
SECRET = re.compile(r"\$\{(POSTGRES_PASSWORD|RAY_AUTH_TOKEN):\?[^}]+\}")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def _commands(service: dict[str, Any]) -> list[list[str]]:
    """The programs that a service runs, out of its shell where it has one."""
    command: list[str] = service.get("command", [])
    if command[:2] == ["sh", "-c"]:
        return [shlex.split(part.removeprefix("exec ")) for part in command[2].split(" && ")]
    return [command] if command else []


def test_the_services_are_all_there(services: dict[str, Any]) -> None:
    expected = {"database", "migrate", "api", "ray-head", "ray-worker", "dispatcher"}
    assert services.keys() == expected


def test_only_loopback_is_published(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:8000:8000"]


def test_every_sweeper_command_and_option_exists(services: dict[str, Any], tmp_path: Path) -> None:
    commands = [c for s in services.values() for c in _commands(s) if c[0] == "sweeper"]
    assert len(commands) == 3
    for command in commands:
        words = [word for word in command[1:3] if not word.startswith("-")]
        shown = run_sweeper(*words, "--help", cwd=tmp_path)
        assert shown.returncode == output.OK
        for option in (word.partition("=")[0] for word in command if word.startswith("--")):
            assert option in shown.stdout, command


def test_every_ray_option_exists(services: dict[str, Any]) -> None:
    from ray.scripts import scripts

    starts = [c for s in services.values() for c in _commands(s) if c[:2] == ["ray", "start"]]
    known = {name for option in scripts.start.params for name in option.opts}
    used = {w.partition("=")[0] for c in starts for w in c if w.startswith("--")}
    assert len(starts) == 3
    assert used <= known


def test_ray_has_a_token_and_only_its_nodes_train(services: dict[str, Any]) -> None:
    for name in ("ray-head", "ray-worker", "dispatcher"):
        environment = services[name]["environment"]
        assert environment["RAY_AUTH_MODE"] == "token"
        assert SECRET.fullmatch(environment["RAY_AUTH_TOKEN"])
    assert "RAY_AUTH_TOKEN" not in services["api"]["environment"]


def test_no_secret_is_written_down(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, value in service["environment"].items():
            if name.endswith(("PASSWORD", "TOKEN", "DATABASE")):
                assert SECRET.search(value), name


def test_what_runs_on_has_a_health_check(services: dict[str, Any]) -> None:
    without = {name for name, service in services.items() if "healthcheck" not in service}
    assert without == {"migrate"}


def test_dependencies_exist_and_wait_for_health(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            healthy = "healthcheck" in services[name]
            expected = "service_healthy" if healthy else "service_completed_successfully"
            assert condition == {"condition": expected}


def test_the_image_runs_as_a_user_of_its_own() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    user = next(i for i, line in enumerate(lines) if line == "USER sweeper")
    assert not [line for line in lines[user:] if line.startswith("RUN")]
    copied = [line.split()[1] for line in lines if line.startswith("COPY") and "." not in line[:14]]
    assert {"trainers", "sweeper", "api", "migrations"} <= set(copied)


def test_migrate_then_api_on_postgresql(empty_postgresql_url: str, tmp_path: Path) -> None:
    url = ["--database", empty_postgresql_url, "--data", "home"]
    before = run_sweeper("api", "--port", "0", *url, cwd=tmp_path)
    assert (before.returncode, before.stderr.count("\n")) == (output.USAGE, 1)
    assert "sweeper db upgrade" in before.stderr
    assert run_sweeper("db", "upgrade", *url, cwd=tmp_path).returncode == 0
    assert run_sweeper("db", "check", *url, cwd=tmp_path).returncode == 0
    served = start(tmp_path / "home", *url[:2], command="api")
    try:
        with Client(served.url) as client:
            sweep = client.submit(TINY)
            assert client.sweep(sweep["id"])["state"] == "queued"
    finally:
        assert stop(served) == 0


def test_only_the_service_knows_the_database(services: dict[str, Any]) -> None:
    knowing = {n for n, s in services.items() if "SWEEPER_DATABASE" in s.get("environment", {})}
    assert knowing == {"migrate", "api", "dispatcher"}
