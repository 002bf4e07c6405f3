"""Extending, editing, archiving and deleting while a dispatcher works lose nothing."""

import pytest

from sweeper.errors import Conflict, Fenced, NotFound
from sweeper.storage.editing import Edit
from sweeper.storage.records import MetricRow
from sweeper.storage.rounds import History, WaitingCurve
from sweeper.storage.store import Store
from sweeper.trials import Intent, SweepState
from tests.storage.builders import (
    Trained,
    claim_all,
    counts,
    exists,
    expansion,
    finish,
    key,
    submit,
    take_over,
)
from tests.storage.contract_living import added
from tests.storage.contract_races import THREADS, together

MANY = [0.001 * i for i in range(1, 41)]


def _waiting(store: Store) -> tuple[str, int]:
    """A trained sweep whose curve waits for a round, and the epoch."""
    made = store.sweeps.submit(
        name="it thinks",
        spec={"extend": {"budget": 3}},
        parameter="lr",
        axis_scale="log",
        priority=0,
        expansion=expansion(),
    )
    epoch = take_over(store)
    if store.queue.free_trials():
        finish(store, claim_all(store, epoch))
    return made.sweep_id, epoch


class LivingRaceContract:
    def test_equal_extensions_add_once(self, store: Store) -> None:
        made = submit(store)
        found = together(lambda _: store.sweeps.extend(made.sweep_id, added(0.5, 1.0)))
        assert sum(f.points for f in found) == 2
        assert sum(f.there for f in found) == 2 * (THREADS - 1)
        assert store.sweeps.get(made.sweep_id).total == 5
        assert store.results.integrity() == []

    def test_extend_against_finish(self, store: Store) -> None:
        made = submit(store, expansion(values=MANY))
        epoch = take_over(store)
        claim = claim_all(store, epoch)

        def work(number: int) -> None:
            if number == 0:
                for i in range(1, 6):
                    store.sweeps.extend(made.sweep_id, added(MANY[i], 1.0 * i))
                return
            for member in claim.members[number - 1 :: THREADS - 1]:
                assert store.queue.accept(*key(claim), member.trial_id, Trained(), {})

        together(work)
        assert store.queue.close(*key(claim))
        assert counts(store, made.sweep_id) == {"done": 40, "pending": 5}
        assert store.sweeps.get(made.sweep_id).state is SweepState.RUNNING
        finish(store, claim_all(store, epoch))
        assert store.sweeps.get(made.sweep_id).state is SweepState.DONE
        assert store.results.integrity() == []

    def test_priority_against_claims(self, store: Store) -> None:
        sweeps = [submit(store, expansion(values=MANY[i : i + 20])).sweep_id for i in range(4)]
        epoch = take_over(store)

        def work(number: int) -> int:
            if number % 2:
                for turn in range(8):
                    store.sweeps.edit(sweeps[number // 2], Edit(priority=turn + number))
                return 0
            claimed = 0
            for trial in store.queue.free_trials()[number::THREADS]:
                claimed += store.queue.claim_new(epoch, [trial.id], 1) is not None
            return claimed

        claimed = sum(together(work))
        free = store.queue.free_trials()
        assert len(free) + claimed == 23
        assert {t.demand for t in free} <= {8, 10, 12, 14}
        assert store.results.integrity() == []

    def test_archive_against_resume(self, store: Store) -> None:
        for _ in range(6):
            made = submit(store, fresh=True)
            store.sweeps.pause(made.sweep_id)

            def work(number: int, sweep_id: str = made.sweep_id) -> None:
                if number % 2:
                    store.sweeps.resume(sweep_id)
                    return
                try:
                    store.sweeps.edit(sweep_id, Edit(archived=True))
                except Conflict:
                    assert store.sweeps.get(sweep_id).intent is Intent.ACTIVE

            together(work, threads=4)
            record = store.sweeps.get(made.sweep_id)
            assert (record.intent, record.archived) == (Intent.ACTIVE, False)
        assert store.results.integrity() == []

    def test_delete_against_claims_and_results(self, store: Store) -> None:
        """Sweeps that share trials with one that stays are deleted while those are trained."""
        stays = submit(store, expansion(values=MANY))
        sweeps = [
            submit(store, expansion(values=[*MANY[i : i + 12], 1.0 * i])).sweep_id
            for i in range(1, 5)
        ]
        epoch = take_over(store)
        claim = claim_all(store, epoch)

        def work(number: int) -> None:
            if number < 4:
                store.sweeps.cancel(sweeps[number])
                assert store.sweeps.delete(sweeps[number]).deleted
                return
            for member in claim.members[number - 4 :: 4]:
                rows = [MetricRow(trial_id=member.trial_id, key="loss", step=1, value=1.0)]
                assert store.queue.record(*key(claim), rows)
                store.queue.accept(*key(claim), member.trial_id, Trained(), {})

        together(work)
        assert store.queue.close(*key(claim))
        assert not any(exists(store, sweep_id) for sweep_id in sweeps)
        assert counts(store, stays.sweep_id) == {"done": 40}
        assert store.results.integrity() == []
        store.sweeps.delete(stays.sweep_id)
        assert submit(store, expansion(values=[*MANY, 1.0, 2.0])).new == 42

    def test_delete_against_submits_that_share(self, store: Store) -> None:
        for _ in range(4):
            made = submit(store)
            epoch = take_over(store)
            if store.queue.free_trials():
                finish(store, claim_all(store, epoch))

            def work(number: int, sweep_id: str = made.sweep_id) -> str | None:
                if number == 0:
                    store.sweeps.delete(sweep_id)
                    return None
                return submit(store).sweep_id

            others = [sweep_id for sweep_id in together(work) if sweep_id is not None]
            assert all(sum(counts(store, s).values()) == 3 for s in others)
            assert store.results.integrity() == []
            if store.queue.free_trials():
                finish(store, claim_all(store, epoch))

            def delete(number: int, sweeps: list[str] = others) -> None:
                store.sweeps.delete(sweeps[number])

            together(delete, threads=len(others))
            assert store.sweeps.list().items == ()
            assert submit(store).new == 3
            store.sweeps.cancel(store.sweeps.list().items[0].id)
            store.sweeps.delete(store.sweeps.list().items[0].id)

    def test_one_of_equal_rounds_is_stored(self, store: Store) -> None:
        made, epoch = _waiting(store)
        (curve,) = store.rounds.waiting()
        seen = store.rounds.history(curve)
        stored = together(lambda _: store.rounds.add(epoch, curve, seen, added(1.0), "for a test"))
        assert sorted(stored) == [False] * (THREADS - 1) + [True]
        assert store.sweeps.get(made).total == 4
        assert store.rounds.waiting() == []
        finish(store, claim_all(store, epoch))
        assert store.rounds.history(curve)[:3] == (1, 1, 0)
        assert store.results.integrity() == []

    def test_rounds_against_what_users_do(self, store: Store) -> None:
        for _ in range(3):
            made, epoch = _waiting(store)
            (curve,) = store.rounds.waiting()
            seen = store.rounds.history(curve)

            def work(
                number: int,
                made: str = made,
                epoch: int = epoch,
                curve: WaitingCurve = curve,
                seen: History = seen,
            ) -> bool:
                match number % 4:
                    case 0:
                        return store.rounds.add(epoch, curve, seen, added(1.0), "for a test")
                    case 1:
                        return store.rounds.settle(epoch, curve, seen, "for a test")
                    case 2:
                        return store.sweeps.extend(made, added(2.0, 1.0)).points > 0
                store.sweeps.edit(made, Edit(priority=number))
                return False

            stored = together(work)
            rounds = [e for e in store.sweeps.events(made) if "for a test" in e.message]
            assert len(rounds) == sum(stored[i] for i in (0, 1, 4, 5)) <= 1
            assert store.sweeps.get(made).total == 5
            assert store.sweeps.get(made).rounds_open
            assert store.results.integrity() == []
            store.sweeps.cancel(made)
            assert not store.rounds.add(epoch, curve, seen, added(3.0), "for a test")
            store.sweeps.delete(made)
            assert not store.rounds.settle(epoch, curve, seen, "for a test")

    def test_an_old_dispatcher_stores_no_round(self, store: Store) -> None:
        _, epoch = _waiting(store)
        (curve,) = store.rounds.waiting()
        seen = store.rounds.history(curve)
        take_over(store)
        with pytest.raises(Fenced):
            store.rounds.settle(epoch, curve, seen, "for a test")
        assert store.rounds.waiting() == [curve]

    def test_delete_against_everything_else(self, store: Store) -> None:
        made = submit(store)
        store.sweeps.cancel(made.sweep_id)

        def work(number: int) -> str:
            acts = (
                lambda: store.sweeps.retry(made.sweep_id),
                lambda: store.sweeps.extend(made.sweep_id, added(1.0)),
                lambda: store.sweeps.edit(made.sweep_id, Edit(priority=3, archived=True)),
            )
            try:
                if number % 4 == 0:
                    return f"deleted {store.sweeps.delete(made.sweep_id).deleted}"
                acts[number % 4 - 1]()
            except NotFound:
                return "not found"
            except Conflict:
                return "conflict"
            return "done"

        results = together(work)
        assert exists(store, made.sweep_id) == ("deleted True" not in results)
        assert store.results.integrity() == []
