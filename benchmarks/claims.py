"""Claims of the study and of later papers, put to the test at `nano` through the service.

Runs the sweeps of `claims.yaml` and prints what each variant reached, a verdict per claim with its
numbers, and JSON on the last line. Every run has the same number of steps (`--steps`), but for
SOAP's shorter ones. The rules are those of `verdicts.py`.
"""

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from benchmarks.verdicts import CLAIMS, Losses, Scene, Verdict, best_value, pooled_sigma
from benchmarks.warm_service import finish, service
from sweeper.service import Service
from sweeper.storage.store import Store


def request(preset: Mapping[str, Any], steps: int, seeds: int) -> dict[str, Any]:
    """The preset with the length and the seeds; shares of the steps become steps."""
    axis, base = dict(preset["axis"]), {"steps": steps}
    if axis["parameter"] == "steps":
        axis["values"], base = [round(share * steps) for share in axis["values"]], {}
    return {**preset, "axis": axis, "base": base, "scales": ["nano"], "seeds": [*range(seeds)]}


def at_best(preset: Mapping[str, Any], rates: Mapping[str, float]) -> dict[str, Any]:
    """The preset with every variant at its best learning rate."""
    variants = [{**variant, "lr": rates[variant["label"]]} for variant in preset["optimizers"]]
    return {**preset, "optimizers": variants}


def measure(store: Store, home: Path, body: Mapping[str, Any]) -> Losses:
    """Runs a sweep to its end; raises RuntimeError if a trial failed."""
    served = Service(store, home / "datasets")
    sweep_id = served.submit(body).sweep_id
    finish(store, sweep_id)
    found: dict[str, dict[float, list[float]]] = {}
    for curve in served.curves(sweep_id).curves:
        for value, seeds in zip(curve.values, curve.losses, strict=True):
            losses = [seed.counted_loss for seed in seeds if seed.counted_loss is not None]
            if len(losses) < len(seeds):
                raise RuntimeError(f"{curve.label} at {curve.parameter}={value:g} has no loss")
            found.setdefault(curve.label, {})[value] = losses
    return found


def table(losses: Losses, sigma: float) -> None:
    """What every variant reached, and at which learning rate."""
    print(f"{'variant':>22}  {'best lr':>8}  {'loss':>7}  {'sd':>6}   (sigma {sigma:.4f})")
    for label, points in losses.items():
        lr = best_value(points)
        spread = statistics.stdev(points[lr]) if len(points[lr]) > 1 else math.nan
        edge = "  at the edge of its grid" if lr in (min(points), max(points)) else ""
        mean = statistics.fmean(points[lr])
        print(f"{label:>22}  {lr:8.3g}  {mean:7.4f}  {spread:6.4f}{edge}")


def show(found: Verdict) -> None:
    """A claim, what became of it, and its numbers in nats (or as ratios)."""
    print(f"\n{found.claim}: {found.verdict}")
    for name, number in found.numbers.items():
        print(f"{name:>48}  {number:+.4f}")


def main() -> None:
    """Measure, judge and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cpus", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    presets = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
    bodies = {name: request(preset, asked.steps, asked.seeds) for name, preset in presets.items()}
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, service(Path(folder), asked.cpus) as store:
        sweeps = {"learning_rate": measure(store, Path(folder), bodies.pop("learning_rate"))}
        rates = {label: best_value(points) for label, points in sweeps["learning_rate"].items()}
        for name, body in bodies.items():
            sweeps[name] = measure(store, Path(folder), at_best(body, rates))
    scene = Scene(sweeps, pooled_sigma(sweeps["learning_rate"]))
    verdicts = [claim(scene) for claim in CLAIMS]
    wall_s = time.monotonic() - started
    print(f"{asked.steps} steps, {asked.seeds} seeds, {asked.cpus} cores, {wall_s:.0f} s\n")
    table(sweeps["learning_rate"], scene.sigma)
    for found in verdicts:
        show(found)
    everything = {
        **vars(asked),
        "wall_s": wall_s,
        "sigma": None if math.isnan(scene.sigma) else scene.sigma,
        "losses": scene.sweeps,
        "verdicts": [asdict(found) for found in verdicts],
    }
    print(json.dumps(everything))


if __name__ == "__main__":
    main()
