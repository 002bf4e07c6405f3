"""Every preset can be trained at `nano`: one trial of each of its stacks makes two steps."""

import math
from pathlib import Path

import pytest

from sweeper import presets
from sweeper.expand import expand
from sweeper.settings import GIVEN_ONCE
from sweeper.spec import parse
from trainers.config import TrainConfig
from trainers.data import prepare_embedded
from trainers.loop import StackRun


def of_each_stack(preset: str, data_dir: Path) -> list[TrainConfig]:
    body = dict(presets.preset(preset).sweep)
    lengths = GIVEN_ONCE["length"]
    base = {k: v for k, v in body.get("base", {}).items() if k not in lengths}
    body |= {"base": base | {"steps": 2, "eval_sequences": 2}, "seeds": [0]}
    trials = expand(parse(body), {"embedded": prepare_embedded(data_dir)}).trials
    return list({trial.stack_key: trial.config for trial in reversed(trials)}.values())


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.mark.parametrize("preset", presets.names())
def test_a_trial_of_each_stack_makes_two_steps(preset: str, data_dir: Path) -> None:
    for config in of_each_stack(preset, data_dir):
        run = StackRun([config], data_dir=data_dir)
        while not run.finished:
            run.advance()
        (result,) = run.results()
        assert result is not None
        assert result.initial_loss is not None
        assert math.isfinite(result.initial_loss)
