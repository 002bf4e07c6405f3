"""What stands in the way of a service that starts: home folder, port, database, settings."""

import os
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.cli import checks, home, output, serve
from sweeper.cli.web import is_loopback
from tests.cli.processes import only_line, run_sweeper


@pytest.mark.parametrize("command", ["serve", "api", "dispatch", "doctor", "demo", "db upgrade"])
def test_an_unwritable_home_is_one_line(command: str, tmp_path: Path) -> None:
    # A file where the folder should be stops root too, which permissions do not.
    (tmp_path / "file").write_text("")
    shown = run_sweeper(*command.split(), "--data", "file/home", cwd=tmp_path)
    assert shown.returncode in (output.USAGE, output.BROKEN)
    assert "Traceback" not in shown.stderr
    assert "cannot write to the home folder" in shown.stderr + shown.stdout


@pytest.mark.parametrize("command", ["serve", "api"])
def test_a_taken_port_is_one_line(command: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        shown = run_sweeper(command, "--port", port, "--data", "home", cwd=tmp_path)
    assert shown.returncode == output.USAGE
    assert only_line(shown) == f"sweeper: cannot bind 127.0.0.1:{port}: Address already in use"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])  # noqa: S104
def test_a_bind_off_loopback_is_refused(host: str, tmp_path: Path) -> None:
    shown = run_sweeper("api", "--host", host, "--port", "0", "--data", "home", cwd=tmp_path)
    assert shown.returncode == output.USAGE
    assert "--trusted-network" in only_line(shown)


def test_loopback_has_several_names() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"]))
    assert not any(map(is_loopback, ["0.0.0.0", "10.0.0.1", "localhost.example.org"]))  # noqa: S104


@pytest.mark.parametrize("command", ["serve", "api", "dispatch", "db upgrade", "db check"])
def test_a_newer_database_is_one_line(command: str, tmp_path: Path, sqlite_url: str) -> None:
    file = sqlite_url.removeprefix("sqlite:///")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE sweeper_alembic_version SET version_num = '9999'")
    connection.close()
    arguments = ["--data", "home", "--database", sqlite_url]
    port = ["--port", "0"] if command in ("serve", "api") else []
    shown = run_sweeper(*command.split(), *arguments, *port, cwd=tmp_path)
    assert shown.returncode == output.USAGE
    assert "newer" in only_line(shown)


def test_a_check_makes_no_database(tmp_path: Path) -> None:
    shown = run_sweeper("db", "check", cwd=tmp_path)
    assert shown.returncode == output.NOT_FOUND
    assert only_line(shown).startswith("sweeper: there is no database yet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["serve", "api", "dispatch", "db upgrade", "db check"])
def test_an_unknown_database_is_one_line(command: str, tmp_path: Path) -> None:
    arguments = ["--data", "home", "--database", "mysql://x"]
    shown = run_sweeper(*command.split(), *arguments, cwd=tmp_path)
    assert shown.returncode == output.USAGE
    assert "accepted: sqlite:///" in only_line(shown)


def test_a_missing_file_of_optimizers_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEPER_PLUGINS", "nowhere.py")
    with pytest.raises(output.UsageError, match=r"names nowhere\.py, which cannot be read"):
        checks.open_once(f"sqlite:///{tmp_path / 'new.db'}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["often", "0", "-1", "nan", "inf"])
@pytest.mark.parametrize("command", [serve.serve, serve.dispatch])
def test_seconds_that_are_none_are_a_usage_error(
    command: Callable[..., None], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEPER_CHECKPOINT_S", text)
    with pytest.raises(output.UsageError, match=f"SWEEPER_CHECKPOINT_S > 0 .* got '{text}'"):
        command(data=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_a_home_folder_is_held_by_one_process(tmp_path: Path) -> None:
    prepared = home.prepare(tmp_path / "home")
    assert home.running(prepared) is None
    with home.held(prepared):
        home.announce(prepared, "http://127.0.0.1:1234")
        found = home.running(prepared)
        assert found == home.Running(url="http://127.0.0.1:1234", pid=os.getpid())
        with pytest.raises(output.UsageError, match="already serves"), home.held(prepared):
            pass
        assert home.service_url(prepared, None) == "http://127.0.0.1:1234"
    assert home.running(prepared) is None
    assert home.service_url(prepared, None) == home.DEFAULT_URL
    assert home.service_url(prepared, "http://other") == "http://other"


def test_the_address_of_a_killed_service_is_not_believed(tmp_path: Path) -> None:
    prepared = home.prepare(tmp_path / "home")
    home.announce(prepared, "http://127.0.0.1:1234")
    with home.held(prepared):
        assert home.running(prepared) is None
