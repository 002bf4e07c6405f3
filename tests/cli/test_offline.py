"""What the command line does without a service: help, presets, wrong usage, no answer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sweeper.cli import output
from sweeper.cli.root import application
from tests.cli.processes import only_line, run_sweeper

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
    assert "sweeper serve" in only_line(shown)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "http://[::1"])
def test_an_address_that_is_none_is_one_line_and_exit_2(url: str, tmp_path: Path) -> None:
    shown = run_sweeper("ls", "--url", url, cwd=tmp_path)
    assert shown.returncode == output.USAGE
    assert repr(url) in only_line(shown)


def test_a_missing_file_and_an_unknown_preset_say_so(tmp_path: Path) -> None:
    missing = run_sweeper("preview", "none.json", cwd=tmp_path)
    unknown = run_sweeper("preview", "--preset", "none", cwd=tmp_path)
    assert (missing.returncode, unknown.returncode) == (2, 2)
    assert only_line(missing) == "sweeper: cannot read none.json: No such file or directory"
    assert "known: adafactor_sgd, " in only_line(unknown)


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
