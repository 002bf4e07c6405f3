"""Many threads at once, on both databases: nothing twice, nothing lost."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import create_engine, text

from sweeper.errors import Conflict, Fenced
from sweeper.storage.records import Claim, IdempotentRequest, MetricRow, Submission
from sweeper.storage.store import Store
from sweeper.trials import Expansion
from tests.storage.builders import (
    OWNER,
    Trained,
    claim_all,
    counts,
    expansion,
    key,
    reclaim,
    submit,
    take_over,
)

T = TypeVar("T")
THREADS = 8


def together(work: Callable[[int], T], threads: int = THREADS) -> list[T]:
    """What `work` returns in each thread; all of them start at once."""
    barrier = threading.Barrier(threads)

    def run(number: int) -> T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


class RaceContract:
    def test_no_trial_is_claimed_twice(self, store: Store) -> None:
        submit(store, expansion(values=[0.001 * i for i in range(1, 101)], seeds=(0, 1, 2)))
        epoch = take_over(store)

        def claim(number: int) -> list[Claim]:
            claims = []
            while free := store.queue.free_trials(limit=40):
                start = (number * 4) % len(free)
                found = store.queue.claim_new(epoch, [t.id for t in free[start : start + 4]], 1)
                claims += [found] if found else []
            return claims

        members = [m.trial_id for cs in together(claim) for c in cs for m in c.members]
        assert len(members) == 300
        assert len(set(members)) == 300
        assert store.results.integrity() == []

    def test_interrupted_stacks_are_claimed_once(self, store: Store) -> None:
        submit(store, expansion(values=[0.001 * i for i in range(1, 41)]))
        epoch = take_over(store)
        for trial in store.queue.free_trials():
            assert store.queue.claim_new(epoch, [trial.id], 1)
        epoch = take_over(store)

        def claim(_: int) -> list[int]:
            claims = []
            while (found := store.queue.claim_interrupted(epoch)) is not None:
                claims.append(found.stack_id)
            return claims

        claimed = [stack for part in together(claim) for stack in part]
        while (late := store.queue.claim_interrupted(epoch)) is not None:
            claimed.append(late.stack_id)  # others' locks were skipped
        assert sorted(claimed) == sorted(set(claimed))
        assert len(claimed) == 40

    def test_equal_submits_make_one_trial(self, store: Store) -> None:
        made = together(lambda _: submit(store, expansion(seeds=(0, 1))))
        assert sum(s.new for s in made) == 6
        assert len({s.sweep_id for s in made}) == THREADS
        assert len(store.queue.free_trials()) == 6
        assert store.results.integrity() == []

    def test_equal_requests_make_one_sweep(self, store: Store) -> None:
        request = IdempotentRequest(caller="", key="k", body_sha256="a" * 64)
        made = together(lambda _: submit(store, request=request))
        assert len({s.sweep_id for s in made}) == 1
        assert sorted(s.replayed for s in made) == [False] + [True] * (THREADS - 1)
        assert len(store.sweeps.list().items) == 1

    def test_one_takeover_wins(self, store: Store) -> None:
        submit(store)
        claim_all(store, take_over(store))
        seen = store.queue.dispatcher()

        def attempt(_: int) -> int | None:
            try:
                return store.queue.take_over(seen, OWNER)
            except Conflict:
                return None

        assert sorted(epoch for epoch in together(attempt) if epoch is not None) == [2]
        assert reclaim(store, 2).attempt == 2

    def test_no_claim_of_an_old_epoch_survives_a_takeover(
        self, store: Store, store_url: str
    ) -> None:
        submit(store, expansion(values=[0.001 * i for i in range(1, 61)]))
        epochs = [take_over(store)]

        def work(number: int) -> None:
            if number == 0:
                epochs.extend(take_over(store) for _ in range(10))
                return
            for trial in store.queue.free_trials()[number::THREADS]:
                try:
                    store.queue.claim_new(epochs[-1], [trial.id], 1)
                except Fenced:
                    continue

        together(work)
        engine = create_engine(store_url)
        with engine.begin() as connection:
            running = connection.execute(
                text("SELECT count(*) FROM stack WHERE state = 'running' AND epoch < :epoch"),
                {"epoch": epochs[-1]},
            ).scalar_one()
        engine.dispose()
        assert running == 0
        assert store.results.integrity() == []

    def test_rescue_against_accept_loses_nothing(self, store: Store) -> None:
        made = submit(store, expansion(values=[0.001 * i for i in range(1, 21)]))
        epoch = take_over(store)
        claim = claim_all(store, epoch)

        def work(number: int) -> int:
            if number == 0:
                return store.queue.give_back(*key(claim), "lost") * 0
            mine = claim.members[number - 1 :: THREADS - 1]
            return sum(store.queue.accept(*key(claim), m.trial_id, Trained(), {}) for m in mine)

        accepted = sum(together(work))
        assert counts(store, made.sweep_id).get("done", 0) == accepted
        again = store.queue.claim_interrupted(epoch)
        live = sum(m.live for m in again.members) if again is not None else 0
        assert live == 20 - accepted
        assert store.results.integrity() == []

    def test_every_member_is_accepted_once(self, store: Store) -> None:
        submit(store, expansion(seeds=range(4)))
        claim = claim_all(store, take_over(store))

        def work(_: int) -> int:
            members = claim.members
            return sum(store.queue.accept(*key(claim), m.trial_id, Trained(), {}) for m in members)

        assert sum(together(work)) == 12

    def test_submits_against_cancels(self, store: Store) -> None:
        def work(number: int) -> None:
            for turn in range(6):
                values = [0.1 * (1 + (number + turn + i) % 5) for i in range(3)]
                if number % 2:
                    values.reverse()
                made = submit(store, expansion(values=values), priority=number)
                if (number + turn) % 2:
                    store.sweeps.cancel(made.sweep_id)
                elif turn % 3 == 0:
                    store.sweeps.pause(made.sweep_id)

        together(work)
        assert len(store.sweeps.list(limit=100).items) == 6 * THREADS
        assert store.results.integrity() == []

    def test_claims_against_cancels(self, store: Store) -> None:
        sweeps = [submit(store, expansion(values=(0.1 * (i + 1),))) for i in range(THREADS)]
        epoch = take_over(store)
        free = store.queue.free_trials()

        def work(number: int) -> None:
            if number % 2:
                store.sweeps.cancel(sweeps[number].sweep_id)
            else:
                store.queue.claim_new(epoch, [free[number].id, free[number + 1].id], 1)

        together(work)
        states = [counts(store, sweep.sweep_id) for sweep in sweeps[1::2]]
        assert states == [{"cancelled": 1}] * (THREADS // 2)
        assert store.results.integrity() == []

    def test_submits_that_revive_points_against_cancels(self, store: Store) -> None:
        epoch = take_over(store)
        for turn in range(5):
            plans = [expansion(values=(turn + 0.1 * (i + 1),)) for i in range(THREADS // 2)]
            sweeps = [submit(store, plan, priority=5) for plan in plans]
            store.queue.reject(epoch, [t.id for t in store.queue.free_trials()], "too big")

            def work(
                number: int, plans: list[Expansion] = plans, sweeps: list[Submission] = sweeps
            ) -> None:
                if number % 2:
                    store.sweeps.cancel(sweeps[number // 2].sweep_id)
                else:
                    submit(store, plans[number // 2])

            together(work)
            assert store.results.integrity() == []
            for trial in store.queue.free_trials():
                assert trial.demand == 0
                store.queue.reject(epoch, [trial.id], "too big")

    def test_claims_of_interrupted_stacks_against_cancels(self, store: Store) -> None:
        sweeps = [submit(store, expansion(values=(0.1 * (i + 1),))) for i in range(THREADS)]
        epoch = take_over(store)
        for trial in store.queue.free_trials():
            store.queue.claim_new(epoch, [trial.id], 1)
        epoch = take_over(store)

        def work(number: int) -> Claim | None:
            if number % 2:
                store.sweeps.cancel(sweeps[number].sweep_id)
                store.sweeps.cancel(sweeps[number - 1].sweep_id)
                return None
            return store.queue.claim_interrupted(epoch)

        for claim in together(work):
            assert claim is None or any(member.live for member in claim.members)
        assert store.results.integrity() == []

    def test_events_can_be_followed(self, store: Store) -> None:
        made = submit(store, expansion(values=[0.001 * i for i in range(1, 41)]))
        epoch = take_over(store)
        claim = claim_all(store, epoch)
        seen: list[int] = []

        def follow() -> None:
            seen.extend(e.id for e in store.sweeps.events(made.sweep_id, seen[-1] if seen else 0))

        def work(number: int) -> None:
            if number == 0:
                while counts(store, made.sweep_id).get("done", 0) < 40:
                    follow()
                return
            for member in claim.members[number - 1 :: THREADS - 1]:
                assert store.queue.accept(*key(claim), member.trial_id, Trained(), {})

        together(work)
        follow()
        assert seen == [e.id for e in store.sweeps.events(made.sweep_id)]

    def test_metrics_from_many_threads(self, store: Store) -> None:
        made = submit(store, expansion(values=(0.1,)))
        claim = claim_all(store, take_over(store))
        member = claim.members[0].trial_id

        def work(number: int) -> bool:
            rows = [
                MetricRow(trial_id=member, key="loss", step=step, value=float(number))
                for step in range(100)
            ]
            return store.queue.record(*key(claim), rows)

        assert all(together(work))
        frame = store.results.metrics(store.results.points(made.sweep_id)["trial_id"][0])
        assert list(frame["step"]) == list(range(100))
        assert frame["value"].nunique() == 1
