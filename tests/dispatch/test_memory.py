"""A stack whose update finds no memory on its device: it is split, and the plan remembers."""

from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.storage.store import Store, open_store
from tests.dispatch import tiny
from trainers.config import TrainConfig
from trainers.optimizers import hyperparameters, plugins, registered

HUNGRY = """
import torch
from trainers.optimizers.base import Entry, Optimizer, chain
from trainers.optimizers.transforms import descend

def hungry() -> Optimizer:
    def update(grad, state, value, context):
        if len(value) > 2 and context.step == 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return grad, state
    return chain(Optimizer(lambda value, role: {}, update), descend())

OPTIMIZERS = {"hungry": Entry(hungry, 0.1, "has no room for three trials", "here")}
"""


def _config(home: Path, lr: float) -> TrainConfig:
    own = hyperparameters("hungry", "warmup_cosine")
    config = tiny.config(home, lr, steps=60)
    values = {k: config.hyperparameters[k] if k == "lr" else v.default for k, v in own.items()}
    version = registered("hungry").version
    return replace(config, optimizer="hungry", hyperparameters=values, optimizer_version=version)


def _trained(store: Store, home: Path, lrs: list[float]) -> str:
    sweep_id = tiny.submit(store, [_config(home, lr) for lr in lrs])
    tiny.eventually(lambda: tiny.is_done(store, sweep_id), "the sweep is done")
    return sweep_id


@pytest.mark.ray
@pytest.mark.fault
@pytest.mark.timeout(240)
def test_a_stack_without_memory_for_its_update_is_split_and_the_next_one_is_smaller(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known in ("_sent", "_sources"):
        monkeypatch.setattr(plugins, known, {})
    plugins.take(HUNGRY)
    (tmp_path / "hungry.py").write_text(HUNGRY)
    with open_store(sqlite_url) as store:
        dispatcher = tiny.start(sqlite_url, tmp_path, plugins=str(tmp_path / "hungry.py"))
        first = _trained(store, tmp_path, [0.01 * n for n in range(1, 7)])
        second = _trained(store, tmp_path, [0.001 * n for n in range(1, 7)])
        assert dispatcher.stop() == 0
        for sweep_id, failures in ((first, ["oom_gpu", None]), (second, [None])):
            records = tiny.trials(store, sweep_id)
            assert tiny.counts(store, sweep_id) == {"done": 6}
            assert [[a.failure for a in r.attempts] for r in records] == [failures] * 6
            assert {r.provenance["stack_size"] for r in records} <= {1, 2}
