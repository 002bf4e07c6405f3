"""Rounds on a real database with made-up results: from the first point to the last event."""

from pathlib import Path
from typing import Any

import pytest

from sweeper.advance import decisions
from sweeper.service import Service
from sweeper.storage.store import Store
from sweeper.trials import SweepState
from tests.api import played
from tests.sweeps import body


@pytest.fixture
def service(store: Store, datasets_dir: Path) -> Service:
    return Service(store, datasets_dir)


def asked(*values: float, **changes: Any) -> dict[str, Any]:
    axis = {"parameter": "lr", "values": list(values or (1e-4, 1e-3))}
    return body(**{"axis": axis, "extend": {"budget": 4}} | changes)


def train(service: Service) -> int:
    """Play what is free; the epoch that does."""
    store = service.store
    epoch = store.queue.take_over(store.queue.dispatcher(), played.OWNER)
    while (claimed := played.claim(store, epoch)) is not None:
        played.finish(store, epoch, claimed)
    return epoch


def advance(service: Service, epoch: int) -> int:
    """Store what is decided; how much that is."""
    found = list(decisions(service.store))
    assert all(decision.store(service.store, epoch) for decision in found)
    return len(found)


def to_its_end(service: Service) -> int:
    """Train and advance in turn; the number of rounds."""
    rounds = 0
    while advance(service, train(service)):
        rounds += 1
        assert rounds < 30
    return rounds


def values(service: Service, sweep_id: str, label: str = "adamw") -> list[tuple[float, str]]:
    frame = service.results(sweep_id)
    frame = frame[(frame["label"] == label) & (frame["seed"] == 0)]
    return list(frame[["value", "origin"]].itertuples(index=False, name=None))


def kinds(service: Service, sweep_id: str) -> list[str]:
    listed = [str(event.kind) for event in service.events(sweep_id)]
    return [kind for kind in listed if kind in {"extended", "refined", "settled"}]


def test_a_sweep_is_running_until_its_optimum_is_bracketed(service: Service) -> None:
    sweep_id = service.submit(asked()).sweep_id
    train(service)
    record = service.sweep(sweep_id)
    assert (record.state, record.rounds_open) == (SweepState.RUNNING, True)
    assert [s.id for s in service.sweeps(state=SweepState.RUNNING).items] == [sweep_id]
    assert service.sweeps(state=SweepState.DONE).items == ()
    to_its_end(service)
    record = service.sweep(sweep_id)
    assert (record.state, record.rounds_open) == (SweepState.DONE, False)
    assert [s.id for s in service.sweeps(state=SweepState.DONE).items] == [sweep_id]
    # The played optimum of adamw is at 3.16e-3.
    assert values(service, sweep_id) == [
        (1e-4, "grid"),
        (1e-3, "grid"),
        (1e-2, "extend"),
    ]
    assert kinds(service, sweep_id)[-1] == "settled"
    assert service.store.results.integrity() == []


def test_every_round_is_an_event_with_its_reason(service: Service) -> None:
    sweep_id = service.submit(asked(1e-5, 1e-4, refine={"budget": 3})).sweep_id
    to_its_end(service)
    told = [e for e in service.events(sweep_id) if str(e.kind) in {"extended", "refined"}]
    assert told[0].message == (
        "adamw, round 1: 0.001 is added; the best value 0.0001 is at the high edge"
    )
    assert [e.data["round"] for e in told] == list(range(1, len(told) + 1))
    assert kinds(service, sweep_id)[-2:] == ["refined", "settled"]
    (settled,) = [e for e in service.events(sweep_id) if str(e.kind) == "settled"]
    assert settled.message.startswith(f"adamw, after {len(told)} rounds: the best value ")
    assert "is bracketed by" in settled.message


def test_each_curve_goes_on_by_itself_with_all_seeds(service: Service) -> None:
    sweep_id = service.submit(
        asked(1e-5, 1e-4, optimizers=["adamw", "lion"], seeds=[0, 1])
    ).sweep_id
    to_its_end(service)
    frame = service.results(sweep_id)
    assert set(frame.groupby(["label", "value"])["seed"].count()) == {2}
    assert len(values(service, sweep_id, "lion")) < len(values(service, sweep_id, "adamw"))
    assert kinds(service, sweep_id).count("settled") == 2


def test_a_curve_waits_for_its_last_point_only(service: Service) -> None:
    service.submit(asked(1e-5, 1e-4, optimizers=["adamw", "lion"]))
    store = service.store
    epoch = store.queue.take_over(store.queue.dispatcher(), played.OWNER)
    claimed = played.claim(store, epoch, most=2)
    assert claimed is not None
    played.finish(store, epoch, claimed, most=1)
    assert list(decisions(store)) == []
    played.finish(store, epoch, claimed)
    (decision,) = decisions(store)
    assert decision.curve.label == claimed.members[0].config["optimizer"]


def test_a_decision_about_a_curve_that_has_changed_is_dropped(service: Service) -> None:
    sweep_id = service.submit(asked()).sweep_id
    epoch = train(service)
    (decision,) = decisions(service.store)
    assert decision.store(service.store, epoch)
    assert not decision.store(service.store, epoch)
    to_its_end(service)
    service.extend(sweep_id, {"values": [0.05]})
    epoch = train(service)
    (decision,) = decisions(service.store)
    service.extend(sweep_id, {"values": [0.07]})
    assert not decision.store(service.store, epoch)
    assert service.store.results.integrity() == []


def test_a_paused_sweep_gets_no_round_and_a_cancelled_one_neither(service: Service) -> None:
    sweep_id = service.submit(asked()).sweep_id
    epoch = train(service)
    service.pause(sweep_id)
    assert service.sweep(sweep_id).state is SweepState.PAUSED
    assert advance(service, epoch) == 0
    service.resume(sweep_id)
    (decision,) = decisions(service.store)
    service.cancel(sweep_id)
    assert not decision.store(service.store, epoch)
    assert service.sweep(sweep_id).state is SweepState.CANCELLED
    service.retry(sweep_id)
    to_its_end(service)
    assert service.sweep(sweep_id).state is SweepState.DONE


def test_lost_points_end_the_rounds_until_they_are_retried(service: Service) -> None:
    sweep_id = service.submit(asked()).sweep_id
    store = service.store
    epoch = store.queue.take_over(store.queue.dispatcher(), played.OWNER)
    store.queue.reject(epoch, [store.queue.free_trials()[0].id], "too big")
    epoch = train(service)
    assert advance(service, epoch) == 1
    assert service.sweep(sweep_id).state is SweepState.DONE_WITH_FAILURES
    assert "1 point has no result" in service.events(sweep_id)[-1].message
    service.retry(sweep_id)
    to_its_end(service)
    assert service.sweep(sweep_id).state is SweepState.DONE
    assert "is bracketed" in service.events(sweep_id)[-1].message


def test_points_by_hand_let_a_settled_curve_think_again(service: Service) -> None:
    both = ["adamw", "lion"]
    asked_for = asked(1e-5, 1e-4, extend={"budget": 1}, optimizers=both)
    sweep_id = service.submit(asked_for).sweep_id
    to_its_end(service)
    told = [e.message for e in service.events(sweep_id) if str(e.kind) == "settled"]
    assert any(t.startswith("adamw") and "budget of bracketing is spent" in t for t in told)
    service.extend(sweep_id, {"values": [1e-2, 1e-1], "variants": ["adamw"]})
    assert service.sweep(sweep_id).state is SweepState.RUNNING
    to_its_end(service)
    assert "is bracketed by" in service.events(sweep_id)[-1].message
    settled = [e.data["label"] for e in service.events(sweep_id) if str(e.kind) == "settled"]
    assert sorted(settled) == ["adamw", "adamw", "lion"]
    # Values by hand are not of the budget.
    assert len(values(service, sweep_id)) == 5


def test_a_curve_that_cannot_go_on_says_so_and_ends(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep_id = service.submit(asked()).sweep_id
    epoch = train(service)
    monkeypatch.setattr("sweeper.advance.next_round", lambda *_: 1 / 0)
    assert advance(service, epoch) == 1
    last = service.events(sweep_id)[-1]
    assert last.message == (
        "adamw, after 0 rounds: it cannot go on: ZeroDivisionError: division by zero"
    )
    assert service.sweep(sweep_id).state is SweepState.DONE


def test_a_sweep_without_rounds_is_done_at_once(service: Service) -> None:
    sweep_id = service.submit(asked(extend=None)).sweep_id
    assert advance(service, train(service)) == 0
    assert service.sweep(sweep_id).state is SweepState.DONE
