"""What `doctor` finds."""

import json
import shlex
from pathlib import Path

import pytest

from sweeper.cli import doctor
from tests.cli.processes import run_sweeper


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
