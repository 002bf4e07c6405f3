import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest

from trainers.__main__ import main
from trainers.config import TRAINING_HYPERPARAMETERS, Option
from trainers.optimizers import REGISTRY
from trainers.optimizers.base import Entry, Optimizer
from trainers.optimizers.transforms import descend


def run(data_dir: Path, *arguments: str) -> int:
    return main([*arguments, "--data-dir", str(data_dir)])


def test_the_command_trains_a_stack_and_prints_a_table(data_dir: Path) -> None:
    arguments = ["--scale", "nano", "--lr", "1e-4", "1e-2", "1e38", "--steps", "5"]
    command = [sys.executable, "-m", "trainers", *arguments, "--data-dir", str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    header, *rows = (line.split() for line in done.stdout.splitlines())
    assert header == ["lr", "seed", "outcome", "final", "best", "train", "initial"]
    assert [row[0] for row in rows] == ["0.0001", "0.01", "1e+38"]
    assert [row[2] for row in rows] == ["finite", "finite", "diverged"]
    assert float(rows[1][3]) < float(rows[1][-1])
    assert "step 5/5" in done.stderr
    assert re.search(r"\d\.\d% of it waiting for data\n", done.stderr)
    assert re.search(r"\n[\d,]+ tokens/s, [\d.e-]+ TFLOP/s, MFU [\d.]+%\n$", done.stderr)


def test_json_lines(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data_dir, "--optimizer", "sgd", "--lr", "1", "1e38", "--steps", "4", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metrics, results = lines[:-2], lines[-2:]
    assert [m["step"] for m in metrics] == [0, 1, 2, 3, 4]
    assert metrics[-1]["train_loss"][1] is None
    assert math.isfinite(metrics[-1]["validation_loss"][0])
    assert [r["result"]["outcome"] for r in results] == ["finite", "diverged"]
    assert results[1]["member"]["lr"] == 1e38


def test_members_differ_in_whatever_has_several_values(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--optimizer",
        "lion",
        "--momentum",
        "0",
        "0.9",
        "--seed",
        "3",
        "4",
        "--steps",
        "1",
    ]
    assert run(data_dir, *arguments) == 0
    header, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    assert header[:2] == ["momentum", "seed"]
    assert [row[:2] for row in rows] == [["0", "3"], ["0.9", "4"]]


def test_architectures_and_scales(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--architecture", "plain", "--batch-size", "2", "--steps", "1", "--json"]
    assert run(data_dir, *arguments) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["member"]["z_loss"] == 0.0


BAD = {
    "--optimizer adamx": "unknown optimizer 'adamx'; known: ",
    "--scale pico": "unknown scale 'pico'; known: nano, micro",
    "--data c4": "unknown data set 'c4'",
    "--optimizer lion --eps 1e-8": "lion under warmup_cosine does not read eps; it reads: lr",
    "--schedule constant --lr-floor 0.1": "adamw under constant does not read lr_floor",
    "--lr -1": "`lr > 0` must hold, but got lr=-1",
    "--lr nan": "`lr > 0` must hold, but got lr=nan",
    "--momentum 1": "`0 <= momentum < 1` must hold, but got momentum=1",
    "--steps 0": "steps >= 1 must hold, but got steps=0",
    "--batch-size 0": "batch_size >= 1 must hold, but got batch_size=0",
    "--seed -1": "0 <= seed < 2**32 must hold, but got seed=-1",
    "--threads 0": "threads >= 1 must hold, but got threads=0",
    "--lr 1 2 --seed 0 1 2": "lr has 2 values, but the stack has 3 members",
    "--device abacus": "abacus",
}


@pytest.mark.parametrize("arguments", BAD)
def test_bad_input_is_one_line_and_exit_code_two(
    data_dir: Path, arguments: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data_dir, *arguments.split()) == 2
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert line.startswith("python -m trainers: ")
    assert BAD[arguments] in line


HAS_A_NAME_OF_OURS = """
from typing import Annotated
from trainers.config import Hyperparameter
from trainers.functions import TrainingFunction

def train(*, steps, seed, threads: Annotated[float, Hyperparameter(default=1.0)] = 1.0):
    yield steps, {}

TRAINERS = {"train": TrainingFunction(train, "", "")}
"""


@pytest.mark.parametrize(
    ("source", "words"), [(None, "which cannot be read"), (HAS_A_NAME_OF_OURS, "--threads")]
)
def test_a_plug_in_that_cannot_be_used_is_one_line(
    source: str | None,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "mine.py"
    if source is not None:
        file.write_text(source)
    monkeypatch.setenv("SWEEPER_PLUGINS", str(file))
    assert run(tmp_path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_an_unwritable_folder_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(tmp_path / "file" / "folder") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_unknown_option_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--learning-rate", "1"])
    assert "unrecognized arguments: --learning-rate" in capsys.readouterr().err


def test_help_names_every_choice_and_hyperparameter(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    own = {name for entry in REGISTRY.values() for name in (*entry.hyperparameters, *entry.options)}
    for name in [*TRAINING_HYPERPARAMETERS, *own]:
        assert f"--{name.replace('_', '-')} " in text
    assert all(optimizer in text for optimizer in REGISTRY)
    assert "examples:" in text


def test_options_and_the_convention_of_the_decay_reach_the_run(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[tuple[int, bool]] = []

    def build(
        frequency: Annotated[int, Option(low=1, help="steps")] = 10,
        one_sided: Annotated[bool, Option(help="switch")] = False,
    ) -> Optimizer:
        chosen.append((frequency, one_sided))
        return descend()

    monkeypatch.setitem(REGISTRY, "chosen", Entry(build, 0.1, "", "", schedule="constant"))
    arguments = ["--optimizer", "chosen", "--steps", "1", "--weight-decay", "0.5"]
    more = ["--frequency", "3", "--one-sided", "true", "--decay-convention", "coupled"]
    assert run(data_dir, *arguments) == run(data_dir, *arguments, *more) == 0
    assert chosen == [(10, False), (3, True)]
    assert run(data_dir, *arguments, "--frequency", "0") == 2
    assert run(data_dir, "--optimizer", "sgd", "--frequency", "3") == 2
    assert run(data_dir, *arguments, "--lr-floor", "0.1") == 2
    errors = capsys.readouterr().err.splitlines()
    assert "`frequency >= 1` must hold, but got frequency=0" in errors[-3]
    assert "sgd has no option frequency; it has: none" in errors[-2]
    assert "chosen under constant does not read lr_floor" in errors[-1]


def test_only_a_coupled_decay_may_be_one_or_more(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--optimizer", "lion", "--steps", "1", "--weight-decay", "3"]
    assert run(data_dir, *arguments, "--decay-convention", "coupled") == 0
    capsys.readouterr()
    assert run(data_dir, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "`0 <= weight_decay < 1` must hold, but got weight_decay=3" in line
