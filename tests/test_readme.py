"""The README: its examples run, and it names what there is."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper.cli.root import application
from sweeper.storage.views import VIEWS
from tests.cli.processes import environment
from tests.served import service

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|python) test\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.ray
def test_the_examples_run_as_they_stand(tmp_path: Path) -> None:
    """In order, in one folder, against a service whose address and home folder are put in."""
    served = service()
    assert len(BLOCKS) == 5
    for language, text in BLOCKS:
        script = text.replace("http://127.0.0.1:8000", served.url)
        script = script.replace("file:.sweeper/", f"file:{served.home}/")
        _run(language, script, served.home, tmp_path)
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 1 + 6


def _run(language: str, script: str, home: Path, folder: Path) -> None:
    programs = Path(sys.executable).parent
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    command = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}
    shown = subprocess.run(
        [*command[language], script],
        cwd=folder,
        env=environment() | {"PATH": path, "SWEEPER_DATA": str(home)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert shown.returncode == 0, f"{script}\n{shown.stdout}\n{shown.stderr}"
    if "curl" in script:
        assert json.loads(shown.stdout)["trials"]["total"] == 12


def test_every_command_is_in_the_readme() -> None:
    names = {
        c.name or getattr(c.callback, "__name__", "") for c in application().registered_commands
    }
    table = README[README.index("## Commands") : README.index("## Settings")]
    assert {name for name in names if not re.search(rf"[` ]{name}[`, ]", table)} == set()


def test_every_variable_of_the_code_is_in_the_readme() -> None:
    found: set[str] = set()
    for package in ("api", "sweeper", "trainers", "migrations"):
        for file in (ROOT / package).rglob("*.py"):
            found |= set(re.findall(r"SWEEPER_[A-Z_]*[A-Z]", file.read_text(encoding="utf-8")))
    settings = README[README.index("## Settings") : README.index("## Words")]
    assert {name for name in found if name not in settings} == set()


def test_every_view_is_in_the_readme() -> None:
    assert {view for view in VIEWS if f"`{view}`" not in README} == set()


def test_linked_files_exist() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert "docs/demo.svg" in links
    assert [link for link in links if not (ROOT / link).exists()] == []
