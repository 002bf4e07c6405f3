"""New stacks: which of the free trials to claim next, and which cannot be trained here."""

import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from sweeper.dispatch.outdated import OUTDATED, Identities
from sweeper.dispatch.running import remaining_costs
from sweeper.dispatch.supply import Supply
from sweeper.failures import FailureKind
from sweeper.planning.speeds import Speeds, shape_key
from sweeper.planning.stacking import PlannedStack, plan
from sweeper.storage.records import Claim, FreeTrial
from trainers.config import from_dict

_log = logging.getLogger(__name__)


class Planning:
    """Claims the next stack of the plan, which is made anew for each."""

    def __init__(self, supply: Supply) -> None:
        self._supply = supply
        self._identities = Identities()

    def new_stack(self) -> Claim | None:
        """A stack of free trials, claimed; None if there is none, or it was taken meanwhile."""
        supply = self._supply
        free = self._current(supply.store.free_trials())
        if not free:
            return None
        first = [trials[0].config for trials in _by_key(free)]
        stacks = self._planned(free, self.speeds(first))
        self._reject_infeasible(free, stacks)
        if not stacks:
            return None
        return supply.store.claim_new(supply.epoch, stacks[0].trial_ids, stacks[0].threads)

    def _current(self, free: list[FreeTrial]) -> list[FreeTrial]:
        """The trials without those of another version of the trainer: they fail with the reason."""
        outdated = self._identities.outdated(free)
        if outdated:
            self._reject(outdated, OUTDATED.message, OUTDATED.kind)
        return [trial for trial in free if trial.id not in outdated]

    def speeds(self, configs: Iterable[Mapping[str, Any]]) -> Speeds:
        """This machine, and what is remembered of stacks of such configurations."""
        running = remaining_costs(self._supply.running.all(), time.monotonic())
        shapes = set()
        for config in configs:
            # One that cannot be read is told where it is planned.
            with suppress(Exception):
                shapes.add(shape_key(from_dict(config)))
        machine = self._supply.capacity().machine(running)
        return Speeds(machine, self._supply.store.speeds(shapes))

    def _planned(self, free: list[FreeTrial], speeds: Speeds) -> tuple[PlannedStack, ...]:
        """The plan, without the trials that cannot be planned: they fail with the reason."""
        try:
            return plan(free, speeds.machine, speeds)
        except Exception:  # noqa: BLE001 - one bad trial must not keep the rest waiting
            _log.exception("not all trials can be planned: looking for those that cannot")
        good = [trials for trials in _by_key(free) if self._is_plannable(trials, speeds)]
        return plan([trial for part in good for trial in part], speeds.machine, speeds)

    def _is_plannable(self, trials: list[FreeTrial], speeds: Speeds) -> bool:
        """Whether there is a plan for these trials of one stack key; if not, they are rejected."""
        try:
            plan(trials, speeds.machine, speeds)
        except Exception as error:  # noqa: BLE001 - as above
            _log.exception("%d trials cannot be planned", len(trials))
            message = f"it cannot be planned: {type(error).__name__}: {error}"
            self._reject([t.id for t in trials], message)
            return False
        return True

    def _reject_infeasible(self, free: list[FreeTrial], stacks: tuple[PlannedStack, ...]) -> None:
        planned = {trial_id for stack in stacks for trial_id in stack.trial_ids}
        left = [trial.id for trial in free if trial.id not in planned]
        if left:
            self._reject(left, "the model does not fit into the memory of a GPU here")

    def _reject(
        self, trial_ids: list[int], message: str, kind: FailureKind = FailureKind.INFEASIBLE
    ) -> None:
        self._supply.store.reject(self._supply.epoch, trial_ids, message, kind)


def _by_key(free: list[FreeTrial]) -> list[list[FreeTrial]]:
    """The trials in groups that can each be trained as one."""
    by_key: dict[str, list[FreeTrial]] = {}
    for trial in free:
        by_key.setdefault(trial.stack_key, []).append(trial)
    return list(by_key.values())
