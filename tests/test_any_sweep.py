"""Whatever is submitted: either everything wrong with it is told, or all of it can be stored."""

import json
import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import InvalidRequest
from sweeper.expand import expand, expand_candidates
from sweeper.rules.check import check
from sweeper.search.rounds import first_candidates
from sweeper.spec import parse
from sweeper.trials import Expansion, fingerprint
from tests.sweeps import DATA
from trainers.config import from_dict, to_dict

ORDINARY = st.sampled_from([1e-4, 3.16e-3, 0.1, 0.316, 0.5, 0.9, 0.99, 1, 2, 3.16, 10, 64])
ODD = st.sampled_from(
    [0, -0.0, -1, 1 - 1e-16, 1e-320, 1e300, 1.7e308, math.nan, math.inf, 2**53 + 1, True, None, "x"]
)
NUMBERS = st.one_of(*[ORDINARY] * 7, ODD)
PARAMETERS = st.sampled_from(
    [
        *("lr", "momentum", "beta2", "eps", "weight_decay", "warmup_fraction"),
        *("steps", "tokens", "batch_multiple", "candidate"),
    ]
)
GRIDS = st.one_of(
    st.fixed_dictionaries({"values": st.lists(NUMBERS, max_size=3)}),
    st.fixed_dictionaries({"multiples": st.lists(NUMBERS, max_size=3)}),
    st.fixed_dictionaries({"low": NUMBERS, "high": NUMBERS, "points": st.sampled_from([2, 5, 0])}),
    st.fixed_dictionaries({"low": NUMBERS, "high": NUMBERS, "half_decades": st.just(True)}),
)
SCALES = st.sampled_from(["log", "linear", "one_minus_log"])
SETTINGS = st.one_of(
    st.just({}),
    st.sampled_from([{"z_loss": 0}, {"schedule": "constant"}, {"weight_decay": {"tie": "lr"}}]),
    st.dictionaries(
        PARAMETERS, st.one_of(NUMBERS, st.sampled_from(["mup", "coupled"])), max_size=2
    ),
)
OPTIMIZERS = st.one_of(
    st.sampled_from(["adamw", "sgd", "lion"]),
    st.builds(
        lambda name, more, grid: {"name": name} | more | grid,
        st.sampled_from(["adamw", "sgd", "soap", "torch.SGD", "adamx"]),
        SETTINGS,
        st.one_of(st.just({}), st.just({}), GRIDS),
    ),
)
AXES = st.one_of(
    st.sampled_from(
        [
            {"parameter": "lr", "multiples": [0.316, 1, 3.16]},
            {"parameter": "momentum", "low": 0.9, "high": 0.999, "half_decades": True},
            {"parameter": "weight_decay", "low": 1e-4, "high": 0.1, "points": 3, "zero": True},
            {"parameter": "steps", "values": [10, 20]},
        ]
    ),
    st.builds(
        lambda parameter, grid, more: {"parameter": parameter} | grid | more,
        PARAMETERS,
        GRIDS,
        st.fixed_dictionaries({}, optional={"scale": SCALES, "zero": st.booleans()}),
    ),
)
RANGES = st.one_of(
    st.just({"low": 1e-4, "high": 0.1}),
    st.fixed_dictionaries({"low": NUMBERS, "high": NUMBERS}, optional={"scale": SCALES}),
)
SEARCHES = st.fixed_dictionaries(
    {"over": st.dictionaries(PARAMETERS, RANGES, max_size=2), "trials": st.sampled_from([1, 2, 0])},
    optional={"seed": st.sampled_from([0, 2**32 - 1])},
)
SWEEPS = st.builds(
    lambda main, more: {"name": "any"} | main | more,
    st.one_of(
        st.fixed_dictionaries({"axis": AXES}, optional={"second_axis": AXES}),
        st.fixed_dictionaries({"search": SEARCHES}),
    ),
    st.fixed_dictionaries(
        {"optimizers": st.lists(OPTIMIZERS, min_size=1, max_size=2)},
        optional={
            "base": SETTINGS,
            "seeds": st.sampled_from([[0], [0, 1], [1, 1], []]),
            "scales": st.sampled_from([["nano"], ["nano", "150m"], ["huge"]]),
            "extend": st.sampled_from([{"budget": 1}, {"budget": 100}, {"budget": 0}]),
        },
    ),
)


def planned(body: dict[str, Any]) -> Expansion:
    spec = parse(body)
    if spec.search is None:
        return expand(spec, DATA)
    check(spec, DATA)
    return expand_candidates(spec, DATA[spec.data], first_candidates(spec))


def leads_into(body: Any, pointer: str) -> bool:
    """Whether all but the last part of a place is there."""
    for part in pointer.split("/")[1:-1]:
        body = body[int(part)] if isinstance(body, list) else body[part]
    return True


@settings(max_examples=300)
@given(SWEEPS)
def test_a_sweep_is_refused_with_places_or_expands_to_what_can_be_stored(
    body: dict[str, Any],
) -> None:
    try:
        found = planned(body)
    except InvalidRequest as error:
        refused = error.problems
    else:
        check_that_all_can_be_stored(found)
        return
    assert refused
    assert all(leads_into(body, problem.pointer) for problem in refused)


def check_that_all_can_be_stored(found: Expansion) -> None:
    points = [(point.variant, point.value, point.seed) for point in found.points]
    assert len(set(points)) == len(points)
    assert all(math.isfinite(point.value) for point in found.points)
    assert {point.fingerprint for point in found.points} == {t.fingerprint for t in found.trials}
    for trial in found.trials:
        stored = from_dict(json.loads(json.dumps(to_dict(trial.config), allow_nan=False)))
        assert fingerprint(stored) == trial.fingerprint
