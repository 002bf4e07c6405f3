"""Where checkpoints are asked to go, before anything starts."""

from pathlib import Path

import pytest

from sweeper.cli.checkpoints import checked_location
from tests.cli.processes import run_sweeper


@pytest.mark.parametrize("command", ["serve", "dispatch"])
def test_an_address_that_cannot_be_used_is_one_line_and_exit_2(
    command: str, tmp_path: Path
) -> None:
    shown = run_sweeper(command, "--checkpoints", "nowhere://bucket", cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (2, "")
    words = "checkpoints cannot be put to nowhere://bucket: Protocol not known: nowhere"
    assert words in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_folder_that_can_be_none_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shown = run_sweeper("dispatch", "--checkpoints", "file/folder", cwd=tmp_path)
    assert shown.returncode == 2
    assert "checkpoints cannot be put to file/folder: " in shown.stderr
    assert "Not a directory" in shown.stderr


def test_a_folder_is_made_and_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert checked_location("here") == str(tmp_path / "here")
    assert (tmp_path / "here").is_dir()
    assert checked_location(f"file://{tmp_path}/there") == f"file://{tmp_path}/there"
    assert list((tmp_path / "there").iterdir()) == []
    assert checked_location(None) is None
