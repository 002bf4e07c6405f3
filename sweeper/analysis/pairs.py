"""Verdicts on every pair of variants of one scale."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweeper.analysis import windows
from sweeper.analysis.budgets import Run
from sweeper.analysis.curves import Curve
from sweeper.analysis.heldout import held_out
from sweeper.analysis.stability import Stability
from sweeper.analysis.verdict import PairedTest, Verdict, paired_test, verdicts


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A curve that takes part, with the runs at its best value, one per finished seed."""

    sweep_id: str
    name: str
    """Its label, and whatever else tells it from the others; no two are equal."""
    curve: Curve
    stability: Stability
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """The test and the verdict on one pair, at the optimum or over the window."""

    test: PairedTest
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class ComparedPair:
    """Two variants of one scale; the first one is judged against the second one."""

    first: str
    second: str
    scale: str
    at_optimum: Criterion
    over_window: Criterion


def compared_pairs(
    groups: Mapping[str, Sequence[Entrant]], width: float | None, margin: float
) -> tuple[ComparedPair, ...]:
    """Every pair within a scale; the pairs of all scales are one family for Holm's correction."""
    pairs = [pair for group in groups.values() for pair in itertools.combinations(group, 2)]
    everyone = list(itertools.chain.from_iterable(groups.values()))
    at_optimum = _criteria(pairs, {e.name: _seed_losses(e.curve) for e in everyone}, margin)
    windowed = {e.name: _window_losses(e.curve, width) for e in everyone}
    over_window = _criteria(pairs, windowed, margin)
    return tuple(
        ComparedPair(
            first=first.name,
            second=second.name,
            scale=first.curve.scale,
            at_optimum=one,
            over_window=other,
        )
        for (first, second), one, other in zip(pairs, at_optimum, over_window, strict=True)
    )


def _criteria(
    pairs: Sequence[tuple[Entrant, Entrant]],
    losses: Mapping[str, Mapping[int, float]],
    margin: float,
) -> list[Criterion]:
    tests = []
    for first, second in pairs:
        one, other = losses[first.name], losses[second.name]
        common = sorted(one.keys() & other.keys())
        tests.append(
            paired_test(
                np.array([one[seed] for seed in common]),
                np.array([other[seed] for seed in common]),
                margin,
            )
        )
    judged = verdicts(tests, margin)
    return [Criterion(test=t, verdict=v) for t, v in zip(tests, judged, strict=True)]


def _seed_losses(curve: Curve) -> dict[int, float]:
    """By seed, the loss at the value that is best on the other seeds."""
    found = held_out(curve.table, curve.common_seeds)
    return {} if found is None else _by_seed(curve, found.losses)


def _window_losses(curve: Curve, width: float | None) -> dict[int, float]:
    """By seed, its mean over the window around the declared value that is best on the others."""
    grid = np.where(windows.declared(curve)[:, None], curve.table, np.nan)
    found = held_out(grid, curve.common_seeds)
    if width is None or found is None:
        return {}
    inside = [windows.centred(curve, int(i), width) for i in found.chosen]
    # A best value without a place on the axis, as 0 on a log one, has an empty window.
    return _by_seed(
        curve,
        [grid[own, s].mean() if own.any() else math.nan for s, own in enumerate(inside)],
    )


def _by_seed(curve: Curve, losses: Iterable[float]) -> dict[int, float]:
    known = zip(curve.seed_numbers, losses, strict=True)
    return {seed: float(loss) for seed, loss in known if np.isfinite(loss)}
