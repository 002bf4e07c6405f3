"""The stacks that this dispatcher has handed to Ray, as its threads see them."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sweeper.dispatch.messages import Report
from sweeper.storage.records import Claim


@dataclass
class Running:
    """A claimed stack, and how far it has come by this process's monotonic clock."""

    claim: Claim
    cpus: int
    gpus: int
    cost_s: float
    """Seconds it should take from where it starts, by the planner's estimate."""
    steps: int
    step: int = 0
    host: str = ""
    pid: int = 0
    pid_space: str = ""
    started_at: float | None = None
    first_step: int = 0
    had_last_word: bool = False
    was_hung: bool = False
    moved_at: float = field(default_factory=time.monotonic)

    def silent_s(self, now: float) -> float:
        """Seconds since its last report; 0 before the first one."""
        return 0.0 if self.started_at is None else now - self.moved_at

    def remaining_s(self, now: float) -> float:
        """Seconds left: by its own pace once it has one, by the estimate before."""
        left = self.steps - self.step
        if self.started_at is None or self.step <= self.first_step:
            return self.cost_s * left / max(1, self.steps)
        pace_s = (self.moved_at - self.started_at) / (self.step - self.first_step)
        return max(0.0, pace_s * left - (now - self.moved_at))

    def slowness(self) -> float | None:
        """Seconds it took per second estimated; None before it has made a step."""
        if self.started_at is None or self.step <= self.first_step:
            return None
        estimate_s = self.cost_s * (self.step - self.first_step) / self.steps
        return (self.moved_at - self.started_at) / estimate_s


def remaining_costs(stacks: Sequence[Running], now: float) -> tuple[float, ...]:
    """What each has left in the planner's own seconds, however fast this machine is."""
    known = [s for stack in stacks if (s := stack.slowness()) is not None]
    slowness = sum(known) / len(known) if known else 1.0
    return tuple(
        stack.remaining_s(now) / (1.0 if stack.slowness() is None else slowness) for stack in stacks
    )


class RunningStacks:
    """Claimed stacks by Ray's trial id. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stacks: dict[str, Running] = {}

    def add(self, tune_trial_id: str, running: Running) -> None:
        """A claimed stack goes to Ray."""
        with self._lock:
            self._stacks[tune_trial_id] = running

    def get(self, tune_trial_id: str) -> Running | None:
        """The stack of one of Ray's trials, None once it has ended."""
        with self._lock:
            return self._stacks.get(tune_trial_id)

    def heard(self, tune_trial_id: str, report: Report) -> Running | None:
        """Note a report; None if the stack has ended."""
        now = time.monotonic()
        with self._lock:
            running = self._stacks.get(tune_trial_id)
            if running is None:
                return None
            if running.started_at is None:
                running.started_at, running.first_step = now, report.step
            running.moved_at, running.step = now, report.step
            running.host, running.pid = report.host, report.pid
            running.pid_space = report.pid_space
            return running

    def end(self, tune_trial_id: str) -> Running | None:
        """Forget a stack; None if that was done before."""
        with self._lock:
            return self._stacks.pop(tune_trial_id, None)

    def all(self) -> tuple[Running, ...]:
        """All that are claimed."""
        with self._lock:
            return tuple(self._stacks.values())

    def ids(self) -> tuple[str, ...]:
        """Ray's ids of all that are claimed."""
        with self._lock:
            return tuple(self._stacks)
