"""Training functions through the service: results, divergence, pauses, errors."""

import pytest

from sweeper.service import Service
from tests.dispatch import tiny
from tests.dispatch.service import Running, plugins_of
from trainers.config import from_dict
from trainers.runs import start

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]


@pytest.fixture
def functions(service: Running, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The use cases, with the training functions that the dispatcher knows."""
    monkeypatch.setenv("SWEEPER_PLUGINS", plugins_of(service.home))
    return Service(service.store, tiny.datasets(service.home))


def _submit(functions: Service, name: str, *values: float, steps: int, seed: int = 0) -> str:
    axis = {"parameter": "lr", "values": list(values)}
    base = {"steps": steps}
    asked = {"name": name, "axis": axis, "optimizers": [name], "base": base, "seeds": [seed]}
    return functions.submit(asked).sweep_id


def test_a_training_function_has_a_curve_with_its_divergence(
    service: Running, functions: Service
) -> None:
    sweep_id = _submit(functions, "fit_sine", 0.003, 0.01, 1.0, steps=100)
    tiny.eventually(lambda: tiny.is_done(service.store, sweep_id), "the sweep is done")
    records = tiny.trials(service.store, sweep_id)
    assert [str(r.outcome) for r in records] == ["finite", "finite", "diverged"]
    for record in records:
        run = start([from_dict(record.config)], data_dir=tiny.datasets(service.home))
        while not run.finished:
            run.advance()
        (alone,) = run.results()
        assert alone is not None
        assert record.final_loss == alone.final_loss
        assert (record.initial_loss, record.best_loss) == (alone.initial_loss, alone.best_loss)
        assert record.diverged_at_step == alone.diverged_at_step
        assert [a.failure for a in record.attempts] == [None]
    metrics = service.store.results.metrics(records[0].id)
    assert set(metrics["key"]) == {"train_loss", "validation_loss"}
    view = functions.curves(sweep_id)
    assert [(c.label, c.diverged) for c in view.curves] == [("fit_sine", (0, 0, 1))]
    assert view.stabilities[0].best_value == 0.01
    assert service.store.results.integrity() == []


def test_a_paused_training_function_starts_anew(service: Running, functions: Service) -> None:
    sweep_id = _submit(functions, "slow", 0.25, steps=400, seed=20)
    tiny.eventually(lambda: tiny.attempts(service.store, sweep_id), "it runs")
    service.store.sweeps.pause(sweep_id)
    tiny.eventually(lambda: tiny.attempts(service.store, sweep_id)[0].ended_at, "it is paused")
    assert tiny.counts(service.store, sweep_id) == {"pending": 1}
    (service.home / "go-20").touch()
    service.store.sweeps.resume(sweep_id)
    tiny.eventually(lambda: tiny.is_done(service.store, sweep_id), "the sweep is done")
    (record,) = tiny.trials(service.store, sweep_id)
    assert [a.end_reason for a in record.attempts] == ["paused", "finished"]
    assert record.provenance["resumed_at"] == 0
    assert (record.initial_loss, record.final_loss) == (1.25, 0.25 + 1 / 401)


def test_a_training_function_is_cancelled_between_two_yields(
    service: Running, functions: Service
) -> None:
    sweep_id = _submit(functions, "slow", 0.25, steps=100_000, seed=21)
    tiny.eventually(lambda: tiny.attempts(service.store, sweep_id), "it runs")
    service.store.sweeps.cancel(sweep_id)
    tiny.eventually(lambda: tiny.attempts(service.store, sweep_id)[0].ended_at, "it has stopped")
    assert tiny.counts(service.store, sweep_id) == {"cancelled": 1}


@pytest.mark.fault
def test_an_error_of_a_training_function_fails_its_own_trial(
    service: Running, functions: Service
) -> None:
    (service.home / "go-22").touch()
    sweep_id = _submit(functions, "slow", 0.25, 13.0, steps=10, seed=22)
    tiny.eventually(lambda: tiny.is_done(service.store, sweep_id), "the sweep is done")
    assert tiny.counts(service.store, sweep_id) == {"done": 1, "failed": 1}
    failed = tiny.trials(service.store, sweep_id)[1]
    assert [a.failure for a in failed.attempts] == ["user_error"]
    told = str(failed.attempts[0].traceback)
    assert 'raise RuntimeError("an unlucky number")' in told, "the line of its own source"
