"""Tiny sweeps, the losses they must end with, and dispatchers as real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from sweeper.storage.records import AttemptRecord, TrialRecord
from sweeper.storage.store import Store
from sweeper.trials import Expansion, PlannedPoint, PlannedTrial, Variant, fingerprint
from trainers.config import ModelConfig, TrainConfig, from_dict, stack_key
from trainers.data import prepare_embedded
from trainers.loop import StackRun
from trainers.optimizers import hyperparameters

MODEL = ModelConfig(width=16, layers=1, heads=1, sequence_length=16, vocabulary=256)
PATIENCE_S = 90.0
STARTED: list[subprocess.Popen[bytes]] = []
FAST = {
    "SWEEPER_REPORT_S": "0.1",
    "SWEEPER_CHECKPOINT_S": "0.3",
    "SWEEPER_PROGRESS_LIMIT_S": "4",
    "OMP_NUM_THREADS": "1",
}


def datasets(home: Path) -> Path:
    return home / "datasets"


def config(home: Path, lr: float, *, steps: int, seed: int = 0) -> TrainConfig:
    defaults = {k: v.default for k, v in hyperparameters("adamw", "warmup_cosine").items()}
    return TrainConfig(
        optimizer="adamw",
        model=MODEL,
        data=prepare_embedded(datasets(home)),
        steps=steps,
        batch_size=2,
        hyperparameters=defaults | {"lr": lr},
        seed=seed,
        eval_sequences=4,
    )


def submit(store: Store, configs: Sequence[TrainConfig], name: str = "tiny") -> str:
    """A sweep with one point on each of these runs, which ascend in learning rate and seed."""
    trials = {
        fingerprint(one): PlannedTrial(
            fingerprint=fingerprint(one), stack_key=stack_key(one), config=one
        )
        for one in configs
    }
    points = tuple(
        PlannedPoint(
            variant=0, value=one.hyperparameters["lr"], seed=one.seed, fingerprint=fingerprint(one)
        )
        for one in configs
    )
    variant = Variant(label="adamw", optimizer="adamw", scale="tiny", architecture="standard")
    planned = Expansion(variants=(variant,), points=points, trials=tuple(trials.values()))
    return store.sweeps.submit(
        name=name,
        spec={"name": name},
        parameter="lr",
        axis_scale="log",
        priority=0,
        expansion=planned,
    ).sweep_id


def trials(store: Store, sweep_id: str) -> list[TrialRecord]:
    """The trials of a sweep in the order of its points."""
    return [store.results.trial(t) for t in store.results.points(sweep_id)["trial_id"]]


def attempts(store: Store, sweep_id: str) -> list[AttemptRecord]:
    """All attempts at the stacks that the trials are in now."""
    found = {(a.stack_id, a.attempt): a for t in trials(store, sweep_id) for a in t.attempts}
    return [found[key] for key in sorted(found)]


def counts(store: Store, sweep_id: str) -> dict[str, int]:
    found = store.sweeps.get(sweep_id).counts
    return {str(state): number for state, number in found.items() if number}


def undisturbed(home: Path, records: Sequence[TrialRecord]) -> list[float | None]:
    """The final losses of these trials when each of their stacks is trained at one go."""
    by_stack: dict[int, list[TrialRecord]] = {}
    for record in records:
        by_stack.setdefault(record.attempts[-1].stack_id, []).append(record)
    losses: dict[str, float | None] = {}
    torch.set_num_threads(1)
    for members in by_stack.values():
        configs = [from_dict(member.config) for member in members]
        run = StackRun(configs, data_dir=datasets(home))
        while not run.finished:
            run.advance()
        for member, result in zip(members, run.results(), strict=True):
            losses[member.id] = None if result is None else result.final_loss
    return [losses[record.id] for record in records]


def eventually(holds: Callable[[], Any], what: str) -> Any:
    """The first true value; for things that another process does in its own time."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError(f"it never happened: {what}")


def is_done(store: Store, sweep_id: str) -> bool:
    return str(store.sweeps.get(sweep_id).state) in {"done", "done_with_failures"}


def has_checkpoints(home: Path, count: int) -> bool:
    """Whether so many stacks have a whole checkpoint."""
    found = (home / "checkpoints").glob("*/*/*")
    return len({p.parent.parent.name for p in found if p.name.isdigit()}) >= count


def slow(home: Path, seed: int | None = None) -> dict[str, Any]:
    """A failpoint that makes workers take their time until `hurry`, so that a fault meets them.

    With a `seed`, only those whose stack has it.
    """
    files = {"marker": str(home / f"slowed-{seed}"), "until": str(home / f"hurry-{seed}")}
    when = {} if seed is None else {"seed": seed}
    return {"name": "worker_step", "action": "slow", "always": True, "when": when} | files


def hurry(home: Path, seed: int | None = None) -> None:
    """Let slow workers go on at full speed."""
    (home / f"hurry-{seed}").touch()


@dataclass
class Dispatcher:
    """A dispatcher process with its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def ended(self) -> int:
        """Its exit status, once it has ended by itself."""
        return self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def has_logged(self, text: str) -> bool:
        return text in self.log.read_text()


def start(
    url: str,
    home: Path,
    *,
    idle_exit: bool = False,
    failpoints: Sequence[Mapping[str, Any]] = (),
    parent_fd: int | None = None,
    plugins: str = "",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Dispatcher:
    arguments = ["idle_exit" if idle_exit else "stay"]
    if parent_fd is not None:
        arguments.append(str(parent_fd))
    number = len(list(home.glob("dispatcher-*.log")))
    log = home / f"dispatcher-{number}.log"
    environment = os.environ | FAST | {"SWEEPER_FAILPOINTS": json.dumps(list(failpoints))}
    environment |= {"SWEEPER_PLUGINS": plugins, **settings}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.dispatch.process", url, str(home), *arguments],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=() if parent_fd is None else (parent_fd,),
        )
    STARTED.append(process)
    return Dispatcher(process, log)


def kill_what_runs() -> None:
    """End the dispatchers that a failed test has left."""
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
