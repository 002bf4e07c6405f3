"""The dispatcher's side of the store."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sweeper.failures import Failure, FailureKind
from sweeper.planning.machine import Machine
from sweeper.planning.speeds import Measurement
from sweeper.storage import claims, ownership, progress, returns, throughput
from sweeper.storage.engine import Database
from sweeper.storage.progress import Result
from sweeper.storage.records import (
    Checkpoint,
    Claim,
    ControlRow,
    DispatcherRow,
    FreeTrial,
    MetricRow,
    Owner,
)
from sweeper.storage.returns import Handled


class Queue:
    """Claims, results and returns, each one transaction. Any thread may call.

    Every write raises `Fenced` when its epoch no longer acts. Writes of a stack are also guarded by
    its attempt: of a superseded one they change nothing and say so (False or None).
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def dispatcher(self) -> DispatcherRow | None:
        """Who acts, None if nobody ever did."""
        return self._database.read(ownership.acting)

    def take_over(self, seen: DispatcherRow | None, owner: Owner) -> int:
        """Become the dispatcher that acts: the new epoch. `Conflict` if the row is not as `seen`.

        All stacks that run under older epochs become pending, as they were.
        """
        return self._database.write(lambda c: ownership.take_over(c, seen, owner))

    def beat(self, epoch: int) -> None:
        """Show that this dispatcher is alive."""
        self._database.write(lambda c: ownership.beat(c, epoch))

    def claim_interrupted(self, epoch: int) -> Claim | None:
        """The most wanted interrupted stack. None may be wrong under contention: ask again."""
        return self._database.write(lambda c: claims.claim_interrupted(c, epoch))

    def free_trials(self, limit: int = 2000) -> list[FreeTrial]:
        """Trials to plan new stacks from, the most wanted first."""
        return self._database.read(lambda c: claims.free_trials(c, limit))

    def claim_new(self, epoch: int, trial_ids: Sequence[int], threads: int) -> Claim | None:
        """A new stack of these trials in this order; None if any of them was taken meanwhile."""
        return self._database.write(lambda c: claims.claim_new(c, epoch, trial_ids, threads))

    def start(self, epoch: int, claim: Claim, tune_trial_id: str, host: str, pid: int) -> bool:
        """Note that a worker runs the claim. Calling it again changes nothing."""
        assert claim.epoch == epoch
        return self._database.write(
            lambda c: claims.start(c, claim, tune_trial_id=tune_trial_id, host=host, pid=pid)
        )

    def record(
        self,
        epoch: int,
        stack_id: int,
        attempt: int,
        rows: Sequence[MetricRow],
        checkpoint: Checkpoint | None = None,
    ) -> bool:
        """Store metric rows, and a whole checkpoint to go on from."""
        running = (epoch, stack_id, attempt)
        return self._database.write(lambda c: progress.record(c, running, rows, checkpoint))

    def accept(
        self,
        epoch: int,
        stack_id: int,
        attempt: int,
        trial_id: int,
        result: Result,
        provenance: Mapping[str, Any],
    ) -> bool:
        """Store the one result of a member; False if it has one, is cancelled or superseded."""
        running = (epoch, stack_id, attempt)
        return self._database.write(
            lambda c: progress.accept(c, running, trial_id, result, provenance)
        )

    def close(self, epoch: int, stack_id: int, attempt: int) -> bool:
        """End a stack whose members have all ended; False if one has not."""
        return self._database.write(lambda c: progress.close(c, (epoch, stack_id, attempt)))

    def give_back(self, epoch: int, stack_id: int, attempt: int, reason: str) -> bool:
        """Return a stack as it was, which is no loss: for pause, drain and the like."""
        running = (epoch, stack_id, attempt)
        return self._database.write(lambda c: returns.give_back(c, running, reason))

    def fail(self, epoch: int, stack_id: int, attempt: int, failure: Failure) -> Handled | None:
        """Apply the failure's policy; what was done."""
        running = (epoch, stack_id, attempt)
        return self._database.write(lambda c: returns.fail(c, running, failure))

    def split(
        self, epoch: int, stack_id: int, attempt: int, parts: Sequence[Sequence[int]]
    ) -> tuple[int, ...] | None:
        """Go on with the live members in new, pending stacks, one for each part (trial ids)."""
        running = (epoch, stack_id, attempt)
        return self._database.write(lambda c: returns.split(c, running, parts))

    def reject(
        self,
        epoch: int,
        trial_ids: Sequence[int],
        message: str,
        kind: FailureKind = FailureKind.INFEASIBLE,
    ) -> tuple[int, ...]:
        """Fail free trials before any of them is claimed; those that were still free."""
        return self._database.write(lambda c: returns.reject(c, epoch, trial_ids, message, kind))

    def folders_in_use(self) -> frozenset[str]:
        """Checkpoint folders of stacks that are not closed, those of a split parent included."""
        return self._database.read(progress.folders_in_use)

    def checkpoints(self, stack_id: int) -> tuple[str, ...]:
        """The paths of the checkpoints that a stack may go on from, the newest first."""
        return self._database.read(lambda c: progress.checkpoints(c, stack_id))

    def control(self, epoch: int) -> list[ControlRow]:
        """All running stacks of the epoch: which slots to mask, and whether to pause."""
        return self._database.read(lambda c: progress.control(c, epoch))

    def note_speed(self, measurement: Measurement) -> None:
        """Remember what a stack took, or that it did not fit. Needs no epoch: it is advice."""
        self._database.write(lambda c: throughput.note(c, measurement))

    def speeds(self, shapes: Iterable[str]) -> tuple[Measurement, ...]:
        """What is remembered of stacks of these shapes, on any device; the oldest first."""
        return self._database.read(lambda c: throughput.known(c, shapes))

    def note_machine(self, epoch: int, machine: Machine) -> None:
        """Tell readers what this dispatcher trains on."""
        self._database.write(lambda c: throughput.note_machine(c, epoch, machine))

    def machine(self) -> Machine | None:
        """What the last dispatcher that acted trains on; None if none has told."""
        return self._database.read(throughput.machine)
