"""What Ray Tune asks for work: stacks claimed from the database, when there is room for them."""

import logging
import time
from typing import Any

from ray.tune.search import Searcher

from sweeper.dispatch.failpoints import hit
from sweeper.dispatch.messages import Work
from sweeper.dispatch.outdated import OUTDATED, OutdatedStack, check
from sweeper.dispatch.planning import Planning
from sweeper.dispatch.running import Running
from sweeper.dispatch.supply import Supply
from sweeper.dispatch.watchdog import hung_dir
from sweeper.dispatch.writer import Ended
from sweeper.errors import Fenced, SweeperError
from sweeper.failures import Failure, FailureKind
from sweeper.storage.records import Claim
from trainers.config import from_dict
from trainers.optimizers import plugins

LOOK_AHEAD_S = 2.0
"""A stack is claimed ahead when a running one has this much left, so that no core waits for it."""
POLL_S = 0.2
ADVANCE_S = 1.0
"""How often sweeps that think are looked after while there is no room."""
MAX_TUNE_TRIALS = 500
"""The driver's cost grows with the trials that a Tuner remembers; then a fresh one takes over."""
IDLE_LIMIT_S = 600.0
"""So long without work, and a Tuner ends and takes along the workers that it keeps warm."""

_log = logging.getLogger(__name__)


class StackSearcher(Searcher):
    """Claims stacks for one Tuner. Interrupted ones come first, as they were."""

    def __init__(
        self,
        supply: Supply,
        max_trials: int = MAX_TUNE_TRIALS,
        idle_limit_s: float = IDLE_LIMIT_S,
    ) -> None:
        super().__init__()
        self._supply = supply
        self._max_trials = max_trials
        self._idle_limit_s = idle_limit_s
        self._count = 0
        self._asked_at = float("-inf")
        self._advanced_at = float("-inf")
        self._nothing_waits = False
        self._planning = Planning(supply)
        self.was_idle = False

    def suggest(  # type: ignore[override]  # FINISHED is a string, which its base forgets.
        self, trial_id: str
    ) -> dict[str, Any] | str | None:
        """Work, None for not now, or FINISHED when stopping, or when nothing runs and enough was.

        While nothing runs it waits for work itself: what Tune does otherwise is to sleep for a
        second between two questions, and not to look at any signal.
        """
        idle_from = time.monotonic()
        while True:
            if self._supply.stop.is_set():
                return str(Searcher.FINISHED)
            nothing_runs = not self._supply.running.all()
            if self._count >= self._max_trials:
                return str(Searcher.FINISHED) if nothing_runs else None
            settled = self._supply.writer.is_idle()
            config = self._work_or_none(trial_id)
            if config is not None or not nothing_runs:
                return config
            if self._supply.idle_exit and settled and self._nothing_waits:
                self.was_idle = True
                return str(Searcher.FINISHED)
            if self._count and time.monotonic() - idle_from > self._idle_limit_s:
                return str(Searcher.FINISHED)
            self._supply.stop.wait(POLL_S)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: the callback hears of it too, and knows more."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the database is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the database is the state."""

    def _work_or_none(self, trial_id: str) -> dict[str, Any] | None:
        """Never raises: an exception here would end the Tuner."""
        self._nothing_waits = False
        if time.monotonic() - self._asked_at < POLL_S:
            return None
        try:
            has_room = self._has_room()
            self._advance(has_room)
            if not has_room:
                return None
            config = self._claimed(trial_id)
        except Fenced:
            self._supply.stop.fenced()
        except SweeperError as error:
            _log.warning("nothing claimed: %s", error)
        except Exception:  # noqa: BLE001 - it would end the Tuner
            _log.exception("nothing claimed")
        else:
            if config is not None:
                return config
            self._nothing_waits = True
        self._asked_at = time.monotonic()
        return None

    def _advance(self, has_room: bool) -> None:
        """Before every claim, as there may be one after it; seldom where nothing can be claimed."""
        now = time.monotonic()
        if has_room or now - self._advanced_at > ADVANCE_S:
            self._advanced_at = now
            self._supply.advance()

    def _has_room(self) -> bool:
        capacity, running = self._supply.capacity(), self._supply.running.all()
        used_gpus, used_cpus = sum(r.gpus for r in running), sum(r.cpus for r in running)
        used, there_is = (used_gpus, capacity.gpus) if capacity.gpus else (used_cpus, capacity.cpus)
        return used + capacity.per_stack <= there_is or self._may_look_ahead(running)

    @staticmethod
    def _may_look_ahead(running: tuple[Running, ...]) -> bool:
        """Whether a core is about to be free and nothing is claimed for it yet."""
        now = time.monotonic()
        unstarted = [r for r in running if r.started_at is None]
        soon = any(r.started_at is not None and r.remaining_s(now) < LOOK_AHEAD_S for r in running)
        return soon and not unstarted

    def _claimed(self, trial_id: str) -> dict[str, Any] | None:
        supply = self._supply
        claim = supply.store.claim_interrupted(supply.epoch) or self._planning.new_stack()
        if claim is None:
            return None
        hit("after_claim", stack=claim.stack_id)
        try:
            return self._handed_out(trial_id, claim)
        except Exception as error:
            # Else the database would count the stack as running, and nobody would run it.
            supply.writer.put(Ended(claim, _unstartable(error)))
            raise

    def _handed_out(self, trial_id: str, claim: Claim) -> dict[str, Any]:
        """What Tune gives the worker, once this process has noted that the stack runs."""
        supply = self._supply
        check(claim)
        size, config = len(claim.members), from_dict(claim.members[0].config)
        speed = self._planning.speeds([claim.members[0].config]).of(config)
        capacity = supply.capacity()
        devices = 1 if config.is_function else min(capacity.per_stack, config.batch_size)
        # A stack keeps its threads for the sake of its bits, also where no node has so many CPUs.
        cpus = min(claim.threads, max(1, capacity.threads)) * devices
        gpus = devices if capacity.gpus else 0
        running = Running(
            claim=claim,
            cpus=cpus,
            gpus=gpus,
            cost_s=speed.stack_s(size),
            steps=config.steps,
        )
        micro_batch = speed.ran_with(size) if gpus else None  # A CPU reads batches whole.
        work = self._work(claim, devices, "cuda" if gpus else "cpu", micro_batch).to_json()
        supply.running.add(trial_id, running)
        self._count += 1
        return {
            "stack_id": claim.stack_id,
            "attempt": claim.attempt,
            "cpus": cpus,
            "gpus": gpus,
            "spec": work,
        }

    def _work(self, claim: Claim, devices: int, device: str, micro_batch: int | None) -> Work:
        supply = self._supply
        return Work(
            stack_id=claim.stack_id,
            attempt=claim.attempt,
            configs=tuple(member.config for member in claim.members),
            live=tuple(member.live for member in claim.members),
            threads=claim.threads,
            device=device,
            devices=devices,
            data_dir=str(supply.data_dir / "datasets"),
            hung_dir=str(hung_dir(supply.data_dir)),
            checkpoints=supply.checkpoints,
            keeps=supply.keeps,
            checkpoint=claim.checkpoint,
            checkpoint_slots=claim.checkpoint_slots,
            control=supply.control,
            timing=supply.timing,
            micro_batch=micro_batch,
            plugin=plugins.source_of(claim.members[0].config["optimizer"]),
        )


def _unstartable(error: Exception) -> Failure:
    if isinstance(error, OutdatedStack):
        return OUTDATED
    message = f"it cannot be started: {type(error).__name__}: {error}"
    return Failure(kind=FailureKind.USER_ERROR, message=message)
