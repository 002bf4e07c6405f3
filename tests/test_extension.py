"""Adding points to a sweep that is there: what is added and shared, and what is refused."""

import json
from typing import Any

import pytest

from sweeper.errors import Conflict, InvalidRequest, NotFound
from sweeper.extension import planned_extension
from sweeper.service import Service
from sweeper.trials import SweepState
from tests.api import played
from tests.sweeps import body


def submit(service: Service, *values: float, **changes: Any) -> str:
    axis = {"parameter": "lr", "values": list(values or (1e-3, 1e-2))}
    return service.submit(body(axis=axis, **changes)).sweep_id


def points(service: Service, sweep_id: str) -> list[tuple[str, float, int, str]]:
    frame = service.results(sweep_id)
    return list(frame[["label", "value", "seed", "origin"]].itertuples(index=False, name=None))


def test_values_get_the_seeds_that_their_curve_has(service: Service) -> None:
    sweep_id = submit(service, seeds=[0, 1])
    found = service.extend(sweep_id, {"values": [1e-1]})
    assert (found.points, found.there, found.total, found.new) == (2, 0, 2, 2)
    assert points(service, sweep_id)[-2:] == [
        ("adamw", 0.1, 0, "extend"),
        ("adamw", 0.1, 1, "extend"),
    ]
    assert service.sweep(sweep_id).total == 6
    assert service.store.results.integrity() == []


def test_seeds_get_the_values_that_their_curve_has(service: Service) -> None:
    optimizers = ["adamw", {"name": "lion", "values": [1e-4, 1e-3]}]
    sweep_id = submit(service, optimizers=optimizers)
    found = service.extend(sweep_id, {"seeds": [0, 5], "variants": ["lion"]})
    assert (found.points, found.there) == (2, 2)
    added = [p for p in points(service, sweep_id) if p[3] == "extend"]
    assert added == [("lion", 1e-4, 5, "extend"), ("lion", 1e-3, 5, "extend")]


def test_what_is_there_is_not_added_again(service: Service) -> None:
    sweep_id = submit(service)
    first = service.extend(sweep_id, {"values": [1e-1, 1e-2]})
    events = len(service.events(sweep_id))
    again = service.extend(sweep_id, {"values": [1e-1, 1e-2]})
    assert (first.points, first.there) == (1, 1)
    assert (again.points, again.there, again.total) == (0, 2, 0)
    assert len(service.events(sweep_id)) == events


def test_trials_of_other_sweeps_are_shared(service: Service) -> None:
    submit(service, 1e-1, 1.0)
    sweep_id = submit(service)
    found = service.extend(sweep_id, {"values": [1e-1, 0.5]})
    assert (found.total, found.new, found.shared) == (2, 1, 1)


def test_a_fresh_sweep_stays_by_itself(service: Service) -> None:
    submit(service, 1e-1)
    sweep_id = submit(service, fresh=True)
    assert service.extend(sweep_id, {"values": [1e-1]}).new == 1


def test_an_inert_curve_goes_on_sharing_its_one_trial(service: Service) -> None:
    axis = {"parameter": "eps", "values": [1e-8, 1e-6]}
    inert = {"name": "lion", "inert": True}
    sweep_id = service.submit(body(axis=axis, optimizers=[inert], fresh=True)).sweep_id
    found = service.extend(sweep_id, {"values": [1e-4]})
    assert (found.points, found.new, found.shared) == (1, 0, 1)
    assert len(set(service.results(sweep_id)["trial_id"])) == 1


def test_a_done_sweep_has_work_again_and_its_sensitivity_stays(service: Service) -> None:
    sweep_id = submit(service)
    played.finish_all(service.store)
    before = service.curves(sweep_id).stabilities[0]
    assert service.sweep(sweep_id).state is SweepState.DONE
    service.extend(sweep_id, {"values": [3.16e-3]})
    assert service.sweep(sweep_id).state is SweepState.RUNNING
    played.finish_all(service.store)
    after = service.curves(sweep_id).stabilities[0]
    assert service.sweep(sweep_id).state is SweepState.DONE
    assert (after.sensitivity, after.sensitivity_values) == (before.sensitivity, 2)
    assert after.best_value == 3.16e-3


def test_a_cancelled_sweep_is_refused_until_it_is_retried(service: Service) -> None:
    sweep_id = submit(service)
    service.cancel(sweep_id)
    with pytest.raises(Conflict, match="`retry` brings it back"):
        service.extend(sweep_id, {"values": [1.0]})
    service.retry(sweep_id)
    assert service.extend(sweep_id, {"values": [1.0]}).points == 1


@pytest.mark.parametrize(
    ("asked", "place", "part"),
    [
        ({}, "", "give `values`, `seeds` or both"),
        ({"values": []}, "/values", "at least 1 item"),
        ({"values": [0.5, -1.0]}, "/values/1", "`lr > 0` must hold on a log axis"),
        ({"values": [0.5, 0.5]}, "/values", "must not repeat"),
        ({"values": ["a"]}, "/values/0", "got 'a'"),
        ({"seeds": [-1]}, "/seeds/0", "greater than or equal to 0"),
        ({"seeds": [3, 3]}, "/seeds", "must not repeat"),
        ({"seeds": [1], "variants": ["lion"]}, "/variants/0", "unknown curve 'lion'; known: adamw"),
        ({"value": [1]}, "/value", "unknown key 'value'; known: values, seeds, variants"),
        ({"values": [i / 1e3 for i in range(1, 200)], "seeds": list(range(60))}, "", "at most"),
    ],
)
def test_a_bad_extension_is_one_clear_error_and_adds_nothing(
    service: Service, asked: dict[str, Any], place: str, part: str
) -> None:
    sweep_id = submit(service)
    with pytest.raises(InvalidRequest) as caught:
        service.extend(sweep_id, asked)
    found = {problem.pointer: problem.message for problem in caught.value.problems}
    assert part in found[place]
    assert len(points(service, sweep_id)) == 2


def test_a_value_out_of_the_range_names_the_optimizer(service: Service) -> None:
    sweep_id = service.submit(
        body(axis={"parameter": "momentum", "values": [0.5, 0.9], "scale": "linear"})
    ).sweep_id
    with pytest.raises(InvalidRequest, match=r"/values/0: `0 <= momentum < 1` .* \(adamw\)"):
        service.extend(sweep_id, {"values": [1.5]})


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizers": ["torch.SGD", "torch.AdamW"]},
        {"base": {"steps": 10, "decay_convention": "coupled"}},
    ],
)
def test_a_decay_of_nothing_has_no_convention_to_differ_in(
    service: Service, changes: dict[str, Any]
) -> None:
    sweep_id = submit(service, **changes)
    curves = len(service.sweep(sweep_id).variants)
    assert service.extend(sweep_id, {"values": [1e-1]}).points == curves


def test_points_of_another_code_are_not_mixed_in(service: Service) -> None:
    sweep_id = submit(service)
    frame = service.results(sweep_id)
    altered = [json.dumps(json.loads(text) | {"steps": 11}) for text in frame["config"]]
    submitted = service.sweep(sweep_id).spec
    older = frame.assign(provenance='{"trainer": 1}')
    with pytest.raises(Conflict, match="adamw: the code has changed"):
        planned_extension(submitted, {"values": [1.0]}, older)
    with pytest.raises(Conflict, match="adamw: the code has changed"):
        planned_extension(submitted, {"values": [1.0]}, frame.assign(config=altered))


def test_an_unknown_sweep_is_not_found(service: Service) -> None:
    with pytest.raises(NotFound):
        service.extend("nothing", {"values": [1.0]})
