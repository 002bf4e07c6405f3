"""Ways to give the values of an axis, for all optimizers or for one, and what may be wrong."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.expand import expand
from sweeper.grids import axis_values, multiple
from sweeper.spec import AxisSpec, parse
from tests.sweeps import DATA, body, problems

HALF_DECADES = (1e-4, 3.16e-4, 1e-3, 3.16e-3, 1e-2, 3.16e-2, 1e-1, 3.16e-1, 1.0)
LR_HALVES = {"parameter": "lr", "low": 1e-4, "high": 1e-1, "half_decades": True}
LR_MULTIPLES = {"parameter": "lr", "multiples": [0.1, 0.316, 1, 3.16, 10]}


def values(axis: dict[str, Any], *optimizers: Any, **changes: Any) -> list[tuple[float, ...]]:
    """The values of each variant."""
    sweep = body(axis=axis, optimizers=list(optimizers) or ["adamw"], **changes)
    expansion = expand(parse(sweep), DATA)
    return [
        tuple(point.value for point in expansion.points if point.variant == i)
        for i in range(len(expansion.variants))
    ]


def axis(**fields: Any) -> AxisSpec:
    return AxisSpec.model_validate({"parameter": "lr"} | fields)


def test_half_decades_are_written_as_the_study_writes_them() -> None:
    assert axis_values(axis(low=1e-4, high=1, half_decades=True)) == HALF_DECADES
    assert axis_values(axis(low=3.16e-4, high=0.316, half_decades=True)) == HALF_DECADES[1:-1]
    assert axis_values(axis(low=2e-4, high=0.9, half_decades=True)) == HALF_DECADES[1:-1]


def test_half_decades_of_a_beta_are_of_its_distance_from_one() -> None:
    grid = axis(parameter="beta2", low=0.9, high=0.999, half_decades=True)
    assert axis_values(grid) == (0.9, 0.9684, 0.99, 0.99684, 0.999)


@given(st.integers(-18, 12), st.integers(1, 12))
def test_half_decades_begin_and_end_with_their_ends(first: int, count: int) -> None:
    grid = [float(f"{10 ** (half / 2):.2e}") for half in range(first, first + count + 1)]
    found = axis_values(axis(low=grid[0], high=grid[-1], half_decades=True))
    assert list(found) == grid


def test_multiples_are_of_each_optimizers_own_centre() -> None:
    assert values(LR_MULTIPLES, "adamw", "lion", "sgd", "schedule_free_adamw") == [
        (3.16e-4, 1e-3, 3.16e-3, 1e-2, 3.16e-2),
        (3.16e-5, 1e-4, 3.16e-4, 1e-3, 3.16e-3),
        (0.1, 0.316, 1.0, 3.16, 10.0),
        (2.5e-4, 7.91e-4, 2.5e-3, 7.91e-3, 2.5e-2),
    ]


def test_a_centre_is_what_the_settings_say() -> None:
    two = [{"name": "adamw", "lr": 1.234e-3}, {"name": "adamw", "label": "of the base"}]
    found = values(LR_MULTIPLES | {"multiples": [1, 2]}, *two, base={"steps": 5, "lr": 0.01})
    assert found == [(1.234e-3, 2.47e-3), (0.01, 0.02)]
    sweep = body(axis=LR_MULTIPLES, optimizers=[{"name": "adamw", "lr": 0.1}])
    (variant,) = expand(parse(sweep), DATA).variants
    assert (variant.label, "lr" in variant.overrides) == ("adamw", False)


def test_multiples_of_a_beta_are_of_its_distance_from_one() -> None:
    momentum = {"parameter": "momentum", "multiples": [0.1, 0.5, 1, 2]}
    assert values(momentum, "adamw", "sgd") == [(0.8, 0.9, 0.95, 0.99), (0.96, 0.98, 0.99, 0.998)]


def test_multiples_of_what_is_counted_are_whole() -> None:
    frequency = {"parameter": "precondition_frequency", "multiples": [0.1, 1, 5]}
    assert values(frequency, "soap") == [(1, 10, 50)]
    assert values({"parameter": "batch_multiple", "multiples": [0.5, 2]}) == [(0.5, 2.0)]
    halves = {"parameter": "steps", "multiples": [0.5, 1]}
    assert values(halves, base={"steps": 10}) == [(5, 10)]


@given(st.integers(-10, 6), st.integers(-8, 8))
def test_half_decades_times_half_decades_are_half_decades(centre: int, factor: int) -> None:
    halves = [float(f"{10 ** (half / 2):.2e}") for half in (centre, factor, centre + factor)]
    assert multiple(halves[1], halves[0], "log") == halves[2]


def test_an_optimizer_may_replace_a_part_of_the_range() -> None:
    own = {"name": "sgd", "low": 1e-2, "high": 1}
    assert values(LR_HALVES, "adamw", own)[1] == (1e-2, 3.16e-2, 0.1, 0.316, 1.0)
    assert values(LR_HALVES, own | {"points": 3})[0] == (1e-2, 0.1, 1.0)
    assert values(LR_HALVES, {"name": "sgd", "high": 1e-3})[0] == (1e-4, 3.16e-4, 1e-3)
    assert values(LR_HALVES, {"name": "sgd", "multiples": [1]})[0] == (1.0,)
    assert values(LR_MULTIPLES, own | {"half_decades": True})[0] == (1e-2, 3.16e-2, 0.1, 0.316, 1.0)


def test_zero_belongs_to_every_range_and_to_no_list_of_ones_own() -> None:
    decay = {"parameter": "weight_decay", "low": 0.01, "high": 0.1, "points": 2, "zero": True}
    own = [{"name": "sgd", "high": 0.2}, {"name": "lion", "values": [0.5]}]
    assert values(decay, "adamw", *own) == [(0, 0.01, 0.1), (0, 0.01, 0.2), (0.5,)]
    assert values(decay, {"name": "lion", "values": [0.5, 0]}) == [(0, 0.5)]
    nothing = decay | {"low": 4e-4, "high": 9e-4, "half_decades": True, "points": None}
    assert "no half-decade lies" in problems(axis=nothing)["/axis/high"]


def test_a_length_in_tokens() -> None:
    sweep = body(axis={"parameter": "tokens", "values": [512, 5120]}, base=None)
    configs = [trial.config for trial in expand(parse(sweep), DATA).trials]
    assert [(c.steps, c.tokens) for c in configs] == [(1, 512), (10, 5120)]


def sgd(**own: Any) -> dict[str, Any]:
    return {"optimizers": ["adamw", {"name": "sgd"} | own]}


BAD_GRIDS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"axis": LR_HALVES | {"points": 3}},
        "/axis",
        "give the values in one way: `values`, `multiples`, or `low` and `high` with either "
        "`points` or `half_decades`",
    ),
    ({"axis": LR_MULTIPLES | {"high": 1.0}}, "/axis", "give the values in one way"),
    ({"axis": LR_HALVES | {"half_decades": False}}, "/axis", "give the values in one way"),
    ({"axis": LR_HALVES | {"half_decades": 1}}, "/axis/half_decades", "valid boolean"),
    (
        {"axis": LR_HALVES | {"low": 4e-4, "high": 9e-4}},
        "/axis/high",
        "no half-decade lies from 0.0004 to 0.0009",
    ),
    (
        {"axis": LR_HALVES | {"parameter": "warmup_fraction"}},
        "/axis/half_decades",
        "is for log and one_minus_log axes, but this one is linear; give `points`",
    ),
    (
        {"axis": LR_HALVES | {"parameter": "momentum", "high": 1.0}},
        "/axis/high",
        "`high < 1` must hold on a one_minus_log axis, but got high=1",
    ),
    (
        {"axis": LR_MULTIPLES | {"multiples": [1, 0]}},
        "/axis/multiples/1",
        "a multiple must be > 0 on a log axis, but got 0",
    ),
    (
        {"axis": LR_MULTIPLES | {"multiples": [1e308, 1]}, "base": {"lr": 1e10, "steps": 1}},
        "/axis/multiples/0",
        "a finite number is needed, but got lr=inf",
    ),
    ({"axis": LR_MULTIPLES | {"multiples": [1, 1.0]}}, "/axis/multiples", "must not repeat, but"),
    (
        {"axis": {"parameter": "momentum", "multiples": [11, 1]}},
        "/axis/multiples/0",
        "`0 <= momentum < 1` must hold, but got momentum=-0.1 (adamw)",
    ),
    (
        {"axis": {"parameter": "steps", "multiples": [1]}, "base": None},
        "/axis/multiples",
        "adamw needs a centre of steps to take multiples of, but has none; set steps in `base`",
    ),
    (
        {"axis": {"parameter": "weight_decay", "multiples": [1]}},
        "/axis/multiples",
        "adamw needs a centre of weight_decay to take multiples of, but has 0; set",
    ),
    (
        {
            "axis": {"parameter": "eps", "multiples": [1]},
            "optimizers": ["adamw", {"name": "lion", "inert": True}],
        },
        "/optimizers/1",
        "lion has no 'eps' to take multiples of; give it `values`",
    ),
    (
        {"axis": LR_HALVES, "optimizers": ["adamw", {"name": "sgd", "lr": 1.0}]},
        "/optimizers/1/lr",
        "lr is the swept hyperparameter; its values are the axis",
    ),
    ({"axis": LR_HALVES, "base": {"lr": 1.0}}, "/base/lr", "lr is the swept hyperparameter"),
    (
        {"axis": LR_MULTIPLES, "base": {"lr": {"tie": "eps"}}},
        "/axis/multiples",
        "adamw needs a centre of lr to take multiples of, but has none",
    ),
    (sgd(values=[1.0], low=0.1), "/optimizers/1", "give the values in one way"),
    (sgd(values=[1.0, 1.0]), "/optimizers/1/values", "must not repeat, but these do: 1.0"),
    (sgd(values=[-1.0]), "/optimizers/1/values/0", "`lr > 0` must hold on a log axis, but got"),
    (sgd(multiples=[0.5, -1.0]), "/optimizers/1/multiples/1", "a multiple must be > 0"),
    (sgd(low=0.0), "/optimizers/1/low", "`low > 0` must hold on a log axis, but got low=0"),
    (sgd(low=0.5), "/axis/high", "`low < high` must hold, but got 0.5, 0.1"),
    (sgd(high=1e301), "/optimizers/1/high", "`|high| <= 1e+300` must hold, but got high=1e+301"),
    (
        {"axis": LR_MULTIPLES, **sgd(low=0.1)},
        "/optimizers/1",
        "give the values in one way",
    ),
]


@pytest.mark.parametrize(("changes", "pointer", "message"), BAD_GRIDS)
def test_a_grid_without_values_is_refused_with_its_place(
    changes: dict[str, Any], pointer: str, message: str
) -> None:
    found = problems(**changes)
    assert pointer in found, found
    assert message in found[pointer]


def test_what_all_optimizers_break_in_the_axis_is_told_once() -> None:
    found = problems(optimizers=["adamw", "lion"], axis={"parameter": "lr", "values": [-1, -2]})
    assert set(found) == {"/axis/values/0", "/axis/values/1"}
