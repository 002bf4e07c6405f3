"""Where a result comes from: collected once, and only what is known for sure."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trainers import provenance

ROOT = Path(__file__).parents[2]


def test_it_is_collected_once_and_is_plain() -> None:
    found = provenance.of_process()
    assert found is provenance.of_process()
    assert json.loads(json.dumps(found)) == found
    assert found["packages"].keys() <= set(provenance.PACKAGES)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout of a package of the code's name that holds the module alone."""
    folder = tmp_path / "checkout"
    (folder / "trainers").mkdir(parents=True)
    for name in ("__init__.py", "config.py", "provenance.py"):
        shutil.copy(ROOT / "trainers" / name, folder / "trainers")
    git(folder, "init", "-q")
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def told(folder: Path) -> Any:
    code = (
        "import json; from trainers.provenance import of_process; print(json.dumps(of_process()))"
    )
    command = [sys.executable, "-c", code]
    shown = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": "", "PATH": "/usr/bin:/bin"}, capture_output=True
    )
    return json.loads(shown.stdout).get("git")


def test_a_checkout_is_told_with_its_revision_and_changes(checkout: Path) -> None:
    assert told(checkout) is None  # Nothing of it is tracked: it only surrounds an installation.
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "one")
    revision = git(checkout, "rev-parse", "HEAD")
    assert told(checkout) == {"revision": revision, "dirty": False}
    (checkout / "notes.txt").write_text("not tracked")
    assert told(checkout) == {"revision": revision, "dirty": False}
    with (checkout / "trainers" / "config.py").open("a") as file:
        file.write("\n")
    assert told(checkout) == {"revision": revision, "dirty": True}


def test_the_class_of_a_cpu_names_its_instructions() -> None:
    import torch

    found = provenance.of_device("cpu")
    assert found["device"] == "cpu"
    assert found["device_class"].endswith(torch.backends.cpu.get_cpu_capability())
