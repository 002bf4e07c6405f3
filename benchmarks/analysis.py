"""How long the analysis of 10,000 trials takes on one core, and how often its intervals are right.

The time is that of everything in a comparison: from the frame of points to curves, numbers with
intervals from 2,000 resamples each, verdicts on all pairs, equal compute, transfer over three
scales. Coverage is counted on simulated curves whose truth is known, at a nominal 95 %, and false
differences on pairs of equal variants, at a nominal 5 %. Prints all, and JSON on the last line.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sweeper.analysis import windows
from sweeper.analysis.budgets import Run
from sweeper.analysis.compare import Comparison, comparison
from sweeper.analysis.curves import Curve, stability_curves
from sweeper.analysis.estimates import Estimate, Estimates
from sweeper.analysis.estimating import estimates
from sweeper.analysis.pairs import Entrant, compared_pairs
from sweeper.analysis.stability import stability
from sweeper.analysis.verdict import LEVEL, MARGIN

SCALES = {"small": 10**6, "middle": 10**7, "large": 10**8}
LABELS, SEEDS = 10, 10
BEST_PLACE = -2.13
"""Where simulated curves are lowest, between two values of the grid; log10."""
GRID = np.linspace(-4, 0, 9)

NOISES: Mapping[str, tuple[float, float, bool]] = {
    "independent": (0.0, 1.0, False),
    "seeds have effects": (1.0, 1.0, False),
    "nearly all is the seed": (1.0, 0.2, False),
    "more noise off the best": (0.0, 1.0, True),
    "both": (1.0, 1.0, True),
}
"""Deviation of what a seed does to all values, of the rest, and whether both grow outwards."""


def frame(
    losses: np.ndarray, places: np.ndarray, variant: int, label: str, scale: str
) -> pd.DataFrame:
    """Points of one variant as the store gives them, from final losses (V, S)."""
    values, seeds = losses.shape
    return pd.DataFrame(
        {
            "variant": variant,
            "label": label,
            "optimizer": label,
            "scale": scale,
            "architecture": "standard",
            "parameter": "lr",
            "axis_scale": "log",
            "value": np.repeat(10.0**places, seeds),
            "seed": np.tile(np.arange(seeds), values),
            "origin": "grid",
            "trial_id": [f"{variant}-{i}" for i in range(losses.size)],
            "state": "done",
            "outcome": "finite",
            "final_loss": losses.ravel(),
            "initial_loss": 10.4,
            "diverged_at_step": pd.NA,
        }
    )


def large_frame() -> pd.DataFrame:
    """10,000 points: 30 curves of 33 or 34 values by 10 seeds."""
    random = np.random.default_rng(0)
    frames = []
    for variant in range(LABELS * len(SCALES)):
        scale = list(SCALES)[variant // LABELS]
        places = np.linspace(-4, 0, 34 if variant < LABELS else 33)
        bowl = 3 + 0.3 * (places + 2 + 0.02 * variant) ** 2
        losses = bowl[:, None] + 0.01 * random.normal(size=(len(places), SEEDS))
        frames.append(frame(losses, places, variant, f"optimizer {variant % LABELS}", scale))
    return pd.concat(frames, ignore_index=True)


def analysed(points: pd.DataFrame) -> Comparison:
    """Everything that can be said of the points."""
    entrants = []
    for curve in stability_curves(points):
        numbers = stability(curve)
        run = Run(
            steps=1000,
            parameters=SCALES[curve.scale],
            tokens=1e6,
            flops=1e12,
            losses={10 ** (i + 1): 5.0 - i for i in range(3)},
        )
        entrants.append(
            Entrant(
                sweep_id="one",
                name=f"{curve.label}, {curve.scale}",
                curve=curve,
                stability=numbers,
                runs=(run,) * SEEDS,
            )
        )
    return comparison(entrants, window=(1e-3, 1e-1), larger={10**8: ("next", 10**9)})


def seconds(repetitions: int) -> list[float]:
    """Processor seconds of the whole analysis, each time from the frame on."""
    points = large_frame()
    assert len(points) == 10_000, len(points)
    found = []
    for _ in range(repetitions):
        start = time.process_time()
        result = analysed(points)
        found.append(time.process_time() - start)
        assert len(result.variants) == LABELS * len(SCALES)
    return found


def truth() -> np.ndarray:
    """The mean of every value of a simulated curve."""
    return np.asarray(3 + 0.08 * (GRID - BEST_PLACE) ** 2)


def simulated(noise: tuple[float, float, bool], seeds: int, number: int, variant: int = 0) -> Curve:
    """A curve drawn around the truth; variants of one number have the effects of their seeds."""
    effect, rest, outward = noise
    random = np.random.default_rng([number, seeds])
    own = np.random.default_rng([number, seeds, variant]) if variant else random
    size = 0.01 * (1 + (np.abs(GRID - BEST_PLACE) if outward else 0 * GRID))[:, None]
    drawn = effect * random.normal(size=(1, seeds)) + rest * own.normal(size=(len(GRID), seeds))
    (curve,) = stability_curves(frame(truth()[:, None] + size * drawn, GRID, 0, "a", "s"))
    return curve


def numbers_of(curve: Curve, resamples: int) -> tuple[Estimates, dict[str, Estimate]]:
    """The estimates of a curve, and those whose coverage is counted."""
    found = estimates(
        curve, stability(curve), half_width=windows.half_width([curve]), resamples=resamples
    )
    counted = {
        "optimum's place": found.optimum_value,
        "optimum's loss": found.optimum_loss,
        "sensitivity": found.sensitivity.loss,
        "basin's width": next(b.width for b in found.basins if b.tolerance == 0.05),
        "curvature": found.curvature,
    }
    return found, counted


def coverage(noise: str, seeds: int, curves: int, resamples: int) -> dict[str, float]:
    """Shares of intervals that hold the truth."""
    (exact,) = stability_curves(frame(truth()[:, None], GRID, 0, "a", "s"))
    _, true = numbers_of(exact, 1)
    hits = dict.fromkeys(["mean of a value", *true], 0.0)
    asked = dict.fromkeys(hits, 0)
    for number in range(curves):
        curve = simulated(NOISES[noise], seeds, number)
        ends = zip(curve.loss_low, truth(), curve.loss_high, strict=True)
        inside = [low <= mean <= high for low, mean, high in ends if low is not None and high]
        hits["mean of a value"] += sum(inside)
        asked["mean of a value"] += len(inside)
        for name, estimate in numbers_of(curve, resamples)[1].items():
            value = true[name].value
            assert value is not None
            if estimate.low is not None and estimate.high is not None:
                hits[name] += estimate.low <= value <= estimate.high
                asked[name] += 1
    return {name: hits[name] / asked[name] if asked[name] else math.nan for name in hits}


def false_differences(noise: str, seeds: int, pairs: int) -> dict[str, float]:
    """Shares of pairs of equal variants whose difference is tested as one, by criterion."""
    found = {"at the optimum": 0, "over the window": 0}
    for number in range(pairs):
        curves = [simulated(NOISES[noise], seeds, number, variant) for variant in range(2)]
        entrants = [
            Entrant(sweep_id="one", name=name, curve=curve, stability=stability(curve))
            for name, curve in zip("ab", curves, strict=True)
        ]
        (pair,) = compared_pairs({"s": entrants}, windows.half_width(curves), MARGIN)
        for name, criterion in zip(found, (pair.at_optimum, pair.over_window), strict=True):
            p_value = criterion.test.p_value
            found[name] += p_value is not None and p_value < LEVEL
    return {name: count / pairs for name, count in found.items()}


def main() -> None:
    """Measure, print, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--curves", type=int, default=300, help="simulated ones per row")
    parser.add_argument("--resamples", type=int, default=1000, help="of each simulated curve")
    parser.add_argument("--pairs", type=int, default=1000, help="simulated ones per row")
    options = parser.parse_args()
    found = seconds(options.repetitions)
    print(
        f"10,000 trials, 30 curves, 2,000 resamples: median {statistics.median(found):.2f} s "
        f"of one core ({min(found):.2f} to {max(found):.2f})"
    )
    rows, false = {}, {}
    for seeds in (2, 3, 5, 10):
        for noise in NOISES:
            row = coverage(noise, seeds, options.curves, options.resamples)
            rows[f"{seeds} seeds, {noise}"] = row
            shares = ", ".join(f"{name} {share:.3f}" for name, share in row.items())
            print(f"{seeds} seeds, {noise}: {shares}", flush=True)
            false[f"{seeds} seeds, {noise}"] = wrong = false_differences(
                noise, seeds, options.pairs
            )
            told = ", ".join(f"{name} {share:.3f}" for name, share in wrong.items())
            print(f"{seeds} seeds, {noise}: false differences {told}", flush=True)
    print(json.dumps({"seconds": found, "coverage": rows, "false": false}))


if __name__ == "__main__":
    main()
