"""Optimizers from a file and from a package; the example is the documentation's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainers.builders import tiny_config
from tests.trainers.test_loop import advance_to, run_to_end
from trainers.loop import StackRun
from trainers.optimizers import entry, hyperparameters, names, plugins

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "plugins.md"


def example() -> str:
    found = re.search(r"```python\n(.*?)```", DOCUMENTATION.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "my_optimizer.py"
    path.write_text(example())
    monkeypatch.setenv(plugins.VARIABLE, str(path))
    return path


def test_the_documented_example_trains_and_resumes(
    file: Path, data_dir: Path, tmp_path: Path
) -> None:
    assert "soft_sign" in names()
    read = hyperparameters("soft_sign", "warmup_cosine")
    assert (read["softness"].default, read["lr"].default) == (1e-3, 3e-4)
    config = tiny_config(data_dir, "soft_sign", steps=30, changes={"lr": 3e-3})
    whole = StackRun([config], data_dir=data_dir)
    advance_to(whole, 10)
    whole.save(tmp_path / "10")
    part = StackRun([config], data_dir=data_dir)
    part.load(tmp_path / "10")
    ends = []
    for run in (whole, part):
        run_to_end(run)
        result = run.results()[0]
        assert result is not None
        assert result.final_loss is not None
        assert result.final_loss < result.initial_loss - 0.3
        ends.append(result.final_loss)
    assert ends[0] == ends[1]


def test_the_version_is_the_hash_of_the_source(file: Path, tmp_path: Path) -> None:
    digest = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True)
    assert entry("soft_sign").version == f"sha256:{digest.stdout.split()[0]}"
    assert plugins.source_of("soft_sign") == file.read_text()
    assert plugins.source_of("adamw") is None


SENT = """
import sys
from trainers.config import TrainConfig
from trainers.optimizers import entry, plugins
plugins.take(sys.stdin.read())
print(entry("soft_sign").version)
"""


def test_a_worker_needs_no_file(file: Path, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != plugins.VARIABLE}
    elsewhere = {**environment, plugins.VARIABLE: str(tmp_path / "not here.py")}
    done = subprocess.run(
        [sys.executable, "-c", SENT],
        input=plugins.source_of("soft_sign"),
        env=elsewhere,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == entry("soft_sign").version


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "must define OPTIMIZERS, a mapping from names to Entry"),
        ("OPTIMIZERS = {}", "must define OPTIMIZERS, a mapping from names to Entry"),
        ("OPTIMIZERS = {'a': 1}", "a must be an Entry, but is int"),
        ("OPTIMIZERS = {'a b': 1}", "a name must match .*, but got 'a b'"),
        ("import nothing_like_it", "fails: ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("def", "fails: SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^mine.py.* {message}"):
        plugins.load(source, "mine.py:")


def test_names_are_taken_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clash = file.with_name("clash.py")
    clash.write_text(example().replace('"soft_sign": Entry', '"adamw": Entry'))
    monkeypatch.setenv(plugins.VARIABLE, str(clash))
    with pytest.raises(ValueError, match="a plug-in must have a new name, but got adamw"):
        names()
    twice = file.with_name("twice.py")
    twice.write_text(example())
    monkeypatch.setenv(plugins.VARIABLE, f"{file}{os.pathsep}{twice}")
    with pytest.raises(ValueError, match="two files of SWEEPER_PLUGINS define soft_sign"):
        names()
    monkeypatch.setenv(plugins.VARIABLE, str(file.with_name("gone.py")))
    with pytest.raises(ValueError, match=r"SWEEPER_PLUGINS names .*gone\.py, which cannot be read"):
        names()


def test_a_package_declares_an_optimizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    (tmp_path / "my_package.py").write_text(example() + '\nSOFT = OPTIMIZERS["soft_sign"]\n')
    meta = tmp_path / "my_package-1.2.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.2\n")
    (meta / "entry_points.txt").write_text("[sweeper.optimizers]\nsofter = my_package:SOFT\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert entry("softer").version == "my-package 1.2"
    assert "softer" in names()
    run = StackRun([tiny_config(data_dir, "softer", steps=2)], data_dir=data_dir)
    run_to_end(run)
    assert [r and r.outcome for r in run.results()] == ["finite"]
