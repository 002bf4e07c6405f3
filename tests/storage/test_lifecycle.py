"""Any order of what users, workers and faults do keeps the promises of the store."""

from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import create_engine, delete, text, update

from sweeper.errors import Conflict, Fenced
from sweeper.failures import Failure, FailureKind
from sweeper.storage import tables
from sweeper.storage.editing import Edit
from sweeper.storage.records import Checkpoint, Claim
from sweeper.storage.store import Store, open_store
from sweeper.trials import SweepState, TrialState
from tests.storage.builders import DIVERGED, Trained, expansion, key, submit, take_over

VALUES = (0.001, 0.01, 0.1, 1.0)
LEFT = """SELECT count(*) FROM trial t LEFT JOIN stack s ON s.id = t.stack_id
WHERE NOT EXISTS (SELECT 1 FROM point p WHERE p.trial_id = t.id)
AND NOT EXISTS (SELECT 1 FROM trial n WHERE n.replaces = t.id)
AND (s.id IS NULL OR s.state = 'closed')"""
DEAD = """SELECT count(*) FROM stack s WHERE s.state = 'pending'
AND NOT EXISTS (SELECT 1 FROM trial t WHERE t.stack_id = s.id AND t.state = 'pending')"""
ENDED = {"done", "failed", "cancelled"}


class Lifecycle(RuleBasedStateMachine):
    """Sweeps over four shared values; `claims` also remembers those that are stale."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.store: Store = open_store(self.url)
        self.engine = create_engine(self.url)
        with self.engine.begin() as connection:
            connection.execute(update(tables.trial).values(stack_id=None, replaces=None))
            connection.execute(update(tables.stack).values(parent_id=None))
            for table in reversed(tables.metadata.sorted_tables):
                if table is not tables.dispatcher:
                    connection.execute(delete(table))
        self.sweeps: list[str] = []
        self.claims: list[Claim] = []
        self.ended: dict[str, tuple[Any, ...]] = {}
        self.may_vanish: set[str] = set()
        self.epoch = take_over(self.store)

    def teardown(self) -> None:
        self.engine.dispose()
        self.store.close()

    @rule(
        values=st.lists(st.sampled_from(VALUES), min_size=1, max_size=3, unique=True),
        priority=st.integers(0, 2),
        fresh=st.booleans(),
    )
    def submit(self, values: list[float], priority: int, fresh: bool) -> None:
        made = submit(self.store, expansion(values=values), priority=priority, fresh=fresh)
        self.sweeps.append(made.sweep_id)

    @precondition(lambda self: self.sweeps)
    @rule(data=st.data(), act=st.sampled_from(["cancel", "pause", "resume", "retry"]))
    def steer(self, data: st.DataObject, act: str) -> None:
        sweep_id = data.draw(st.sampled_from(self.sweeps))
        getattr(self.store.sweeps, act)(sweep_id)
        if act == "cancel":
            assert self.store.sweeps.get(sweep_id).state is SweepState.CANCELLED

    @precondition(lambda self: self.sweeps)
    @rule(data=st.data(), value=st.sampled_from(VALUES))
    def extend(self, data: st.DataObject, value: float) -> None:
        sweep_id = data.draw(st.sampled_from(self.sweeps))
        with suppress(Conflict):
            self.store.sweeps.extend(sweep_id, expansion(values=[value]))

    @precondition(lambda self: self.sweeps)
    @rule(data=st.data(), priority=st.integers(0, 2), archived=st.booleans())
    def edit(self, data: st.DataObject, priority: int, archived: bool) -> None:
        sweep_id = data.draw(st.sampled_from(self.sweeps))
        with suppress(Conflict):
            edited = self.store.sweeps.edit(sweep_id, Edit(priority=priority, archived=archived))
            assert (edited.priority, edited.archived) == (priority, archived)

    @precondition(lambda self: self.sweeps)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        sweep_id = data.draw(st.sampled_from(self.sweeps))
        with suppress(Conflict):
            before = set(self.ended)
            self.store.sweeps.delete(sweep_id)
            self.sweeps.remove(sweep_id)
            self.may_vanish |= before

    @rule(size=st.integers(1, 3))
    def claim_new(self, size: int) -> None:
        free = [trial.id for trial in self.store.queue.free_trials()][:size]
        if free:
            claim = self.store.queue.claim_new(self.epoch, free, 1)
            assert claim is not None
            self.claims.append(claim)

    @rule()
    def claim_interrupted(self) -> None:
        claim = self.store.queue.claim_interrupted(self.epoch)
        if claim is not None:
            assert any(member.live for member in claim.members)
            assert self.store.queue.start(self.epoch, claim, "tune", "here", 1)
            self.claims.append(claim)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), slot=st.integers(0, 2), diverged=st.booleans())
    def accept(self, data: st.DataObject, slot: int, diverged: bool) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        member = claim.members[slot % len(claim.members)]
        result = DIVERGED if diverged else Trained()
        self._tolerant(lambda: self.store.queue.accept(*key(claim), member.trial_id, result, {}))

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), kind=st.sampled_from(list(FailureKind)))
    def fail(self, data: st.DataObject, kind: FailureKind) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        failure = Failure(kind=kind, message="trouble")
        self._tolerant(lambda: self.store.queue.fail(*key(claim), failure))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        self._tolerant(lambda: self.store.queue.give_back(*key(claim), "returned"))

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), step=st.integers(1, 9))
    def checkpoint(self, data: st.DataObject, step: int) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        new = Checkpoint(step=step, path=f"{claim.stack_id}/{claim.attempt}/{step}")
        self._tolerant(lambda: self.store.queue.record(*key(claim), [], new))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        self._tolerant(lambda: self.store.queue.close(*key(claim)))

    @invariant()
    def nothing_is_left_of_what_was_deleted(self) -> None:
        """A trial without a point has been replaced by one with a point, or is in an open stack."""
        with self.engine.begin() as connection:
            assert connection.execute(text(LEFT)).scalar_one() == 0

    @invariant()
    def no_interrupted_stack_is_without_a_live_member(self) -> None:
        with self.engine.begin() as connection:
            assert connection.execute(text(DEAD)).scalar_one() == 0

    @rule()
    def take_over(self) -> None:
        self.epoch = take_over(self.store)

    def _tolerant(self, act: Any) -> None:
        """A claim of an older epoch is fenced, that is all that may happen."""
        try:
            act()
        except Fenced:
            assert any(claim.epoch < self.epoch for claim in self.claims)

    @invariant()
    def nothing_is_broken(self) -> None:
        assert self.store.results.integrity() == []

    @invariant()
    def every_point_is_counted(self) -> None:
        listed = self.store.sweeps.list(limit=100).items
        hidden = self.store.sweeps.list(limit=100, archived=True).items
        assert {record.id for record in (*listed, *hidden)} == {*self.sweeps}
        for record in (*listed, *hidden):
            assert sum(record.counts.values()) == record.total
            waiting = record.counts[TrialState.PENDING] + record.counts[TrialState.RUNNING]
            if record.state in {SweepState.DONE, SweepState.DONE_WITH_FAILURES}:
                assert waiting == 0

    @invariant()
    def what_has_ended_never_changes(self) -> None:
        with self.engine.begin() as connection:
            rows = connection.execute(
                text("SELECT public_id, state, outcome, final_loss FROM trial")
            ).all()
        now = {row[0]: tuple(row[1:]) for row in rows if row[1] in ENDED}
        kept = {n: found for n, found in self.ended.items() if n in now or n not in self.may_vanish}
        assert {name: now.get(name) for name in kept} == kept
        self.ended = now

    @invariant()
    def running_stacks_have_the_newest_claim(self) -> None:
        for row in self.store.queue.control(self.epoch):
            newest = [c for c in self.claims if c.stack_id == row.stack_id][-1]
            assert (newest.attempt, newest.epoch) == (row.attempt, self.epoch)


def check(url: str, examples: int, steps: int) -> None:
    machine = type("LifecycleThere", (Lifecycle,), {"url": url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_lifecycle_on_sqlite(sqlite_url: str) -> None:
    check(sqlite_url, examples=25, steps=30)


def test_lifecycle_on_postgresql(postgresql_url: str) -> None:
    check(postgresql_url, examples=4, steps=25)
