"""What extending, editing, archiving and deleting a sweep promise."""

from dataclasses import replace

import pytest
from sqlalchemy import create_engine, func, select

from sweeper.errors import Conflict, NotFound
from sweeper.failures import Failure, FailureKind
from sweeper.storage.editing import Edit
from sweeper.storage.records import EventKind, MetricRow
from sweeper.storage.store import Store
from sweeper.storage.tables import metadata
from sweeper.trials import Expansion, Origin, SweepState
from tests.storage.builders import (
    VALUES,
    Trained,
    claim_all,
    counts,
    exists,
    expansion,
    finish,
    key,
    public_ids,
    reclaim,
    submit,
    take_over,
)


def added(*values: float) -> Expansion:
    planned = expansion(values=values)
    return replace(planned, points=tuple(replace(p, origin=Origin.EXTEND) for p in planned.points))


KEPT = ("sweep", "variant", "point", "trial", "stack", "attempt", "metric", "event")
NOTHING = dict.fromkeys(KEPT, 0) | {"stack": 1, "attempt": 1}
"""The newest stack keeps its row, so that its key is never given to another one."""


def rows(store_url: str) -> dict[str, int]:
    """Rows by table, of the tables that hold what sweeps have."""
    engine = create_engine(store_url)
    with engine.begin() as connection:
        counted = {
            name: connection.scalar(select(func.count()).select_from(metadata.tables[name]))
            for name in KEPT
        }
    engine.dispose()
    return {name: int(number or 0) for name, number in counted.items()}


def train(store: Store) -> None:
    claim = claim_all(store, take_over(store))
    measured = [
        MetricRow(trial_id=m.trial_id, key="loss", step=step, value=1.0)
        for m in claim.members
        for step in range(3)
    ]
    assert store.queue.record(*key(claim), measured)
    finish(store, claim)


class LivingContract:
    def test_extend_adds_what_is_not_there(self, store: Store) -> None:
        made = submit(store)
        train(store)
        found = store.sweeps.extend(made.sweep_id, added(0.1, 1.0))
        assert (found.points, found.there, found.total, found.new) == (1, 1, 1, 1)
        record = store.sweeps.get(made.sweep_id)
        assert (record.total, record.state) == (4, SweepState.RUNNING)
        frame = store.results.points(made.sweep_id)
        assert list(frame["origin"]) == ["grid"] * 3 + ["extend"]
        (event,) = [e for e in store.sweeps.events(made.sweep_id) if e.kind is EventKind.EXTENDED]
        assert event.message == (
            "1 point is added by request, at 1, seeds 0; 1 of those asked for were there already"
        )
        again = store.sweeps.extend(made.sweep_id, added(0.1, 1.0))
        assert (again.points, again.there) == (0, 2)
        assert store.results.integrity() == []

    def test_extend_of_a_paused_sweep_waits_with_it(self, store: Store) -> None:
        made = submit(store)
        store.sweeps.pause(made.sweep_id)
        store.sweeps.extend(made.sweep_id, added(1.0))
        assert store.sweeps.get(made.sweep_id).state is SweepState.PAUSED
        assert store.queue.free_trials() == []
        store.sweeps.resume(made.sweep_id)
        assert len(store.queue.free_trials()) == 4

    def test_edit_changes_what_is_given_and_tells_it(self, store: Store) -> None:
        made = submit(store, name="first")
        record = store.sweeps.edit(made.sweep_id, Edit(name="second", tags=("a", "b"), note="why"))
        assert (record.name, record.tags, record.note) == ("second", ("a", "b"), "why")
        store.sweeps.edit(made.sweep_id, Edit(tags=()))
        assert store.sweeps.get(made.sweep_id).tags == ()
        before = len(store.sweeps.events(made.sweep_id))
        assert store.sweeps.edit(made.sweep_id, Edit(name="second")).name == "second"
        told = [e.message for e in store.sweeps.events(made.sweep_id)]
        assert len(told) == before
        first = "name: second, before first; the note is changed; tags: a, b"
        assert told[1:] == [first, "tags: none"]

    def test_demand_follows_the_priority(self, store: Store) -> None:
        first = submit(store, priority=1)
        second = submit(store, expansion(values=(0.1, 0.5)), priority=2)
        store.sweeps.edit(first.sweep_id, Edit(priority=9))
        demands = {t.config["hyperparameters"]["lr"]: t.demand for t in store.queue.free_trials()}
        assert demands == {0.001: 9, 0.01: 9, 0.1: 9, 0.5: 2}
        store.sweeps.edit(first.sweep_id, Edit(priority=-5))
        store.sweeps.pause(second.sweep_id)
        store.sweeps.edit(second.sweep_id, Edit(priority=50))
        assert [t.demand for t in store.queue.free_trials()] == [-5, -5, -5]
        assert store.results.integrity() == []

    def test_tags_and_archiving_filter_the_list(self, store: Store) -> None:
        names = [submit(store, name=name).sweep_id for name in ("one", "two", "three")]
        train(store)
        store.sweeps.edit(names[0], Edit(tags=("lr", "größe")))
        store.sweeps.edit(names[1], Edit(tags=("lr-2",)))
        store.sweeps.edit(names[2], Edit(tags=("lr",), archived=True))

        def listed(tag: str | None = None, *, archived: bool = False) -> list[str]:
            found = store.sweeps.list(tag=tag, archived=archived).items
            return [record.name for record in found]

        assert listed() == ["two", "one"]
        assert listed(archived=True) == ["three"]
        assert (listed("lr"), listed("größe"), listed("l")) == (["one"], ["one"], [])
        assert listed("lr", archived=True) == ["three"]
        assert store.sweeps.tags() == ("größe", "lr", "lr-2")
        store.sweeps.edit(names[2], Edit(archived=False))
        assert listed() == ["three", "two", "one"]

    def test_what_trains_is_never_archived(self, store: Store) -> None:
        made = submit(store)
        with pytest.raises(Conflict, match="pause or cancel it first"):
            store.sweeps.edit(made.sweep_id, Edit(name="other", archived=True))
        assert store.sweeps.get(made.sweep_id).name == "a sweep"
        store.sweeps.pause(made.sweep_id)
        assert store.sweeps.edit(made.sweep_id, Edit(archived=True)).archived
        assert not store.sweeps.resume(made.sweep_id).archived
        train(store)
        store.sweeps.edit(made.sweep_id, Edit(archived=True))
        store.sweeps.extend(made.sweep_id, added(1.0))
        assert not store.sweeps.get(made.sweep_id).archived

    def test_delete_takes_everything_along(self, store: Store, store_url: str) -> None:
        made = submit(store)
        train(store)
        found = store.sweeps.delete(made.sweep_id)
        assert (found.deleted, found.points, found.trials) == (True, 3, 3)
        assert not exists(store, made.sweep_id)
        assert rows(store_url) == NOTHING
        assert not store.sweeps.delete(made.sweep_id).deleted
        assert not store.sweeps.delete("nothing").deleted

    def test_delete_is_refused_before_the_end(self, store: Store) -> None:
        made = submit(store)
        for _ in range(2):
            with pytest.raises(Conflict, match="cancel it first"):
                store.sweeps.delete(made.sweep_id)
            store.sweeps.pause(made.sweep_id)
        store.sweeps.cancel(made.sweep_id)
        assert store.sweeps.delete(made.sweep_id).trials == 3

    def test_delete_leaves_what_other_sweeps_have(self, store: Store, store_url: str) -> None:
        first = submit(store)
        second = submit(store, expansion(values=(0.1, 1.0)))
        train(store)
        kept = public_ids(store, second.sweep_id)
        assert store.sweeps.delete(first.sweep_id).trials == 2
        assert public_ids(store, second.sweep_id) == kept
        assert counts(store, second.sweep_id) == {"done": 2}
        assert [len(store.results.metrics(t)) for t in kept] == [3, 3]
        assert [s.id for s in store.results.trial(kept[0]).sweeps] == [second.sweep_id]
        assert store.sweeps.delete(second.sweep_id).trials == 2
        assert rows(store_url) == NOTHING

    def test_delete_takes_along_what_was_replaced(self, store: Store, store_url: str) -> None:
        made = submit(store, expansion(values=(0.1,)))
        other = submit(store, expansion(values=(0.1,)))
        epoch = take_over(store)
        for _ in range(2):
            store.queue.reject(epoch, [t.id for t in store.queue.free_trials()], "too big")
            assert store.sweeps.retry(made.sweep_id) == 1
        finish(store, claim_all(store, epoch))
        assert store.sweeps.delete(made.sweep_id).trials == 0
        (last,) = public_ids(store, other.sweep_id)
        assert store.results.trial(last).replaces is not None
        assert store.sweeps.delete(other.sweep_id).trials == 3
        assert rows(store_url) == NOTHING

    def test_members_of_a_running_stack_go_when_it_closes(
        self, store: Store, store_url: str
    ) -> None:
        made = submit(store)
        other = submit(store, expansion(values=(0.01,)))
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        store.sweeps.cancel(made.sweep_id)
        assert store.sweeps.delete(made.sweep_id).trials == 0
        measured = [
            MetricRow(trial_id=m.trial_id, key="loss", step=1, value=1.0) for m in claim.members
        ]
        assert store.queue.record(*key(claim), measured)
        (row,) = store.queue.control(epoch)
        assert len(row.cancelled_slots) == 2
        assert store.queue.give_back(*key(claim), "drained")
        again = reclaim(store, epoch)
        assert [m.live for m in again.members].count(True) == 1
        assert len(again.members) == 3
        finish(store, again)
        assert rows(store_url)["trial"] == 1
        assert counts(store, other.sweep_id) == {"done": 1}
        assert store.results.integrity() == []

    def test_an_interrupted_stack_that_nobody_wants_goes_too(
        self, store: Store, store_url: str
    ) -> None:
        made = submit(store)
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        assert store.queue.give_back(*key(claim), "drained")
        store.sweeps.cancel(made.sweep_id)
        assert store.sweeps.delete(made.sweep_id).trials == 3
        assert store.queue.folders_in_use() == frozenset()
        assert rows(store_url) == NOTHING

    def test_a_split_stack_goes_after_its_parts(self, store: Store, store_url: str) -> None:
        made = submit(store)
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        failure = Failure(kind=FailureKind.OOM_HOST, message="full")
        handled = store.queue.fail(*key(claim), failure)
        assert handled is not None
        assert len(handled.stacks) == 2
        while (part := store.queue.claim_interrupted(epoch)) is not None:
            assert store.queue.start(epoch, part, "tune", "here", 1)
            finish(store, part)
        assert store.sweeps.delete(made.sweep_id).trials == 3
        # The newest one is a part, and keeps what it is a part of.
        assert rows(store_url) == NOTHING | {"stack": 2, "attempt": 2}

    def test_events_of_a_deleted_sweep_are_gone_and_it_is_not_found(self, store: Store) -> None:
        made = submit(store)
        store.sweeps.cancel(made.sweep_id)
        store.sweeps.delete(made.sweep_id)
        for act in (
            store.sweeps.get,
            store.sweeps.events,
            store.sweeps.resume,
            store.sweeps.retry,
            store.results.points,
        ):
            with pytest.raises(NotFound):
                act(made.sweep_id)
        assert submit(store, expansion(values=VALUES)).new == 3

    def test_a_shared_result_outlives_the_sweep_that_made_it(self, store: Store) -> None:
        made = submit(store, expansion(values=(0.1,)))
        claim = claim_all(store, take_over(store))
        other = submit(store, expansion(values=(0.1,)))
        store.sweeps.cancel(made.sweep_id)
        store.sweeps.delete(made.sweep_id)
        assert store.queue.accept(*key(claim), claim.members[0].trial_id, Trained(), {})
        assert counts(store, other.sweep_id) == {"done": 1}
