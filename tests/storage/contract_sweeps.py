"""What submitting and steering a sweep promises."""

import pytest

from sweeper.errors import KeyReused, NotFound
from sweeper.storage.records import Checkpoint, EventKind, IdempotentRequest
from sweeper.storage.store import Store
from sweeper.trials import Intent, SweepState
from tests.storage.builders import (
    DIVERGED,
    VALUES,
    Trained,
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

REQUEST = IdempotentRequest(caller="", key="k", body_sha256="a" * 64)


class SweepContract:
    def test_submit_stores_all_points(self, store: Store) -> None:
        made = submit(store, expansion(seeds=(0, 1)), name="first")
        record = store.sweeps.get(made.sweep_id)
        assert (made.total, made.new, made.shared, made.replayed) == (6, 6, 0, False)
        assert (record.name, record.total, record.state) == ("first", 6, SweepState.QUEUED)
        assert record.spec == {"name": "first"}
        assert record.created_at.tzinfo is not None
        assert [v.label for v in record.variants] == ["adamw"]
        assert counts(store, made.sweep_id) == {"pending": 6}

    def test_equal_trials_are_shared(self, store: Store) -> None:
        first = submit(store)
        second = submit(store, expansion(values=(0.001, 0.01, 1.0)))
        assert (second.new, second.shared) == (1, 2)
        assert public_ids(store, first.sweep_id)[:2] == public_ids(store, second.sweep_id)[:2]
        assert len(store.queue.free_trials()) == 4

    def test_fresh_shares_nothing(self, store: Store) -> None:
        first, second = submit(store), submit(store, fresh=True)
        assert (second.new, second.shared) == (3, 0)
        assert not set(public_ids(store, first.sweep_id)) & set(public_ids(store, second.sweep_id))

    def test_existing_names_live_trials(self, store: Store) -> None:
        prints = [t.fingerprint for t in expansion().trials]
        assert store.sweeps.existing(prints) == set()
        submit(store)
        assert store.sweeps.existing(prints) == set(prints)

    def test_repeated_request_is_one_sweep(self, store: Store) -> None:
        first = submit(store, request=REQUEST)
        again = submit(store, request=REQUEST)
        assert again.replayed
        assert (again.sweep_id, again.total, again.new) == (first.sweep_id, 3, 3)
        assert len(store.sweeps.list().items) == 1

    def test_key_with_another_body_is_refused(self, store: Store) -> None:
        submit(store, request=REQUEST)
        other = IdempotentRequest(caller="", key="k", body_sha256="b" * 64)
        with pytest.raises(KeyReused):
            submit(store, request=other)
        assert len(store.sweeps.list().items) == 1

    def test_equal_keys_of_two_callers_are_two_requests(self, store: Store) -> None:
        other = IdempotentRequest(caller="eve", key="k", body_sha256="b" * 64)
        assert submit(store, request=REQUEST).sweep_id != submit(store, request=other).sweep_id

    def test_unknown_sweep_is_not_found(self, store: Store) -> None:
        for act in (
            store.sweeps.get,
            store.sweeps.cancel,
            store.sweeps.retry,
            store.sweeps.events,
            store.results.points,
            store.results.trials,
        ):
            with pytest.raises(NotFound):
                act("nothing")

    def test_priority_orders_the_queue(self, store: Store) -> None:
        submit(store, expansion(values=(0.5,)), priority=1)
        submit(store, expansion(values=(0.7,)), priority=5)
        submit(store, expansion(values=(0.5,)), priority=9)
        free = store.queue.free_trials()
        assert [(t.demand, t.config["hyperparameters"]["lr"]) for t in free] == [
            (9, 0.5),
            (5, 0.7),
        ]

    def test_cancel_is_at_once_and_final(self, store: Store) -> None:
        made = submit(store)
        record = store.sweeps.cancel(made.sweep_id)
        assert (record.intent, record.state) == (Intent.CANCELLED, SweepState.CANCELLED)
        assert counts(store, made.sweep_id) == {"cancelled": 3}
        assert store.queue.free_trials() == []
        assert store.sweeps.resume(made.sweep_id).intent is Intent.CANCELLED

    def test_cancel_leaves_what_another_sweep_wants(self, store: Store) -> None:
        first = submit(store, priority=7)
        second = submit(store, expansion(values=(0.001,)), priority=2)
        store.sweeps.cancel(first.sweep_id)
        assert counts(store, first.sweep_id) == {"pending": 1, "cancelled": 2}
        assert [t.demand for t in store.queue.free_trials()] == [2]
        finish(store, claim_all(store, take_over(store)))
        assert counts(store, first.sweep_id) == {"done": 1, "cancelled": 2}
        assert store.sweeps.get(second.sweep_id).state is SweepState.DONE
        assert store.results.integrity() == []

    def test_cancel_masks_running_members(self, store: Store) -> None:
        made = submit(store)
        other = submit(store, expansion(values=(0.01,)))
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        store.sweeps.cancel(made.sweep_id)
        (row,) = store.queue.control(epoch)
        wanted = [
            i for i, m in enumerate(claim.members) if m.config["hyperparameters"]["lr"] != 0.01
        ]
        assert list(row.cancelled_slots) == wanted
        assert not row.paused
        assert not store.queue.accept(*key(claim), claim.members[wanted[0]].trial_id, Trained(), {})
        assert counts(store, other.sweep_id) == {"running": 1}

    def test_cancel_frees_the_checkpoints_of_what_was_paused(self, store: Store) -> None:
        made, shared = submit(store), submit(store, expansion(values=VALUES[:1]))
        claim = claim_all(store, take_over(store))
        for sweep in (made, shared):
            store.sweeps.pause(sweep.sweep_id)
        path = f"{claim.stack_id}/1/5"
        assert store.queue.record(*key(claim), [], Checkpoint(step=5, path=path))
        assert store.queue.give_back(*key(claim), "paused")
        store.sweeps.cancel(made.sweep_id)
        assert store.queue.folders_in_use() == {str(claim.stack_id)}
        store.sweeps.cancel(shared.sweep_id)
        assert store.queue.folders_in_use() == frozenset()

    def test_pause_and_resume(self, store: Store) -> None:
        made = submit(store)
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        assert store.sweeps.pause(made.sweep_id).state is SweepState.PAUSED
        (row,) = store.queue.control(epoch)
        assert row.paused
        assert store.queue.give_back(*key(claim), "paused")
        assert store.queue.claim_interrupted(epoch) is None
        assert store.sweeps.resume(made.sweep_id).intent is Intent.ACTIVE
        assert reclaim(store, epoch).attempt == 2

    def test_paused_sweep_leaves_shared_trials_to_others(self, store: Store) -> None:
        first = submit(store, priority=4)
        submit(store, expansion(values=(0.1,)), priority=1)
        store.sweeps.pause(first.sweep_id)
        assert [t.demand for t in store.queue.free_trials()] == [1]

    def test_retry_replaces_cancelled_trials(self, store: Store) -> None:
        made = submit(store)
        before = public_ids(store, made.sweep_id)
        store.sweeps.cancel(made.sweep_id)
        assert store.sweeps.retry(made.sweep_id) == 3
        after = public_ids(store, made.sweep_id)
        assert not set(before) & set(after)
        assert [store.results.trial(t).replaces for t in after] == before
        assert store.sweeps.get(made.sweep_id).state is SweepState.QUEUED
        assert store.results.integrity() == []

    def test_retry_without_failures_changes_nothing(self, store: Store) -> None:
        made = submit(store)
        before = public_ids(store, made.sweep_id)
        assert store.sweeps.retry(made.sweep_id) == 0
        assert public_ids(store, made.sweep_id) == before

    def test_submit_that_meets_a_cancelled_trial_makes_a_new_one(self, store: Store) -> None:
        first = submit(store)
        store.sweeps.cancel(first.sweep_id)
        second = submit(store)
        assert (second.new, second.shared) == (3, 0)
        assert public_ids(store, first.sweep_id) == public_ids(store, second.sweep_id)
        assert store.sweeps.get(first.sweep_id).state is SweepState.CANCELLED
        assert store.results.integrity() == []

    def test_diverged_is_a_result(self, store: Store) -> None:
        made = submit(store)
        finish(store, claim_all(store, take_over(store)), DIVERGED)
        record = store.sweeps.get(made.sweep_id)
        assert (record.state, record.diverged, record.best) == (SweepState.DONE, 3, None)
        assert submit(store).shared == 3
        assert store.results.integrity() == []

    def test_every_change_is_an_event(self, store: Store) -> None:
        made = submit(store)
        finish(store, claim_all(store, take_over(store)))
        store.sweeps.pause(made.sweep_id)
        store.sweeps.pause(made.sweep_id)
        store.sweeps.resume(made.sweep_id)
        store.sweeps.cancel(made.sweep_id)
        store.sweeps.retry(made.sweep_id)
        events = store.sweeps.events(made.sweep_id)
        assert [e.kind for e in events] == [
            EventKind.SUBMITTED,
            EventKind.STARTED,
            *[EventKind.TRIAL_DONE] * 3,
            EventKind.PAUSED,
            EventKind.RESUMED,
            EventKind.CANCELLED,
            EventKind.RETRIED,
        ]
        ids = [e.id for e in events]
        assert ids == sorted(set(ids))
        later = store.sweeps.events(made.sweep_id, after=ids[4], limit=2)
        assert [e.id for e in later] == ids[5:7]
