"""Final losses of a short run per optimizer, as when `TRAINER_VERSION` was last raised."""

from pathlib import Path

import pytest
import torch

from tests.trainers.builders import tiny_config
from tests.trainers.optimizers.cases import CASES
from trainers.data import TRAIN, VALIDATION, _write_data_set
from trainers.loop import StackRun
from trainers.optimizers import REGISTRY


@pytest.fixture(scope="module")
def fixed_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set that does not depend on the Python version, unlike the standard library's text."""
    generator = torch.Generator().manual_seed(0)
    steps = torch.randint(0, 4, (40_000,), generator=generator).cumsum(0) % 64
    text = steps.to(torch.uint8).numpy().tobytes()
    folder = tmp_path_factory.mktemp("fixed")
    _write_data_set(folder / "embedded", {TRAIN: text[:36_000], VALIDATION: text[36_000:]})
    return folder


@pytest.mark.parametrize("name", REGISTRY)
def test_final_losses_are_what_they_were(name: str, fixed_text: Path) -> None:
    """Two members: one without decay, one with.

    Within 2e-3: thread counts, processors and versions of torch move the last digits, an error in
    a rule or in the model moves the second. A row may say that it needs more room.
    """
    first, second = CASES[name].golden_lrs
    changes = [{"lr": first}, {"lr": second, "weight_decay": 0.001}]
    configs = [
        tiny_config(fixed_text, name, steps=100, seed=k, changes=c) for k, c in enumerate(changes)
    ]
    run = StackRun(configs, data_dir=fixed_text)
    while not run.finished:
        run.advance()
    losses = [result and result.final_loss for result in run.results()]
    assert losses == pytest.approx(CASES[name].golden, abs=CASES[name].golden_atol)
