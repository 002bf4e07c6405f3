"""Optimizers and training functions from files and packages; the examples are those documented."""

import functools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.trainers.builders import tiny_config
from tests.trainers.test_loop import advance_to, run_to_end
from trainers.loop import StackRun
from trainers.optimizers import (
    REGISTRY,
    entry,
    hyperparameters,
    names,
    plugins,
    registered,
    soundness,
)
from trainers.runs import start

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "plugins.md"


def example(name: str = "soft_sign") -> str:
    """The file that the documentation shows for this name."""
    files = re.findall(r"```python\n(.*?)```", DOCUMENTATION.read_text(), re.DOTALL)
    (found,) = (file for file in files if f'"{name}"' in file)
    return str(found)


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
        ("x = 1", "must define OPTIMIZERS, a mapping from names to Entry or TRAINERS, a mapping "),
        ("OPTIMIZERS = {}", "must define OPTIMIZERS, a mapping from names to Entry"),
        ("OPTIMIZERS = {'a': 1}", "a must be of type Entry, but is of type int"),
        ("TRAINERS = [print]", r"TRAINERS must be a mapping from names to TrainingFunction, but g"),
        ("TRAINERS = {'a': print}", "a must be of type TrainingFunction, but is of type builtin"),
        ("OPTIMIZERS = {'a b': 1}", "a name must match .*, but got 'a b'"),
        ("import nothing_like_it", "fails: ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("def", "fails: SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^mine.py.* {message}"):
        plugins.load(source, "mine.py:")


OWN = """
from typing import Annotated
import torch
from trainers.config import Hyperparameter, Option
from trainers.optimizers.base import Entry, Optimizer, PerTrial, chain
from trainers.optimizers.transforms import descend

Share = Annotated[PerTrial, Hyperparameter(default=0.5, high=1.0)]

def build(SIGNATURE):
    return RESULT

OPTIMIZERS = {"mine": Entry(build, LR, "", "", MORE)}
"""


def own(
    *, signature: str = "", result: str = "descend()", lr: str = "0.1", more: str = "scaling=None"
) -> str:
    parts = {"SIGNATURE": signature, "RESULT": result, "LR": lr, "MORE": more}
    return functools.reduce(lambda text, part: text.replace(*part), parts.items(), OWN)


def step(update: str, state: str = "{}", more: str = "") -> str:
    functions = f"lambda v, r: {state}, lambda g, s, v, c: {update}"
    return own(result=f"chain(Optimizer({functions}{more}))")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (own(signature="share: Share"), "share needs a default"),
        (own(signature="share: Share = 2.0"), "`0 <= share < 1` must hold, but its default is 2.0"),
        (own(signature="share: Share = 'x'"), "`0 <= share < 1` must hold, but its default is 'x'"),
        (own(signature="width: int"), "its build takes width: neither described by .* heads, ste"),
        (own(signature="seed: Share = 0.5"), "seed is a fact of a run and has no description"),
        (
            own(signature="share: 'Shape' = 0.5"),
            "annotations of its build cannot be read: name 'Sh",
        ),
        (own(result="None"), "its build must return an Optimizer, but returned None"),
        (own(lr="0"), "`lr > 0` must hold, but got lr=0"),
        (own(more="schedule='cosine'"), "schedule must be one of warmup_cosine, .* but got 'cosin"),
        (
            own(more="scaling='Adam'"),
            "scaling must be one of None, adam, sgd, spectral, but got 'A",
        ),
        (
            own(more="check=lambda: None", signature="share: Share = 0.5"),
            "check of its defaults fa",
        ),
        (OWN.replace("Entry(build, LR", "Entry(3, 0.1").replace(", MORE", ""), "a function, but i"),
        (step("1 / 0"), "its build or its first step fails: ZeroDivisionError: division by zero"),
        (
            step("(g.sum(), s)"),
            r"its update must be of the .* \(2, 32, 16, .* but is \(torch.float",
        ),
        (step("(g.double(), s)"), r"shape and type .* but is \(2, 32, 16, torch.float64\)"),
        (step("(g - g.mean(0), s)"), "a trial's update of embedding depends on another trial"),
        (step("(g.neg_(), s)"), "its update must change no argument, but changes the gradient"),
        (step("(s['m'].add_(g), s)", "{'m': v * 0}"), "no argument, but changes the m"),
        (
            step("(g, {'m': g.clone()})"),
            r"a state must keep its names, shapes and types \{\}, but ",
        ),
        (
            step("(g, s)", "{'n': torch.zeros(())}"),
            "must have the trials first, but n of embedding",
        ),
        (
            step("(g / g.norm(dim=1, keepdim=True), s)", more=", elementwise=True"),
            "it is said to be elementwise, but an element depends on others",
        ),
        (step("(-g, {'m': g})", "{'m': v * 0}"), "share no memory with the gradient, but m does"),
        ("raise SystemExit(3)", " SystemExit: 3"),
    ],
)
def test_an_optimizer_that_cannot_be_swept_says_why(source: str, message: str) -> None:
    source = source.replace("SIGNATURE", "").replace("RESULT", "None")
    with pytest.raises(ValueError, match=f"^mine.py.*:.*{message}"):
        plugins.load(source, "mine.py")


@pytest.mark.parametrize("name", [*REGISTRY, "torch.AdamW", "torch.Adafactor"])
def test_what_is_built_in_is_sound(name: str) -> None:
    soundness.check(entry(name))


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
    function = file.with_name("function.py")
    function.write_text(example("fit_sine").replace('"fit_sine":', '"soft_sign":'))
    monkeypatch.setenv(plugins.VARIABLE, f"{file}{os.pathsep}{function}")
    with pytest.raises(ValueError, match="two files of SWEEPER_PLUGINS define soft_sign"):
        names()
    with pytest.raises(ValueError, match=r"^it defines soft_sign twice, in OPTIMIZERS and in TR"):
        plugins.load(example() + function.read_text(), "it")
    monkeypatch.setenv(plugins.VARIABLE, str(file.with_name("gone.py")))
    with pytest.raises(ValueError, match=r"SWEEPER_PLUGINS names .*gone\.py, which cannot be read"):
        names()


def install(folder: Path, package: str, entry_points: str) -> None:
    """What an installer leaves of a package with these entry points."""
    meta = folder / f"{package.replace('-', '_')}-1.2.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
    (meta / "entry_points.txt").write_text(entry_points)


def test_a_package_declares_an_optimizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    (tmp_path / "my_package.py").write_text(example() + '\nSOFT = OPTIMIZERS["soft_sign"]\n')
    install(tmp_path, "my-package", "[sweeper.optimizers]\nsofter = my_package:SOFT\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert entry("softer").version == "my-package 1.2"
    assert "softer" in names()
    run = StackRun([tiny_config(data_dir, "softer", steps=2)], data_dir=data_dir)
    run_to_end(run)
    assert [r and r.outcome for r in run.results()] == ["finite"]


def test_a_package_declares_a_training_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    source = example("fit_sine") + '\nFIT_SINE = TRAINERS["fit_sine"]\n'
    (tmp_path / "my_functions.py").write_text(source)
    declared = tomllib.loads(toml_example("sweeper.trainers"))["project"]["entry-points"]
    assert declared == {"sweeper.trainers": {"fit_sine": "my_package.training:FIT_SINE"}}
    group = "[sweeper.trainers]\nfit_sine = my_functions:FIT_SINE\n"
    install(tmp_path, "my-functions", group)
    monkeypatch.syspath_prepend(tmp_path)
    assert registered("fit_sine").version == "my-functions 1.2"
    run = start([tiny_config(data_dir, "fit_sine", steps=2)], data_dir=data_dir)
    run_to_end(run)
    assert [r and r.outcome for r in run.results()] == ["finite"]
    file = tmp_path / "same_name.py"
    file.write_text(example("fit_sine"))
    monkeypatch.setenv(plugins.VARIABLE, str(file))
    with pytest.raises(ValueError, match="a file of SWEEPER_PLUGINS and a package define fit_sine"):
        names()
    monkeypatch.delenv(plugins.VARIABLE)
    broken = tmp_path / "broken"
    broken.mkdir()
    install(broken, "broken", "[sweeper.trainers]\nlost = my_functions:LOST\n")
    with monkeypatch.context() as only:
        only.syspath_prepend(broken)
        with pytest.raises(ValueError, match=r"broken 1.2 .*my_functions:LOST cannot be loaded: A"):
            names()
    second = tmp_path / "second"
    second.mkdir()
    install(second, "again", group)
    monkeypatch.syspath_prepend(second)
    with pytest.raises(ValueError, match="declares fit_sine, which a package declares already"):
        names()


def toml_example(group: str) -> str:
    blocks = re.findall(r"```toml\n(.*?)```", DOCUMENTATION.read_text(), re.DOTALL)
    (found,) = (block for block in blocks if group in block)
    return str(found)
