"""Rounds on curves whose shape is known: what is added, in which order, and where it stops."""

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.adaptive.rounds import next_round
from sweeper.adaptive.steps import Added, Round, Settled
from sweeper.analysis.curves import Curve, stability_curves
from sweeper.analysis.stability import stability
from sweeper.spec import BracketSpec, RefinementSpec
from sweeper.trials import Origin
from tests.analysis.frames import NAN, Loss, points

GRID = (1e-3, 1e-2, 1e-1)
EXTEND = BracketSpec(budget=6)
REFINE = RefinementSpec(budget=20)


def any_positive(value: float) -> float | None:
    return value if value > 0 else None


def curve(
    losses: Sequence[tuple[float, Loss]], grid: Sequence[float] = GRID, axis_scale: str = "log"
) -> Curve:
    by_value = {value: [loss] for value, loss in losses}
    added = [value for value in by_value if value not in grid]
    return stability_curves(points(by_value, axis_scale=axis_scale, added=added))[0]


def valley(centre: float, diverges_at: float = math.inf) -> Callable[[float], float]:
    """A parabola over decades; at and above a value, divergence."""

    def loss(value: float) -> float:
        if value >= diverges_at:
            return NAN
        return 2.0 + 0.5 * math.log10(value / centre) ** 2

    return loss


def play(
    loss: Callable[[float], float],
    extend: BracketSpec | None = None,
    refine: RefinementSpec | None = None,
    legal: Callable[[float], float | None] = any_positive,
    grid: Sequence[float] = GRID,
    axis_scale: str = "log",
) -> tuple[list[Round], str, Curve]:
    """All rounds of a curve until they have come to their end."""
    values = list(grid)
    rounds: list[Round] = []
    for _ in range(60):
        now = curve([(value, loss(value)) for value in values], grid, axis_scale)
        count = {o: sum(len(r.values) for r in rounds if r.origin is o) for o in Origin}
        added = Added(extended=count[Origin.EXTEND], refined=count[Origin.REFINE])
        step = next_round(now, extend, refine, added, legal)
        assert step == next_round(now, extend, refine, added, legal)
        if isinstance(step, Settled):
            return rounds, step.reason, now
        assert not set(step.values) & set(values)
        rounds.append(step)
        values += step.values
    raise AssertionError("it never comes to its end")


def values(rounds: Sequence[Round]) -> list[tuple[float, ...]]:
    return [r.values for r in rounds]


def test_values_are_added_beyond_the_edge_until_the_best_is_bracketed() -> None:
    rounds, reason, _ = play(valley(1.1), EXTEND)
    assert values(rounds) == [(1.0,), (10.0,)]
    assert [r.reason for r in rounds] == [
        "the best value 0.1 is at the high edge",
        "the best value 1 is at the high edge",
    ]
    assert reason == "the best value 1 is bracketed by 0.1 and 10"


def test_the_low_side_is_bracketed_too() -> None:
    rounds, reason, _ = play(valley(2e-5), EXTEND)
    assert values(rounds) == [(1e-4,), (1e-5,), (1e-6,)]
    assert reason == "the best value 1e-05 is bracketed by 1e-06 and 0.0001"


def test_a_side_that_diverges_ends_the_search() -> None:
    rounds, reason, _ = play(valley(100.0, diverges_at=0.5), EXTEND)
    assert values(rounds) == [(1.0,)]
    assert reason == "the best value 0.1 is bracketed by 0.01 and 1, diverging at 1"


def test_the_range_of_the_parameter_ends_the_search() -> None:
    rounds, reason, _ = play(valley(100.0), EXTEND, legal=lambda v: v if v <= 1 else None)
    assert values(rounds) == [(1.0,)]
    assert reason == "the best value 1 is at the high edge, where the range of lr ends"


def test_the_budget_ends_the_search() -> None:
    rounds, reason, _ = play(valley(300.0), BracketSpec(budget=2))
    assert values(rounds) == [(1.0,), (10.0,)]
    assert reason == "the best value 10 is at the high edge, and the budget of bracketing is spent"


@pytest.mark.parametrize(
    "grid", [(1e-2, 3.16e-2), (1e-3, 3.16e-3, 1e-2, 3.16e-2), (3.16e-3, 1e-2, 3.16e-2)]
)
def test_half_decades_are_continued_as_the_study_writes_them(grid: tuple[float, ...]) -> None:
    rounds, _, _ = play(valley(0.8), EXTEND, grid=grid)
    assert values(rounds) == [(0.1,), (0.316,), (1.0,), (3.16,)]


def test_octaves_are_continued_as_octaves() -> None:
    rounds, _, _ = play(valley(60.0), EXTEND, grid=(1.0, 2.0, 4.0))
    assert values(rounds) == [(8.0,), (16.0,), (32.0,), (64.0,), (128.0,)]


def test_an_uneven_grid_is_continued_with_the_spacing_at_its_end() -> None:
    rounds, _, _ = play(valley(0.5), EXTEND, grid=(1e-3, 1e-1, 2e-1))
    assert values(rounds) == [(0.4,), (0.8,)]


def test_betas_are_continued_in_their_distance_from_one() -> None:
    def loss(value: float) -> float:
        return 2.0 + (math.log10(1 - value) + 4) ** 2

    rounds, reason, _ = play(
        loss, EXTEND, grid=(0.9, 0.99), axis_scale="one_minus_log", legal=lambda v: v
    )
    assert values(rounds) == [(0.999,), (0.9999,), (0.99999,)]
    assert reason == "the best value 0.9999 is bracketed by 0.999 and 0.99999"


@pytest.mark.parametrize("losses", [[(1e-3, NAN), (1e-2, NAN)], [(1e-3, 2.0), (1e-2, "failed")]])
def test_without_a_best_value_or_with_points_lost_nothing_is_added(
    losses: list[tuple[float, Loss]],
) -> None:
    step = next_round(curve(losses), EXTEND, REFINE, Added(), any_positive)
    assert isinstance(step, Settled)
    assert "no value has all its seeds finite" in step.reason or "`retry`" in step.reason


def test_whole_numbers_are_kept_whole() -> None:
    def whole(value: float) -> float | None:
        return float(round(value)) if value >= 1 else None

    rounds, _, _ = play(valley(3.0), None, REFINE, legal=whole, grid=(1.0, 2.0, 4.0, 8.0))
    added = [value for r in rounds for value in r.values]
    assert added
    assert all(value == int(value) for value in added)


def test_refinement_closes_in_on_optimum_basin_and_divergence() -> None:
    rounds, reason, now = play(valley(6e-3, diverges_at=0.04), None, REFINE)
    assert all(r.origin is Origin.REFINE for r in rounds)
    assert rounds[0].reason.startswith(
        "to see how the loss runs near the optimum, where the basin ends b"
    )
    assert reason.startswith("the curve is known around the best value")
    assert reason.endswith("and the edges that lie within it to 0.1 decades")
    numbers = stability(now)
    assert numbers.best_value is not None
    assert numbers.basin_low is not None
    assert numbers.basin_high is not None
    # The parabola leaves the basin at a third of a decade: 0.5 x^2 = 0.05.
    half_width = math.sqrt(0.1)
    assert abs(math.log10(numbers.best_value / 6e-3)) < math.log10(2) / 2
    assert abs(math.log10(numbers.basin_low / 6e-3) + half_width) < 0.1
    assert abs(math.log10(numbers.basin_high / 6e-3) - half_width) < 0.1
    stable = max(v for v, d in zip(now.values, now.diverged, strict=True) if not d)
    assert 0.04 / 10**0.1 < stable < 0.04


def test_refinement_never_changes_the_sensitivity() -> None:
    loss = valley(6e-3, diverges_at=0.04)
    before = stability(curve([(value, loss(value)) for value in GRID]))
    rounds, _, now = play(loss, None, REFINE)
    after = stability(now)
    assert rounds
    assert (after.sensitivity, after.sensitivity_values) == (before.sensitivity, 3)


def test_the_budget_of_refinement_takes_the_optimum_first() -> None:
    rounds, reason, _ = play(valley(1e-2), None, RefinementSpec(budget=2))
    assert values(rounds) == [(0.00707, 0.0141)]
    assert reason == (
        "the budget of refinement is spent; still open: where the basin ends below "
        "and where the basin ends above"
    )


def test_bracketing_comes_before_refinement() -> None:
    rounds, reason, _ = play(valley(0.5), EXTEND, REFINE)
    origins = [r.origin for r in rounds]
    assert origins == sorted(origins)
    assert {*origins} == {Origin.EXTEND, Origin.REFINE}
    assert "is bracketed by" in reason
    assert "the curve is known" in reason


def test_a_linear_axis_is_refined_in_its_own_unit() -> None:
    def loss(value: float) -> float:
        return 2.0 + 4 * (value - 0.31) ** 2

    refine = RefinementSpec(budget=20, tolerance=0.02)
    _, reason, now = play(
        loss, None, refine, grid=(0.1, 0.3, 0.5), axis_scale="linear", legal=lambda v: v
    )
    assert reason.endswith("to 0.02 lr")
    numbers = stability(now)
    assert numbers.basin_high is not None
    assert abs(numbers.basin_high - (0.31 + math.sqrt(0.05 / 4))) < 0.02


@given(st.floats(1e-7, 1e3), st.floats(1e-6, 1e4), st.integers(1, 12), st.integers(1, 30))
def test_rounds_keep_to_their_budgets_and_come_to_their_end(
    centre: float, diverges_at: float, extend: int, refine: int
) -> None:
    rounds, reason, now = play(
        valley(centre, diverges_at), BracketSpec(budget=extend), RefinementSpec(budget=refine)
    )
    added = {origin: [r for r in rounds if r.origin is origin] for origin in Origin}
    assert sum(len(r.values) for r in added[Origin.EXTEND]) <= extend
    assert sum(len(r.values) for r in added[Origin.REFINE]) <= refine
    assert reason
    assert len(now.values) == 3 + sum(len(r.values) for r in rounds)


def test_a_curve_that_the_parameter_does_not_move_gets_nothing() -> None:
    frame = points({1e-3: [2.0], 1e-2: [2.0]}).assign(trial_id="the same")
    step = next_round(stability_curves(frame)[0], EXTEND, REFINE, Added(), any_positive)
    assert step == Settled("lr has no effect on this curve")


def test_values_end_where_numbers_do() -> None:
    rounds, reason, _ = play(lambda value: 5 - math.log10(value) / 400, EXTEND, grid=(1e298, 1e299))
    assert values(rounds) == [(1e300,)]
    assert reason.endswith("where the range of lr ends")
