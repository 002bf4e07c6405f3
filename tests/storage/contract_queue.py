"""What claiming, reporting and returning stacks promises."""

import math

import pytest

from sweeper.errors import Conflict, Fenced
from sweeper.storage.records import Checkpoint, MetricKind, MetricRow
from sweeper.storage.store import Store
from sweeper.trials import SweepState
from tests.storage.builders import (
    OWNER,
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


def rows(trial_id: int, value: float | None = 1.0, step: int = 1) -> list[MetricRow]:
    return [MetricRow(trial_id=trial_id, key="train_loss", step=step, value=value)]


class QueueContract:
    def test_nobody_acts_at_first(self, store: Store) -> None:
        assert store.queue.dispatcher() is None
        assert take_over(store) == 1
        row = store.queue.dispatcher()
        assert row is not None
        assert (row.epoch, row.beat, row.owner) == (1, 0, OWNER)

    def test_beat_moves_and_guards_the_takeover(self, store: Store) -> None:
        epoch = take_over(store)
        seen = store.queue.dispatcher()
        store.queue.beat(epoch)
        with pytest.raises(Conflict):
            store.queue.take_over(seen, OWNER)
        with pytest.raises(Conflict):
            store.queue.take_over(None, OWNER)
        assert take_over(store) == 2
        with pytest.raises(Fenced):
            store.queue.beat(epoch)

    def test_a_new_stack_is_all_or_nothing(self, store: Store) -> None:
        submit(store)
        epoch = take_over(store)
        first, second, third = (t.id for t in store.queue.free_trials())
        claim = store.queue.claim_new(epoch, [third, first], 2)
        assert claim is not None
        assert [m.trial_id for m in claim.members] == [third, first]
        assert (claim.attempt, claim.threads, claim.checkpoint) == (1, 2, None)
        assert all(m.live for m in claim.members)
        assert store.queue.claim_new(epoch, [second, third], 1) is None
        assert [t.id for t in store.queue.free_trials()] == [second]

    def test_claimed_but_unstarted_shows_as_pending(self, store: Store) -> None:
        made = submit(store)
        epoch = take_over(store)
        free = [t.id for t in store.queue.free_trials()]
        claim = store.queue.claim_new(epoch, free, 1)
        assert claim is not None
        assert store.sweeps.get(made.sweep_id).state is SweepState.QUEUED
        assert store.sweeps.list(state=SweepState.QUEUED).items
        assert store.queue.start(epoch, claim, "tune", "here", 4)
        assert store.queue.start(epoch, claim, "tune", "here", 4)
        assert counts(store, made.sweep_id) == {"running": 3}
        assert store.sweeps.list(state=SweepState.RUNNING).items

    def test_a_sweep_is_told_of_its_own_trials_of_a_stack(self, store: Store) -> None:
        one = submit(store, expansion(values=(0.1,)))
        three = submit(store, expansion(values=(0.1, 0.2, 0.3)))
        claim_all(store, take_over(store))
        said = [store.sweeps.events(made.sweep_id)[-1].message for made in (one, three)]
        assert said == ["1 trial started on here", "3 trials started on here"]

    def test_one_result_is_accepted(self, store: Store) -> None:
        made = submit(store, expansion(values=(0.1,)))
        claim = claim_all(store, take_over(store))
        member = claim.members[0].trial_id
        assert store.queue.accept(*key(claim), member, Trained(final_loss=2.5), {"torch": "2"})
        assert not store.queue.accept(*key(claim), member, Trained(final_loss=1.0), {})
        trial = store.results.trial(public_ids(store, made.sweep_id)[0])
        assert (trial.final_loss, trial.provenance) == (2.5, {"torch": "2"})
        assert store.queue.close(*key(claim))
        assert not store.queue.close(*key(claim))

    def test_a_stack_with_live_members_stays_open(self, store: Store) -> None:
        submit(store)
        claim = claim_all(store, take_over(store))
        assert store.queue.accept(*key(claim), claim.members[0].trial_id, Trained(), {})
        assert not store.queue.close(*key(claim))
        assert len(store.queue.control(claim.epoch)) == 1

    def test_a_returned_stack_comes_back_as_it_was(self, store: Store) -> None:
        submit(store)
        epoch = take_over(store)
        first = claim_all(store, epoch)
        assert store.queue.accept(*key(first), first.members[1].trial_id, Trained(), {})
        path = Checkpoint(step=5, path="1/1/5")
        assert store.queue.record(*key(first), [], path)
        assert store.queue.give_back(*key(first), "worker gone")
        again = reclaim(store, epoch)
        assert (again.stack_id, again.attempt, again.threads) == (first.stack_id, 2, 1)
        assert [m.trial_id for m in again.members] == [m.trial_id for m in first.members]
        assert [m.live for m in again.members] == [True, False, True]
        assert (again.checkpoint, again.checkpoint_step) == ("1/1/5", 5)
        assert again.checkpoint_slots == (0, 1, 2)

    def test_a_superseded_attempt_writes_nothing(self, store: Store) -> None:
        made = submit(store)
        epoch = take_over(store)
        old = claim_all(store, epoch)
        member = old.members[0].trial_id
        store.queue.give_back(*key(old), "lost")
        reclaim(store, epoch)
        assert not store.queue.accept(*key(old), member, Trained(), {})
        assert not store.queue.record(*key(old), rows(member))
        assert not store.queue.give_back(*key(old), "again")
        assert not store.queue.close(*key(old))
        assert not store.queue.start(epoch, old, "tune", "here", 1)
        assert store.queue.split(*key(old), [[member]]) is None
        assert counts(store, made.sweep_id) == {"running": 3}
        assert store.results.metrics(public_ids(store, made.sweep_id)[0]).empty

    def test_a_fenced_dispatcher_writes_nothing(self, store: Store) -> None:
        made = submit(store)
        old = claim_all(store, take_over(store))
        member = old.members[0].trial_id
        epoch = take_over(store)
        for act in (
            lambda: store.queue.claim_interrupted(old.epoch),
            lambda: store.queue.claim_new(old.epoch, [member], 1),
            lambda: store.queue.record(*key(old), rows(member)),
            lambda: store.queue.accept(*key(old), member, Trained(), {}),
            lambda: store.queue.give_back(*key(old), "late"),
            lambda: store.queue.control(old.epoch),
            lambda: store.queue.reject(old.epoch, [member], "too big"),
        ):
            with pytest.raises(Fenced):
                act()
        assert counts(store, made.sweep_id) == {"pending": 3}
        assert reclaim(store, epoch).attempt == 2

    def test_takeover_returns_all_stacks(self, store: Store) -> None:
        submit(store, expansion(seeds=(0, 1)))
        epoch = take_over(store)
        ids = [t.id for t in store.queue.free_trials()]
        for part in (ids[:3], ids[3:]):
            assert store.queue.claim_new(epoch, part, 1)
        epoch = take_over(store)
        claims = [store.queue.claim_interrupted(epoch) for _ in range(3)]
        assert [c is not None and c.attempt for c in claims] == [2, 2, False]
        assert store.results.integrity() == []

    def test_takeover_closes_finished_stacks(self, store: Store) -> None:
        submit(store)
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        for member in claim.members:
            assert store.queue.accept(*key(claim), member.trial_id, Trained(), {})
        assert store.queue.claim_interrupted(take_over(store)) is None

    def test_interrupted_stacks_by_demand(self, store: Store) -> None:
        low = submit(store, expansion(values=(0.1,)), priority=1)
        high = submit(store, expansion(values=(0.2,)), priority=2)
        epoch = take_over(store)
        claims = [store.queue.claim_new(epoch, [t.id], 1) for t in store.queue.free_trials()]
        store.sweeps.pause(low.sweep_id)
        for claim in claims:
            assert claim is not None
            store.queue.give_back(*key(claim), "drain")
        assert reclaim(store, epoch).members[0].config["hyperparameters"]["lr"] == 0.2
        assert store.queue.claim_interrupted(epoch) is None
        assert counts(store, high.sweep_id) == {"running": 1}

    def test_a_paused_member_rides_along(self, store: Store) -> None:
        paused = submit(store)
        wanted = submit(store, expansion(values=(0.1,)))
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        store.sweeps.pause(paused.sweep_id)
        assert not store.queue.control(epoch)[0].paused
        store.queue.give_back(*key(claim), "drain")
        assert all(m.live for m in reclaim(store, epoch).members)
        store.sweeps.cancel(wanted.sweep_id)
        assert store.queue.control(epoch)[0].paused

    def test_metrics_are_written_once_per_key_and_step(self, store: Store) -> None:
        made = submit(store, expansion(values=(0.1,)))
        claim = claim_all(store, take_over(store))
        member = claim.members[0].trial_id
        bad = MetricRow(trial_id=member, key="grad_norm", step=1, value=None, kind=MetricKind.NAN)
        told = MetricRow(
            trial_id=member,
            key="told",
            step=1,
            value=None,
            kind=MetricKind.JSON,
            detail='{"mlp": [1.0]}',
        )
        batch = [*rows(member, 1.0), *rows(member, 2.0), bad, told, *rows(member, 3.0, step=2)]
        assert store.queue.record(*key(claim), batch)
        assert store.queue.record(*key(claim), rows(member, 4.0))
        trial_id = public_ids(store, made.sweep_id)[0]
        frame = store.results.metrics(trial_id)
        assert list(frame["key"]) == ["grad_norm", "told", "train_loss", "train_loss"]
        assert list(frame["kind"]) == ["nan", "json", "finite", "finite"]
        assert math.isnan(frame["value"][0])
        assert list(frame["value"][2:]) == [4.0, 3.0]
        assert frame["detail"].dropna().to_list() == ['{"mlp": [1.0]}']
        assert list(store.results.metrics(trial_id, ["grad_norm"])["step"]) == [1]

    def test_a_split_goes_on_from_the_parents_checkpoint(self, store: Store) -> None:
        made = submit(store, expansion(seeds=(0, 1)))
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        ids = [m.trial_id for m in claim.members]
        store.queue.record(*key(claim), rows(ids[0]), Checkpoint(step=3, path="1/1/3"))
        assert store.queue.accept(*key(claim), ids[0], Trained(), {})
        children = store.queue.split(*key(claim), [ids[:3], ids[3:]])
        assert children is not None
        first, second = (reclaim(store, epoch) for _ in range(2))
        assert [first.stack_id, second.stack_id] == list(children)
        assert first.checkpoint_slots == (1, 2)
        assert second.checkpoint_slots == (3, 4, 5)
        assert (second.attempt, second.checkpoint) == (1, "1/1/3")
        assert all(m.live for m in (*first.members, *second.members))
        assert counts(store, made.sweep_id) == {"running": 5, "done": 1}
        store.queue.record(*key(second), [], Checkpoint(step=6, path="3/1/6"))
        parts = [[m.trial_id] for m in second.members]
        assert store.queue.split(*key(second), parts)
        assert [reclaim(store, epoch).checkpoint_slots for _ in parts] == [(0,), (1,), (2,)]
        attempts = store.results.trial(public_ids(store, made.sweep_id)[5]).attempts
        assert [a.end_reason for a in attempts] == ["split", "split", None]

    def test_two_checkpoints_are_kept(self, store: Store) -> None:
        submit(store)
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        for step in (1, 2, 3, 3):
            store.queue.record(*key(claim), [], Checkpoint(step=step, path=f"1/1/{step}"))
        store.queue.give_back(*key(claim), "drain")
        assert reclaim(store, epoch).checkpoint == "1/1/3"

    def test_reject_fails_what_fits_nowhere(self, store: Store) -> None:
        made = submit(store)
        epoch = take_over(store)
        ids = [t.id for t in store.queue.free_trials()]
        assert store.queue.reject(epoch, ids[:1], "needs 8 GPUs") == (ids[0],)
        assert store.queue.reject(epoch, ids[:1], "needs 8 GPUs") == ()
        assert counts(store, made.sweep_id) == {"pending": 2, "failed": 1}
        trial = store.results.trial(public_ids(store, made.sweep_id)[0])
        assert (trial.failure, trial.failure_message) == ("infeasible", "needs 8 GPUs")

    def test_attempts_are_recorded(self, store: Store) -> None:
        made = submit(store, expansion(values=(0.1,)))
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        store.queue.give_back(*key(claim), "drain")
        finish(store, reclaim(store, epoch))
        (first, second) = store.results.trial(public_ids(store, made.sweep_id)[0]).attempts
        assert (first.tune_trial_id, first.host, first.pid) == ("tune", "here", 1)
        assert (first.end_reason, second.end_reason) == ("drain", "finished")
        assert first.ended_at is not None
        assert first.ended_at >= first.started_at
