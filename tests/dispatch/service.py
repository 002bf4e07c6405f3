"""One dispatcher for all tests of a module, with stacks that fail, hang, or take their time."""

import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.storage.store import Store, open_store
from tests.dispatch import tiny
from tests.trainers.optimizers.test_plugins import example

BAD_SEED, HANGING_SEED = 13, 17
CANCELLED_SEED, PAUSED_SEEDS, WARM_SEEDS = 3, (4, 5, 6), ((20, 21), (30, 31), (32, 33))
SLOW_SEEDS = (CANCELLED_SEED, *PAUSED_SEEDS, *itertools.chain(*WARM_SEEDS))
"""Their stacks take their time until the test has done what it came for."""

SLOW = """
import pathlib, time
from typing import Annotated
from trainers.config import Hyperparameter
from trainers.functions import TrainingFunction

def slow(*, steps, seed, lr: Annotated[float, Hyperparameter(default=0.1)] = 0.1):
    for step in range(steps + 1):
        if step and not pathlib.Path("{home}", f"go-{{seed}}").exists():
            time.sleep(0.02)
        if lr == 13 and step == 5:
            raise RuntimeError("an unlucky number")
        yield step, {{"validation_loss": lr + 1 / (1 + step)}}

TRAINERS = {{"slow": TrainingFunction(slow, "takes its time until it may go", "")}}
"""


@dataclass(frozen=True)
class Running:
    store: Store
    home: Path
    pid: int


@contextmanager
def served(home: Path, template: Path) -> Iterator[Running]:
    shutil.copy(template, home / "sweeper.db")
    url = f"sqlite:///{home}/sweeper.db"
    failpoints: list[dict[str, Any]] = [
        {
            "name": "worker_step",
            "action": "raise",
            "marker": str(home / "raised"),
            "when": {"seed": BAD_SEED, "step": 700},
            "always": True,
        },
        {
            "name": "worker_step",
            "action": "hang",
            "marker": str(home / "hung"),
            "when": {"seed": HANGING_SEED, "step": 20},
        },
        *(tiny.slow(home, seed) for seed in SLOW_SEEDS),
    ]
    (home / "sine.py").write_text(example("fit_sine"))
    (home / "slow.py").write_text(SLOW.format(home=home))
    dispatcher = tiny.start(url, home, failpoints=failpoints, plugins=plugins_of(home))
    with open_store(url) as store:
        yield Running(store, home, dispatcher.process.pid)
    assert dispatcher.stop() == 0


def plugins_of(home: Path) -> str:
    return f"{home}/sine.py:{home}/slow.py"
