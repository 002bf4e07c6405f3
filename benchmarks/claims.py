"""Claims of the study and of later papers, put to the test at `nano` through the service.

Runs the sweeps of `claims.yaml` and prints what each variant reached, a verdict per claim with its
numbers, and JSON on the last line. Every run has the same number of steps (`--steps`), but for
SOAP's shorter ones.

The rules were fixed before looking. A loss is final held-out cross-entropy at the best learning
rate of the grid, averaged over seeds; a diverged seed counts as its initial loss. Two losses differ
if they are further apart than 3.08 sigma sqrt(1/n + 1/n), with sigma pooled over the seeds of all
variants at their best. The gap is that between SGD and AdamW. A variant keeps up with another one
if it is not worse by more than a tenth of the gap, and does not if it is and they differ; anything
else cannot be told from noise.
"""

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from sweep import finish, service

from sweeper.service import Service
from sweeper.storage.store import Store
from trainers.model import param_specs
from trainers.optimizers import entry, hyperparameters, options
from trainers.scales import SCALES

SIGMAS = 3.08
"""Mean differences beyond it have a one-sided p of about 0.001, if sigma is known."""
SHARE = 0.1
"""Of the gap between SGD and AdamW, what counts as little."""
STUDY_VOCABULARY = 32_128

REPRODUCED = "reproduced"
NOT_REPRODUCED = "does not reproduce at this scale"
UNDECIDED = "not distinguishable"

Losses = Mapping[str, Mapping[float, Sequence[float]]]
"""Of each seed, by the variant's label and the value of the axis."""


@dataclass(frozen=True)
class Verdict:
    """What became of a claim, with the numbers it rests on."""

    claim: str
    verdict: str
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class Scene:
    """What all verdicts are about: losses by sweep, their noise, and AdamW's lead over SGD."""

    sweeps: Mapping[str, Losses]
    sigma: float

    def best(self, label: str) -> Sequence[float]:
        """The losses at the variant's best learning rate."""
        losses = self.sweeps["learning_rate"][label]
        return losses[best_value(losses)]

    @property
    def sgd(self) -> Sequence[float]:
        """The losses of the better of both momenta."""
        return min(self.best("sgd 0.9"), self.best("sgd 0.98"), key=statistics.fmean)

    @property
    def gap(self) -> float:
        """SGD's loss beyond AdamW's."""
        return excess(self.sgd, self.best("adamw"))

    def differ(self, a: Sequence[float], b: Sequence[float]) -> bool:
        """Whether more than noise separates them; with one seed nothing does."""
        limit = SIGMAS * self.sigma * math.sqrt(1 / len(a) + 1 / len(b))
        return abs(excess(a, b)) > limit

    def worse(self, a: Sequence[float], b: Sequence[float]) -> str:
        """The verdict on `a` being worse than `b`."""
        return verdict(excess(a, b) > 0) if self.differ(a, b) else UNDECIDED

    def keeps_up(self, a: Sequence[float], b: Sequence[float]) -> str:
        """The verdict on `a` being worse than `b` by little at most."""
        if not self.differ(self.sgd, self.best("adamw")):
            return UNDECIDED
        if excess(a, b) <= SHARE * self.gap:
            return verdict(True)
        return verdict(False) if self.differ(a, b) else UNDECIDED


def excess(a: Sequence[float], b: Sequence[float]) -> float:
    """How much higher the mean of `a` is."""
    return statistics.fmean(a) - statistics.fmean(b)


def best_value(losses: Mapping[float, Sequence[float]]) -> float:
    """The value with the least mean loss."""
    return min(losses, key=lambda value: statistics.fmean(losses[value]))


def pooled_sigma(losses: Losses) -> float:
    """Standard deviation over seeds at the best values; NaN if there is one seed."""
    samples = [points[best_value(points)] for points in losses.values()]
    variances = [statistics.variance(sample) for sample in samples if len(sample) > 1]
    return math.sqrt(statistics.fmean(variances)) if variances else math.nan


def verdict(holds: bool) -> str:
    """On a claim that can be told from noise."""
    return REPRODUCED if holds else NOT_REPRODUCED


def opposite(found: str) -> str:
    """The verdict on the contrary."""
    return {REPRODUCED: NOT_REPRODUCED, NOT_REPRODUCED: REPRODUCED}.get(found, found)


def all_of(verdicts: Sequence[str]) -> str:
    """The verdict on several claims at once: the worst of them."""
    return min(verdicts, key=[NOT_REPRODUCED, UNDECIDED, REPRODUCED].index)


def sgd_is_worse(scene: Scene) -> Verdict:
    """Than each of four."""
    others = ["adamw", "adafactor", "lion", "signum"]
    found = all_of([scene.worse(scene.sgd, scene.best(name)) for name in others])
    numbers = {f"sgd - {name}": excess(scene.sgd, scene.best(name)) for name in others}
    return Verdict("SGD is worse than Adam, Adafactor, Lion and Signum", found, numbers)


def others_are_comparable(scene: Scene) -> Verdict:
    """Three keep up with AdamW."""
    adam, others = scene.best("adamw"), ["adafactor", "lion", "signum"]
    found = all_of([scene.keeps_up(scene.best(name), adam) for name in others])
    numbers = {f"{name} - adamw": excess(scene.best(name), adam) for name in others}
    claim = "Adam, Adafactor, Lion and Signum are comparable at their optima"
    return Verdict(claim, found, numbers | {"gap": scene.gap})


def signs_need_momentum(scene: Scene) -> Verdict:
    """Without momentum both are worse than with 0.9, and lose more by it than AdamW."""
    losses = scene.sweeps["momentum"]
    rises = {name: excess(losses[name][0.0], losses[name][0.9]) for name in losses}
    signs = ["lion", "signum"]
    found = all_of([scene.worse(losses[name][0.0], losses[name][0.9]) for name in signs])
    more = all(rises[name] > rises["adamw"] for name in signs)
    numbers = {f"{name}, momentum 0 - 0.9": rise for name, rise in rises.items()}
    claim = "Lion and Signum are worse at low momentum, by more than Adam"
    return Verdict(claim, found if more else NOT_REPRODUCED, numbers)


def last_layer_is_not_enough(scene: Scene) -> Verdict:
    """It does not keep up with AdamW."""
    found, adam = scene.best("last layer"), scene.best("adamw")
    numbers = {"last layer - adamw": excess(found, adam), "gap": scene.gap}
    claim = "Adalayer on the last layer alone is not enough"
    return Verdict(claim, opposite(scene.keeps_up(found, adam)), numbers)


def norms_are_enough(scene: Scene) -> Verdict:
    """With them it keeps up with AdamW."""
    found, adam = scene.best("last layer and norms"), scene.best("adamw")
    numbers = {
        "last layer and norms - adamw": excess(found, adam),
        "last layer and norms - last layer": excess(found, scene.best("last layer")),
        "gap": scene.gap,
    }
    claim = "Adalayer on last layer and norms is enough"
    return Verdict(claim, scene.keeps_up(found, adam), numbers)


def signum_is_adam_with_equal_betas(scene: Scene) -> Verdict:
    """Each keeps up with the other."""
    signum, tied = scene.best("signum"), scene.best("adamw tied")
    found = all_of([scene.keeps_up(signum, tied), scene.keeps_up(tied, signum)])
    numbers = {
        "signum - adamw tied": excess(signum, tied),
        "signum - adamw": excess(signum, scene.best("adamw")),
        "gap": scene.gap,
    }
    return Verdict("Signum is close to Adam with beta1 = beta2", found, numbers)


def soap_needs_fewer_steps(scene: Scene) -> Verdict:
    """A shorter run of its own schedule, of 80 % of the steps at most, ends no worse."""
    losses = scene.sweeps["length"]
    whole = max(losses["adamw"])
    adam = losses["adamw"][whole]
    shorter = [loss for steps, loss in losses["soap"].items() if steps < whole]
    best = min(shorter, key=statistics.fmean)
    numbers = {
        f"soap, {steps:g} steps - adamw, {whole:g}": excess(loss, adam)
        for steps, loss in losses["soap"].items()
    }
    found = REPRODUCED if excess(best, adam) <= 0 else opposite(scene.worse(best, adam))
    return Verdict("SOAP reaches AdamW's loss in fewer steps", found, numbers)


def soap_is_robust_to_its_frequency(scene: Scene) -> Verdict:
    """Every frequency keeps up with the best one."""
    losses = scene.sweeps["frequency"]["soap"]
    best = losses[best_value(losses)]
    found = all_of([scene.keeps_up(loss, best) for loss in losses.values()])
    numbers = {f"every {value:g} - best": excess(loss, best) for value, loss in losses.items()}
    claim = "SOAP is robust to the frequency of its preconditioner"
    return Verdict(claim, found, numbers | {"gap": scene.gap})


def adam_mini_keeps_half(_: Scene) -> Verdict:
    """Within five hundredths, for the proxy and for the study's smallest model."""
    vocabularies = {"nano": 256, "150m": STUDY_VOCABULARY}
    numbers = {
        f"{scale}, state of adam_mini / adamw": state_numbers("adam_mini", scale, vocabulary)
        / state_numbers("adamw", scale, vocabulary)
        for scale, vocabulary in vocabularies.items()
    }
    found = verdict(all(abs(ratio - 0.5) < 0.05 for ratio in numbers.values()))
    return Verdict("Adam-mini's state is half of Adam's", found, numbers)


CLAIMS = (
    sgd_is_worse,
    others_are_comparable,
    signs_need_momentum,
    last_layer_is_not_enough,
    norms_are_enough,
    signum_is_adam_with_equal_betas,
    soap_needs_fewer_steps,
    soap_is_robust_to_its_frequency,
    adam_mini_keeps_half,
)


def state_numbers(optimizer: str, scale: str, vocabulary: int) -> int:
    """Numbers that the optimizer keeps for one model, counted without memory for them."""
    model = SCALES[scale].model(vocabulary)
    defaults = {k: v.default for k, v in hyperparameters(optimizer, "warmup_cosine").items()}
    facts = {"heads": model.heads, "steps": 1, "tokens_per_batch": 1}
    settings = {k: v.default for k, v in options(optimizer).items()}
    init = entry(optimizer).construct(defaults, settings, facts).init
    return sum(
        tensor.numel()
        for spec in param_specs(model).values()
        for tensor in init(torch.empty(1, *spec.shape, device="meta"), spec.role).values()
    )


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
