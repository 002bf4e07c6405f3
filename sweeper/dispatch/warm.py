"""Keeps workers for the stacks to come: a new process takes seconds until it has imported torch."""

from typing import Any

from ray.tune.schedulers import FIFOScheduler

MANY = 1024
"""A kept worker holds its CPUs or its GPU, so no more can be kept than fit."""


class WarmWorkers(FIFOScheduler):
    """First in, first out; workers that are free stay, for stacks that want the same resources.

    Tune itself keeps one at most, unless it has trials that wait. A stack that wants other
    resources has the workers kept for the last one ended, whose share it may need.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kept: Any = None

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Keep workers like the one that this trial will have."""
        wanted = trial.placement_group_factory
        if wanted == self._kept:
            return
        # Not public: of ray 2.60, whose minor releases are excluded in pyproject for the like.
        cache = tune_controller._tune_controller._actor_cache
        if self._kept is not None:
            cache.decrease_max(self._kept, MANY)
        cache.increase_max(wanted, MANY)
        self._kept = wanted
