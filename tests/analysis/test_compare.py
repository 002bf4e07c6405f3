import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from sweeper.analysis.budgets import Run
from sweeper.analysis.compare import Comparison, comparison
from sweeper.analysis.curves import stability_curves
from sweeper.analysis.pairs import Entrant
from sweeper.analysis.stability import stability
from sweeper.analysis.verdict import Judgement
from tests.analysis.frames import NAN, Loss, points

GRID = [1e-4, 1e-3, 1e-2, 1e-1]


def losses(bottom: float, depth: float = 3.0, seeds: int = 4, seed: int = 0) -> Any:
    """A parabola in decades; seeds of the same number share their effect."""
    effects = 0.05 * np.random.default_rng(7).normal(size=seeds)
    noise = 0.002 * np.random.default_rng(seed).normal(size=(len(GRID), seeds))
    found: dict[float, list[Loss]] = {
        value: [
            depth + 0.1 * (math.log10(value) - bottom) ** 2 + float(effects[s] + noise[i, s])
            for s in range(seeds)
        ]
        for i, value in enumerate(GRID)
    }
    return found


def run(steps: int = 100, final: float = 3.0, **more: Any) -> Run:
    curve = {1: final + 2, 10: final + 1, steps: final}
    known: dict[str, Any] = {"parameters": 10**6, "tokens": 1e4 * steps, "flops": 1e6}
    return Run(steps=steps, losses=curve, **(known | more))


def entrant(label: str, values: Any, *runs: Run, name: str = "", **frame: Any) -> Entrant:
    (curve,) = stability_curves(points(values, label=label, **frame))
    return Entrant(
        sweep_id="s", name=name or label, curve=curve, stability=stability(curve), runs=runs
    )


def compared(*entrants: Entrant, **options: Any) -> Comparison:
    return comparison(entrants, **options)


def words(found: Comparison) -> dict[tuple[str, str], tuple[Judgement, Judgement]]:
    return {
        (p.first, p.second): (p.at_optimum.verdict.judgement, p.over_window.verdict.judgement)
        for p in found.pairs
    }


def test_verdicts_at_the_optimum_and_over_the_window() -> None:
    narrow = {v: [x + 0.3 * abs(math.log10(v) + 2) for x in s] for v, s in losses(-2).items()}
    found = compared(
        entrant("a", losses(-2)), entrant("b", losses(-2, 3.2, seed=1)), entrant("c", narrow)
    )
    better, equal = Judgement.BETTER, Judgement.EQUIVALENT
    assert words(found)["a", "b"] == (better, better)
    assert words(found)["a", "c"] == (equal, better)
    assert words(found)["b", "c"][0] is Judgement.WORSE
    assert found.half_width == pytest.approx(1.0)
    at_optimum = found.pairs[0].at_optimum.test
    assert at_optimum.seeds == 4
    assert at_optimum.difference == pytest.approx(-0.2, abs=0.01)


def test_every_curve_has_its_own_window() -> None:
    found = compared(entrant("a", losses(-2)), entrant("b", losses(-3)))
    windows = [v.estimates.sensitivity_centred for v in found.variants]
    assert [(w.low, w.high) for w in windows] == [(1e-3, 1e-1), (1e-4, 1e-2)]
    assert windows[0].loss.value == pytest.approx(windows[1].loss.value, abs=0.01)
    assert words(found)["a", "b"] == (Judgement.EQUIVALENT, Judgement.EQUIVALENT)


def test_variants_of_different_scales_are_no_pair() -> None:
    found = compared(
        entrant("a", losses(-2), scale="nano", name="a nano"),
        entrant("b", losses(-2), scale="nano", name="b nano"),
        entrant("a", losses(-2), scale="micro", name="a micro"),
    )
    assert [(p.first, p.second, p.scale) for p in found.pairs] == [("a nano", "b nano", "nano")]
    assert found.baselines == {"nano": "a nano", "micro": "a micro"}


def test_one_seed_gives_numbers_and_no_verdict() -> None:
    found = compared(entrant("a", losses(-2, seeds=1)), entrant("b", losses(-2, 3.5, seeds=1)))
    (pair,) = found.pairs
    assert pair.at_optimum.verdict.judgement is Judgement.UNDECIDED
    assert "two seeds in common" in pair.at_optimum.verdict.sentence
    assert found.variants[0].estimates.sensitivity.loss.value is not None


def test_seeds_that_only_one_has_do_not_count() -> None:
    found = compared(entrant("a", losses(-2, seeds=4)), entrant("b", losses(-2, 3.2, seeds=3)))
    assert found.pairs[0].at_optimum.test.seeds == 3


def test_a_diverged_seed_that_is_held_out_counts_as_the_initial_loss() -> None:
    risky = losses(-2, 2.9) | {1e-2: [2.9, 2.9, 2.9, NAN]}
    found = compared(entrant("a", risky), entrant("b", losses(-2)))
    # Without the last seed 1e-2 is the best value, and that seed diverges there.
    assert found.variants[0].estimates.heldout_loss.value > 4  # type: ignore[operator]


def test_without_a_common_window_there_is_no_verdict_over_it() -> None:
    edge = entrant("a", {1e-3: [3.0, 3.0], 1e-2: [3.1, 3.1]})
    found = compared(edge, dataclasses.replace(edge, name="b"))
    assert found.half_width is None
    assert found.pairs[0].over_window.test.seeds == 0


def test_what_runs_cost_and_how_soon_they_arrive() -> None:
    found = compared(
        entrant("adamw", losses(-2), run(final=2.9), run(final=2.92)),
        entrant("soap", losses(-2, 2.9), run(final=2.5, flops=2e6, optimizer_flops=1e6)),
    )
    baseline = found.variants[0]
    best = baseline.stability.best_loss
    assert best is not None
    assert found.targets == {"nano": pytest.approx(best + 0.01)}
    soap = found.variants[1].spent
    assert soap.optimizer_share == 0.5
    assert soap.speed_up["steps"] == pytest.approx(2 * soap.speed_up["flops"])
    assert baseline.token_speed_up is None
    assert "three lengths" in str(baseline.token_speed_up_reason)
    assert set(found.profiles) == {"adamw", "soap"}
    assert found.profiles["soap"].score == 1.0


def test_a_target_that_the_first_evaluation_is_below() -> None:
    early = Run(steps=100, losses={0: 10.4, 10: 2.9, 100: 2.8})
    late = Run(steps=100, losses={0: 10.4, 10: 5.0, 100: 2.8})
    found = compared(entrant("a", losses(-2), early), entrant("b", losses(-2), late))
    assert found.variants[0].spent.to_target["steps"] == pytest.approx(10)
    assert found.profiles["a"].score == 1.0
    assert found.profiles["b"].score == 0.0


def test_speed_up_in_tokens_against_a_baseline_of_three_lengths() -> None:
    def at_length(length: int) -> Entrant:
        depth = 3 + 0.5 * length**-0.5
        name = f"adamw {length}"
        values = losses(-2, depth)
        return entrant("adamw", values, run(tokens=float(length)), name=name)

    faster = entrant("soap", losses(-2, 3.25), run(tokens=2.0), name="soap")
    worse = entrant("lion", losses(-2, 2.0), run(tokens=2.0), name="lion")
    found = compared(
        at_length(1), at_length(2), at_length(4), faster, worse, entrant("x", losses(-2))
    )
    gains = {v.name: v for v in found.variants}
    assert gains["soap"].token_speed_up == pytest.approx(2.0, rel=0.1)
    assert gains["adamw 2"].token_speed_up == pytest.approx(1.0, rel=0.1)
    assert gains["lion"].token_speed_up is None
    assert "never reaches" in str(gains["lion"].token_speed_up_reason)
    assert "no best loss" in str(gains["x"].token_speed_up_reason)
    rising = [entrant("a", losses(-2, 3.0 + i), run(tokens=1.0 + i), name=str(i)) for i in range(3)]
    assert "do not fall" in str(compared(*rising).variants[0].token_speed_up_reason)


def test_transfer_over_scales() -> None:
    sizes = {"s": 10**6, "m": 10**7, "l": 10**8}
    entrants = [
        entrant("a", losses(-2 - i / 5), run(parameters=size), name=f"a {scale}", scale=scale)
        for i, (scale, size) in enumerate(sizes.items())
    ]
    found = compared(*entrants, larger={10**8: ("xl", 10**9)})
    (transferred,) = found.transfers
    assert transferred.exponent.value == pytest.approx(-0.2, abs=0.03)
    assert transferred.prediction is not None
    assert transferred.prediction.scale == "xl"
    assert set(found.profiles) == {"a"}


def test_a_comparison_is_plain_json() -> None:
    found = compared(entrant("a", losses(-2), run()), entrant("b", {1e-3: [None, NAN]}))
    json.dumps(dataclasses.asdict(found), allow_nan=False)
    assert found.preliminary
    assert not found.variants[1].spent.speed_up


@pytest.mark.parametrize("margin", [0.0, -1.0, NAN])
def test_a_margin_is_positive(margin: float) -> None:
    with pytest.raises(ValueError, match="margin > 0 must hold"):
        compared(entrant("a", losses(-2)), margin=margin)


def test_the_order_of_the_variants_turns_verdicts_around_and_changes_no_number() -> None:
    pair: Sequence[Entrant] = (entrant("a", losses(-2)), entrant("b", losses(-2, 3.2, seed=1)))
    one, other = compared(*pair), compared(*pair[::-1])
    assert one.variants[0].estimates == other.variants[1].estimates
    assert one.pairs[0].at_optimum.test.p_value == other.pairs[0].at_optimum.test.p_value
    assert words(other)["b", "a"][0] is Judgement.WORSE
