"""What reading gives, and what people can query themselves."""

import math
from typing import Any

from sqlalchemy import create_engine, inspect, text

from sweeper.storage.engine import Database
from sweeper.storage.records import MetricKind, MetricRow
from sweeper.storage.store import Store
from sweeper.storage.views import VIEWS
from sweeper.trials import SweepState, sweep_state
from tests.storage.builders import (
    DIVERGED,
    VALUES,
    Trained,
    claim_all,
    expansion,
    finish,
    key,
    public_ids,
    submit,
    take_over,
)


def query(url: str, statement: str) -> list[dict[str, Any]]:
    database = Database(url)
    try:
        return database.read(lambda c: [dict(row._mapping) for row in c.execute(text(statement))])
    finally:
        database.close()


class ReadingContract:
    def test_points_are_one_frame(self, store: Store) -> None:
        made = submit(store, expansion(seeds=(0, 1), optimizers=("adamw", "lion")))
        claim = claim_all_of(store, "adamw")
        assert store.queue.accept(*key(claim), claim.members[0].trial_id, DIVERGED, {})
        assert store.queue.accept(*key(claim), claim.members[1].trial_id, Trained(), {})
        frame = store.results.points(made.sweep_id)
        assert len(frame) == 12
        assert list(frame["variant"]) == [0] * 6 + [1] * 6
        assert list(frame["value"][:6]) == [v for v in VALUES for _ in range(2)]
        assert list(frame["seed"][:4]) == [0, 1, 0, 1]
        assert list(frame["state"][:3]) == ["done", "done", "running"]
        assert list(frame["outcome"][:2]) == ["diverged", "finite"]
        assert math.isnan(frame["final_loss"][0])
        assert frame["final_loss"][1] == 2.0
        assert frame["diverged_at_step"][0] == 7
        assert str(frame["finished_at"].dtype) == "datetime64[us, UTC]"
        assert frame["hyperparameters"][0] == '{"lr":0.001,"momentum":0.9,"weight_decay":0.0}'
        assert '"optimizer":"adamw"' in frame["config"][0]

    def test_a_diverged_trial_stands_where_it_diverged(self, store: Store) -> None:
        made = submit(store)
        claim = claim_all(store, take_over(store))
        gone, *others = claim.members
        row = MetricRow(trial_id=others[0].trial_id, key="train_loss", step=10, value=2.0)
        assert store.queue.accept(*key(claim), gone.trial_id, DIVERGED, {})
        assert store.queue.record(*key(claim), [row])
        assert list(store.results.trials(made.sweep_id)["step"]) == [7, 10, 10]
        steps = [store.results.trial(id).step for id in public_ids(store, made.sweep_id)]
        assert steps == [7, 10, 10]

    def test_frames_have_one_type_per_column_whatever_is_in_them(self, store: Store) -> None:
        made = submit(store)
        before = store.results.points(made.sweep_id).dtypes
        finish(store, claim_all(store, take_over(store)))
        assert (store.results.points(made.sweep_id).dtypes == before).all()

    def test_trials_have_their_progress(self, store: Store) -> None:
        made = submit(store)
        claim = claim_all(store, take_over(store))
        frame = store.results.trials(made.sweep_id)
        assert list(frame["trial_id"]) == public_ids(store, made.sweep_id)
        assert set(frame["stack"]) == {claim.stack_id}
        assert list(frame["step"]) == [0, 0, 0]

    def test_held_out_losses_of_many_trials_at_once(self, store: Store) -> None:
        made = submit(store)
        claim = claim_all(store, take_over(store))
        one, other, _ = (member.trial_id for member in claim.members)
        rows = [
            MetricRow(trial_id=one, key="validation_loss", step=10, value=3.0),
            MetricRow(trial_id=one, key="validation_loss", step=0, value=5.0),
            MetricRow(trial_id=one, key="train_loss", step=10, value=1.0),
            MetricRow(
                trial_id=other, key="validation_loss", step=0, value=None, kind=MetricKind.NAN
            ),
        ]
        assert store.queue.record(*key(claim), rows)
        ids = public_ids(store, made.sweep_id)
        assert store.results.validation_losses([*ids, ids[0], "none"]) == {
            ids[0]: {0: 5.0, 10: 3.0}
        }
        assert store.results.validation_losses([]) == {}

    def test_a_trial_knows_its_sweeps(self, store: Store) -> None:
        first, second = submit(store, name="one"), submit(store, name="two")
        trial = store.results.trial(public_ids(store, first.sweep_id)[1])
        assert [(s.id, s.name, s.value) for s in trial.sweeps] == [
            (first.sweep_id, "one", 0.01),
            (second.sweep_id, "two", 0.01),
        ]
        assert trial.config["hyperparameters"]["lr"] == 0.01

    def test_pages_of_sweeps(self, store: Store) -> None:
        ids = [submit(store, name=f"sweep {i}").sweep_id for i in range(5)]
        first = store.sweeps.list(limit=2)
        second = store.sweeps.list(limit=2, cursor=first.next)
        last = store.sweeps.list(limit=2, cursor=second.next)
        found = [record.id for page in (first, second, last) for record in page.items]
        assert found == ids[::-1]
        assert last.next is None

    def test_search_is_literal(self, store: Store) -> None:
        submit(store, name="Weight decay 100%")
        submit(store, name="weights")
        assert [r.name for r in store.sweeps.list(search="0%").items] == ["Weight decay 100%"]
        assert len(store.sweeps.list(search="WEIGHT").items) == 2

    def test_states_in_the_list_are_those_of_the_sweeps(self, store: Store) -> None:
        made = [submit(store, expansion(values=(0.1 + i,))) for i in range(7)]
        epoch = take_over(store)
        done, failed, running = store.queue.free_trials()[:3]
        claims = [store.queue.claim_new(epoch, [t.id], 1) for t in (done, running)]
        assert claims[0] is not None
        finish(store, claims[0])
        assert claims[1] is not None
        store.queue.start(epoch, claims[1], "tune", "here", 1)
        store.queue.reject(epoch, [failed.id], "too big")
        store.sweeps.pause(made[3].sweep_id)
        store.sweeps.pause(made[0].sweep_id)
        store.sweeps.cancel(made[4].sweep_id)
        for state in SweepState:
            listed = store.sweeps.list(state=state).items
            assert listed, state
            assert {r.state for r in listed} == {state}
            assert all(sweep_state(r.intent, r.counts) is state for r in listed)
        assert sum(len(store.sweeps.list(state=s).items) for s in SweepState) == 7

    def test_best_of_a_sweep(self, store: Store) -> None:
        made = submit(store)
        claim = claim_all(store, take_over(store))
        for member, loss in zip(claim.members, (3.0, 1.5, 2.0), strict=True):
            store.queue.accept(*key(claim), member.trial_id, Trained(final_loss=loss), {})
        best = store.sweeps.get(made.sweep_id).best
        assert best is not None
        assert (best.label, best.value, best.loss) == ("adamw", 0.01, 1.5)

    def test_v_result_has_a_row_per_point(self, store: Store, store_url: str) -> None:
        made = submit(store, expansion(optimizers=("adamw", "lion")), name="views")
        claim = claim_all_of(store, "adamw")
        finish(store, claim, Trained(final_loss=2.25))
        rows = query(store_url, "SELECT * FROM v_result ORDER BY optimizer, value")
        assert len(rows) == 6
        row = rows[0]
        assert (row["sweep"], row["sweep_name"]) == (made.sweep_id, "views")
        assert (row["optimizer"], row["value"], row["lr"]) == ("adamw", 0.001, 0.001)
        assert (row["state"], row["outcome"], row["final_loss"]) == ("done", "finite", 2.25)
        assert (row["momentum"], row["beta2"]) == (0.9, None)
        assert (row["steps"], row["batch_size"]) == (10, 8)
        assert rows[5]["state"] == "pending"

    def test_v_curve_counts_and_averages(self, store: Store, store_url: str) -> None:
        submit(store, expansion(values=(0.1,), seeds=(0, 1, 2, 3)))
        claim = claim_all(store, take_over(store))
        results = (Trained(final_loss=1.0), Trained(final_loss=2.0), DIVERGED)
        for member, result in zip(claim.members, results, strict=False):
            store.queue.accept(*key(claim), member.trial_id, result, {})
        (row,) = query(store_url, "SELECT * FROM v_curve")
        numbers = ("seeds", "finite", "diverged", "failed", "waiting")
        assert [row[name] for name in numbers] == [4, 2, 1, 0, 1]
        assert [row[f"loss_{name}"] for name in ("mean", "min", "max")] == [1.5, 1.0, 2.0]

    def test_v_integrity_sees_a_lost_point(self, store: Store, store_url: str) -> None:
        made = submit(store)
        engine = create_engine(store_url)
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM point WHERE value = 0.1"))
            connection.execute(text("UPDATE trial SET demand = 9 WHERE id = 1"))
        engine.dispose()
        assert [(problem, sweep) for problem, sweep, _ in sorted(store.results.integrity())] == [
            ("a cancelled trial still runs", None),
            ("a sweep has lost points", made.sweep_id),
            ("the demand for a trial is wrong", None),
            ("the demand for a trial is wrong", None),
        ]

    def test_views_have_the_documented_columns(self, store: Store, store_url: str) -> None:
        engine = create_engine(store_url)
        found = inspect(engine)
        columns = {view: [c["name"] for c in found.get_columns(view)] for view in VIEWS}
        engine.dispose()
        assert columns["v_curve"][:6] == columns["v_result"][:6]
        assert columns["v_metric"] == ["trial", "key", "step", "value", "kind", "detail"]
        assert columns["v_integrity"] == ["problem", "sweep", "trial"]
        assert len(columns["v_result"]) == 35


def claim_all_of(store: Store, optimizer: str) -> Any:
    epoch = take_over(store)
    free = [t.id for t in store.queue.free_trials() if t.config["optimizer"] == optimizer]
    claim = store.queue.claim_new(epoch, free, 1)
    assert claim is not None
    store.queue.start(epoch, claim, "tune", "here", 1)
    return claim
