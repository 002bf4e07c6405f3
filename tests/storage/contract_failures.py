"""What each class of failure leads to."""

import pytest

from sweeper.failures import FIRST_FAILURES, Failure, FailureKind, Remedy
from sweeper.storage.records import Checkpoint, Claim, EventKind
from sweeper.storage.returns import Handled
from sweeper.storage.store import Store
from sweeper.trials import SweepState
from tests.storage.builders import (
    claim_all,
    counts,
    expansion,
    finish,
    key,
    public_ids,
    reclaim,
    submit,
    take_over,
)

ONE = expansion(values=(0.1,))


def fail(store: Store, claim: Claim | None, kind: FailureKind, message: str = "trouble") -> Handled:
    assert claim is not None
    failure = Failure(kind=kind, message=message, traceback="Traceback", log_tail="last line")
    handled = store.queue.fail(*key(claim), failure)
    assert handled is not None
    return handled


class FailureContract:
    def test_a_users_error_is_bisected_to_one_member(self, store: Store) -> None:
        made = submit(store, expansion(seeds=(0, 1)))
        epoch = take_over(store)
        guilty = claim_all(store, epoch).members[4].trial_id
        epoch = take_over(store)
        failed: list[int] = []
        while (claim := store.queue.claim_interrupted(epoch)) is not None:
            if guilty in [m.trial_id for m in claim.members]:
                failed += fail(store, claim, FailureKind.USER_ERROR).failed
            else:
                finish(store, claim)
        assert failed == [guilty]
        assert counts(store, made.sweep_id) == {"done": 5, "failed": 1}
        assert store.sweeps.get(made.sweep_id).state is SweepState.DONE_WITH_FAILURES
        assert store.results.integrity() == []

    @pytest.mark.parametrize(
        ("kind", "retries"),
        [
            (FailureKind.USER_ERROR, 0),
            (FailureKind.TIMEOUT, 0),
            (FailureKind.HUNG, 1),
            (FailureKind.OOM_GPU, 1),
            (FailureKind.OOM_HOST, 1),
            (FailureKind.WORKER_LOST, 3),
            (FailureKind.NODE_LOST, 3),
        ],
    )
    def test_a_single_member_has_its_retries(
        self, store: Store, kind: FailureKind, retries: int
    ) -> None:
        made = submit(store, ONE)
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        for _ in range(retries):
            assert fail(store, claim, kind).remedy is Remedy.AS_IT_WAS
            claim = reclaim(store, epoch)
        assert fail(store, claim, kind).remedy is Remedy.FAIL
        trial_id = public_ids(store, made.sweep_id)[0]
        trial = store.results.trial(trial_id)
        assert (trial.state, trial.failure, len(trial.attempts)) == ("failed", kind, retries + 1)
        assert all(a.failure == kind and a.next_step for a in trial.attempts)
        assert store.results.log(trial_id).count("last line") == retries + 1

    def test_a_lost_stack_is_split_at_the_third_return(self, store: Store) -> None:
        submit(store)
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        remedies = []
        for _ in range(3):
            remedies.append(fail(store, claim, FailureKind.WORKER_LOST).remedy)
            claim = reclaim(store, epoch)
        assert remedies == [Remedy.AS_IT_WAS, Remedy.AS_IT_WAS, Remedy.SPLIT]
        assert len(claim.members) == 2

    def test_a_newer_checkpoint_clears_the_losses(self, store: Store) -> None:
        submit(store)
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        for step in range(1, 6):
            store.queue.record(*key(claim), [], Checkpoint(step=step, path=f"1/{step}/{step}"))
            assert fail(store, claim, FailureKind.WORKER_LOST).remedy is Remedy.AS_IT_WAS
            claim = reclaim(store, epoch)
        assert claim.attempt == 6

    def test_pause_and_takeover_are_no_losses(self, store: Store) -> None:
        submit(store)
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        for _ in range(3):
            store.queue.give_back(*key(claim), "paused")
            claim = reclaim(store, epoch)
            epoch = take_over(store)
            claim = reclaim(store, epoch)
        assert fail(store, claim, FailureKind.HUNG).remedy is Remedy.AS_IT_WAS

    def test_out_of_memory_halves(self, store: Store) -> None:
        made = submit(store)
        epoch = take_over(store)
        handled = fail(store, claim_all(store, epoch), FailureKind.OOM_GPU)
        assert (handled.remedy, len(handled.stacks)) == (Remedy.SPLIT, 2)
        assert [len(reclaim(store, epoch).members) for _ in range(2)] == [2, 1]
        assert EventKind.SPLIT in [e.kind for e in store.sweeps.events(made.sweep_id)]

    def test_a_timeout_fails_all_live_members(self, store: Store) -> None:
        made = submit(store)
        handled = fail(store, claim_all(store, take_over(store)), FailureKind.TIMEOUT)
        assert len(handled.failed) == 3
        assert counts(store, made.sweep_id) == {"failed": 3}
        assert not handled.paused_sweeps

    def test_corrupt_checkpoints_are_left_one_by_one(self, store: Store) -> None:
        submit(store)
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        for step in (1, 2):
            store.queue.record(*key(claim), [], Checkpoint(step=step, path=f"1/1/{step}"))
        found = []
        for _ in range(3):
            remedy = fail(store, claim, FailureKind.CHECKPOINT_CORRUPT).remedy
            assert remedy is Remedy.OLDER_CHECKPOINT
            claim = reclaim(store, epoch)
            found.append(claim.checkpoint)
        assert found == ["1/1/1", None, None]

    def test_a_full_disk_pauses_the_sweep(self, store: Store) -> None:
        made = submit(store)
        epoch = take_over(store)
        handled = fail(store, claim_all(store, epoch), FailureKind.DISK_FULL, "no space left")
        assert handled.remedy is Remedy.PAUSE
        assert store.sweeps.get(made.sweep_id).state is SweepState.PAUSED
        assert store.queue.claim_interrupted(epoch) is None
        assert "no space left" in store.sweeps.events(made.sweep_id)[-1].message
        store.sweeps.resume(made.sweep_id)
        finish(store, reclaim(store, epoch))
        assert store.sweeps.get(made.sweep_id).state is SweepState.DONE

    def test_a_sweep_whose_first_trials_all_fail_is_paused(self, store: Store) -> None:
        values = tuple(0.1 * (i + 1) for i in range(FIRST_FAILURES + 2))
        made = submit(store, expansion(values=values))
        epoch = take_over(store)
        for number, free in enumerate(store.queue.free_trials()[:FIRST_FAILURES]):
            claim = store.queue.claim_new(epoch, [free.id], 1)
            handled = fail(store, claim, FailureKind.USER_ERROR, "no such layer")
            assert bool(handled.paused_sweeps) == (number == FIRST_FAILURES - 1)
        assert store.sweeps.get(made.sweep_id).state is SweepState.PAUSED
        assert "no such layer" in store.sweeps.events(made.sweep_id)[-1].message
        assert store.queue.free_trials() == []
        assert store.results.integrity() == []

    def test_retry_gives_failed_points_new_trials(self, store: Store) -> None:
        made = submit(store)
        other = submit(store)
        epoch = take_over(store)
        fail(store, claim_all(store, epoch), FailureKind.TIMEOUT)
        before = public_ids(store, made.sweep_id)
        assert store.sweeps.retry(made.sweep_id) == 3
        after = public_ids(store, made.sweep_id)
        assert not set(before) & set(after)
        assert after == public_ids(store, other.sweep_id)
        finish(store, claim_all(store, epoch))
        assert store.sweeps.get(made.sweep_id).state is SweepState.DONE
        assert store.results.trial(before[0]).state == "failed"

    def test_failure_after_all_have_ended_closes_the_stack(self, store: Store) -> None:
        made = submit(store)
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        store.sweeps.cancel(made.sweep_id)
        fail(store, claim, FailureKind.WORKER_LOST)
        assert store.queue.control(epoch) == []
        failure = Failure(kind=FailureKind.WORKER_LOST, message="again")
        assert store.queue.fail(*key(claim), failure) is None
