"""Claims of the study and of later papers, each with the rule that tells whether it holds.

The rules were fixed before looking. A loss is final held-out cross-entropy at the best learning
rate of the grid, averaged over seeds; a diverged seed counts as its initial loss. Two losses differ
if they are further apart than 3.08 sigma sqrt(1/n + 1/n), with sigma pooled over the seeds of all
variants at their best. The gap is that between SGD and AdamW. A variant keeps up with another one
if it is not worse by more than a tenth of the gap, and does not if it is and they differ; anything
else cannot be told from noise.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainers.config import ModelConfig
from trainers.cost import state_bytes, without_data
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
    models = {"nano": SCALES["nano"].model(256), "150m": SCALES["150m"].model(STUDY_VOCABULARY)}
    numbers = {
        f"{scale}, state of adam_mini / adamw": kept("adam_mini", model) / kept("adamw", model)
        for scale, model in models.items()
    }
    found = verdict(all(abs(ratio - 0.5) < 0.05 for ratio in numbers.values()))
    return Verdict("Adam-mini's state is half of Adam's", found, numbers)


def kept(optimizer: str, model: ModelConfig) -> float:
    """Bytes of state per parameter."""
    return state_bytes(without_data(optimizer, model.heads), model)


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
