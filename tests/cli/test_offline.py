"""What the command line does without a service: help, imports, files, exit codes."""

import json
import os
import shlex
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sweeper.cli import doctor, home, output, plain_yaml, serve
from sweeper.cli.progress import counts, finished_share, stability_row
from sweeper.cli.root import application
from sweeper.cli.serve import is_loopback
from sweeper.cli.specification import sweep_body
from sweeper.client import Refused, Unreachable
from sweeper.errors import InvalidRequest, NotFound, Problem, SchemaMismatch, SweeperError
from tests.cli.processes import run_sweeper

SERVICE = ["serve", "api", "dispatch", "demo"]
SWEEPS = [
    "submit",
    "preview",
    "plan",
    "ls",
    "show",
    "watch",
    "cancel",
    "pause",
    "resume",
    "retry",
    "curves",
    "extend",
    "edit",
    "archive",
    "delete",
    "du",
    "heatmap",
    "compare",
]
COMMANDS = [*SERVICE, *SWEEPS, "export", "import", "reproduce", "presets", "doctor"]
GROUPED = ["db upgrade", "db check", "data prepare", "data ls", "data verify"]


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    file = tmp_path / "sweep.json"
    file.write_text(json.dumps({"name": "x", "axis": {"parameter": "lr", "values": [0.1]}}))
    return file


def test_help_names_every_command(tmp_path: Path) -> None:
    shown = run_sweeper("--help", cwd=tmp_path)
    assert shown.returncode == 0
    for command in [*COMMANDS, "db", "data"]:
        assert f" {command} " in shown.stdout


@pytest.mark.parametrize("command", [*COMMANDS, *GROUPED])
def test_help_of_a_command_has_an_example_and_json(command: str, tmp_path: Path) -> None:
    shown = run_sweeper(*command.split(), "--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert "Example" in shown.stdout
    assert "--json" in shown.stdout


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from sweeper.cli.root import run\n"
        "run(['--help'])\n"
        "heavy = {'ray', 'torch', 'pandas', 'plotly', 'sqlalchemy', 'numpy', 'fastapi', 'optuna'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert shown.stdout.splitlines()[-1] == "HEAVY []"


def test_the_application_has_each_command_once() -> None:
    registered = [info.callback for info in application().registered_commands]
    assert len(registered) == len(set(registered)) == len(COMMANDS)


def test_version(tmp_path: Path) -> None:
    shown = run_sweeper("--version", cwd=tmp_path)
    assert (shown.returncode, shown.stdout.count("\n")) == (0, 1)


@pytest.mark.parametrize("arguments", [["nothing"], ["ls", "--nothing"], ["submit"], ["cancel"]])
def test_usage_errors_exit_2(arguments: list[str], tmp_path: Path) -> None:
    shown = run_sweeper(*arguments, cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (output.USAGE, "")


def test_no_service_is_one_line_and_exit_5(tmp_path: Path, free_port: int) -> None:
    shown = run_sweeper("ls", "--url", f"http://127.0.0.1:{free_port}", cwd=tmp_path)
    assert shown.returncode == output.UNREACHABLE
    assert "sweeper serve" in _only_line(shown)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "http://[::1"])
def test_an_address_that_is_none_is_one_line_and_exit_2(url: str, tmp_path: Path) -> None:
    shown = run_sweeper("ls", "--url", url, cwd=tmp_path)
    assert shown.returncode == output.USAGE
    assert repr(url) in _only_line(shown)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[1, 2]", "must hold one sweep, but got list"),
        ("{broken: [", "neither JSON nor YAML"),
        ('{"axis": {"values": [NaN]}}', "no NaN"),
        ('{"seeds": [' + "1" * 5000 + "]}", "4300 digits"),
        ("[" * 100_000, "recursion"),
        ("a: " + "[" * 10_000, "recursion"),
        ('{"base": {"steps": 5, "steps": 6}}', "key 'steps' occurs twice"),
        ("base: {steps: 5}\nname: x\nbase: {lr: 1}\n", "key 'base' occurs twice"),
    ],
    ids=["list", "broken", "NaN", "digits", "deep", "deep YAML", "twice", "twice in YAML"],
)
def test_a_bad_file_is_one_line_and_exit_2(
    text: str, part: str, tmp_path: Path, free_port: int
) -> None:
    (tmp_path / "bad").write_text(text)
    shown = run_sweeper("submit", "bad", "--url", f"http://127.0.0.1:{free_port}", cwd=tmp_path)
    assert shown.returncode == output.USAGE
    assert part in _only_line(shown)


def test_a_missing_file_and_an_unknown_preset_say_so(tmp_path: Path) -> None:
    missing = run_sweeper("preview", "none.json", cwd=tmp_path)
    unknown = run_sweeper("preview", "--preset", "none", cwd=tmp_path)
    assert (missing.returncode, unknown.returncode) == (2, 2)
    assert _only_line(missing) == "sweeper: cannot read none.json: No such file or directory"
    assert "known: adafactor_sgd, " in _only_line(unknown)


def test_a_preset_prints_as_yaml_that_is_a_sweep(tmp_path: Path) -> None:
    shown = run_sweeper("presets", "lr", cwd=tmp_path)
    as_json = run_sweeper("presets", "lr", "--json", cwd=tmp_path)
    assert yaml.safe_load(shown.stdout) == json.loads(as_json.stdout)


def test_presets_lists_all(tmp_path: Path) -> None:
    shown = run_sweeper("presets", "--json", cwd=tmp_path)
    found = {preset["name"]: preset for preset in json.loads(shown.stdout)}
    assert {"demo", "lr", "momentum"} <= found.keys()
    assert found["demo"]["summary"].startswith("Learning rate")
    assert found["beta2"]["sweep"]["axis"]["parameter"] == "beta2"
    assert found["beta2"]["trials"] == {"total": 30, "distinct": 22}


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
    assert _only_line(shown) == f"sweeper: cannot bind 127.0.0.1:{port}: Address already in use"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])  # noqa: S104
def test_a_bind_off_loopback_is_refused(host: str, tmp_path: Path) -> None:
    shown = run_sweeper("api", "--host", host, "--port", "0", "--data", "home", cwd=tmp_path)
    assert shown.returncode == output.USAGE
    assert "--trusted-network" in _only_line(shown)


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
    assert "newer" in _only_line(shown)


def test_doctor_finds_this_machine_in_order(tmp_path: Path) -> None:
    shown = run_sweeper("doctor", "--json", cwd=tmp_path)
    findings = {finding["name"]: finding for finding in json.loads(shown.stdout)}
    assert shown.returncode == 0
    assert {"python", "torch", "ray", "SQLite", "CPUs", "GPUs", "database"} <= findings.keys()
    assert not (tmp_path / ".sweeper" / "sweeper.db").exists()


def test_doctor_only_looks_at_a_named_file(tmp_path: Path) -> None:
    found = doctor._database(tmp_path, f"sqlite:///{tmp_path / 'new.db'}")
    assert found.ok
    assert found.value == f"{tmp_path / 'new.db'}, made when the service starts"
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_which_databases_there_are(tmp_path: Path) -> None:
    found = doctor._database(tmp_path, "mysql://x")
    assert not found.ok
    assert "accepted: sqlite:///" in found.value


@pytest.mark.parametrize("command", ["serve", "api", "dispatch", "db upgrade", "db check"])
def test_an_unknown_database_is_one_line(command: str, tmp_path: Path) -> None:
    arguments = ["--data", "home", "--database", "mysql://x"]
    shown = run_sweeper(*command.split(), *arguments, cwd=tmp_path)
    assert shown.returncode == output.USAGE
    assert "accepted: sqlite:///" in _only_line(shown)


def test_a_missing_file_of_optimizers_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEPER_PLUGINS", "nowhere.py")
    with pytest.raises(output.UsageError, match=r"names nowhere\.py, which cannot be read"):
        serve._open_once(f"sqlite:///{tmp_path / 'new.db'}")
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


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-8", 1e-8),
        ("-1E+4", -1e4),
        ("1.5", 1.5),
        (".5e3", 500.0),
        ("12", 12),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01 10:00:00", "2026-01-01 10:00:00"),
        ("1.2.3", "1.2.3"),
        ("1e", "1e"),
        ("true", True),
        ("null", None),
        ("'1e-8'", "1e-8"),
    ],
)
def test_yaml_has_the_scalars_of_json(text: str, value: object) -> None:
    found = plain_yaml.load(f"value: [{text}]")["value"][0]
    assert (found, type(found)) == (value, type(value))


def test_yaml_may_replace_what_it_merges() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n"
    assert plain_yaml.load(text)["b"] == {"x": 1, "y": 3}


def test_a_base_that_is_no_mapping_is_left_to_the_service(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("base: [1]\n")
    assert sweep_body(str(file), None, steps=5) == {"base": [1]}
    file.write_text("base: {width: 8}\n")
    assert sweep_body(str(file), None, steps=5) == {"base": {"width": 8, "steps": 5}}


@pytest.mark.parametrize(
    ("script", "words", "ok"),
    [
        ("sleep 5", "does not answer", False),
        ("echo no devices were found; exit 6", "none; nvidia-smi failed, and said: no dev", True),
        ("echo 'NVIDIA H100, 81559 MiB'", "NVIDIA H100, 81559 MiB", True),
    ],
)
def test_doctor_reads_what_nvidia_smi_says(
    script: str, words: str, ok: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\nexec sh -c {shlex.quote(script)}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(doctor, "GPU_TIMEOUT_S", 0.5)
    found = doctor._gpus()
    assert words in found.value
    assert found.ok is ok


def test_only_repaired_sqlite_versions_get_a_write_ahead_log() -> None:
    assert doctor.is_wal_safe((3, 51, 3))
    assert doctor.is_wal_safe((3, 44, 6))
    assert doctor.is_wal_safe((3, 50, 7))
    assert not doctor.is_wal_safe((3, 40, 1))
    assert not doctor.is_wal_safe((3, 51, 2))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound(), 3),
        (Unreachable(), 5),
        (SchemaMismatch(), 2),
        (InvalidRequest((Problem("/a", "b"),)), 2),
        (Refused({"status": 413, "detail": "too large"}), 2),
        (Refused({"status": 500, "detail": "broken"}), 1),
        (output.UsageError("x"), 2),
        (SweeperError(), 1),
    ],
)
def test_every_error_has_its_exit_code(error: SweeperError, code: int) -> None:
    assert output.exit_code(error) == code


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


def _sweep(**points: int) -> dict[str, object]:
    states = ("pending", "running", "done", "failed", "cancelled", "diverged")
    return {"points": dict.fromkeys(states, 0) | {"total": 10} | points}


def test_a_table_in_a_pipe_has_a_line_per_row(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("a", "b"), [("x" * 100, "y" * 100)])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_counts_leave_out_what_there_is_none_of() -> None:
    assert counts(_sweep(done=3, pending=7)) == "3 done, 7 pending of 10 points"
    assert "2 of them diverged" in counts(_sweep(done=10, diverged=2))


def test_running_points_count_in_part() -> None:
    sweep = _sweep(done=4, running=6)
    assert finished_share(sweep, {"adamw": (4, 50, 100), "lion": (2, 0, 100)}) == 0.6


def test_a_censored_basin_is_a_lower_bound() -> None:
    stability = {
        "best_value": 0.01,
        "best_loss": 2.5,
        "sensitivity": None,
        "basin_width": 1.5,
        "basin_unit": "decades",
        "basin_low_censored": True,
        "basin_high_censored": False,
    }
    row = stability_row({"label": "adamw", "scale": "nano", "stability": stability})
    assert row == ("adamw", "nano", "0.01", "2.5", "-", ">= 1.5 decades")


def _only_line(shown: "subprocess.CompletedProcess[str]") -> str:
    assert shown.stdout == ""
    lines = shown.stderr.splitlines()
    assert len(lines) == 1, shown.stderr
    return lines[0]
