"""Where to look next: Optuna's samplers, asked anew each time from all that is known.

No study is kept. What a sampler knows is what it is told here, so a search goes on from the rows of
a database as if nothing had interrupted it.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweeper.analysis.axes import position, value_at
from sweeper.digits import written
from sweeper.grids import significant
from sweeper.spec import AxisScale, SamplerName

RANDOM_FIRST = 10
"""Losses that are known before they are modelled, as Optuna does by itself: candidates until then
are drawn at random."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """What a hyperparameter may be, both ends included, and the scale on which it is drawn."""

    low: float
    high: float
    scale: AxisScale


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Values that were asked for; `loss` is None until they have one that can be compared."""

    number: int
    values: Mapping[str, float]
    loss: float | None
    failed: bool = False
    """Whether it will never have a loss."""
    trial_ids: tuple[str, ...] = ()
    """By ascending seed."""

    @property
    def text(self) -> str:
        """Its values, in words."""
        return ", ".join(f"{name} {written(value)}" for name, value in self.values.items())


def ask(
    space: Mapping[str, Range], known: Sequence[Candidate], *, sampler: SamplerName, seed: int
) -> dict[str, float]:
    """The values of the next candidate, to three significant digits.

    A function of its arguments alone, in whatever order they are written: samplers draw in that of
    the distributions, and a sweep that is stored has its keys sorted. Unfinished candidates count
    as bad ones (a "constant liar"), so that several can be asked for at once and lie apart. `gp`
    needs scipy, see `missing`.
    """
    distributions: dict[str, BaseDistribution] = {
        name: FloatDistribution(*_ends(each)) for name, each in sorted(space.items())
    }
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(sampler=_sampler(sampler, _mixed(seed, len(known))))
        study.add_trials([_told(each, space, distributions) for each in known])
        asked = study.ask(distributions).params
    finally:
        optuna.logging.set_verbosity(before)
    return {name: _value(asked[name], each) for name, each in space.items()}


def missing(sampler: SamplerName) -> str | None:
    """What a sampler needs that is not installed here, in words; None if it can be used."""
    if sampler == "gp" and importlib.util.find_spec("scipy") is None:
        return "the sampler gp needs scipy: pip install 'sweeper[gp]', or use tpe"
    return None


def _mixed(seed: int, number: int) -> int:
    """A seed for each question of each search: no two searches ask for the same, one later."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _sampler(name: SamplerName, seed: int) -> BaseSampler:
    if name == "gp":
        return GPSampler(seed=seed, n_startup_trials=RANDOM_FIRST)
    return TPESampler(seed=seed, n_startup_trials=RANDOM_FIRST)


def _told(
    candidate: Candidate, space: Mapping[str, Range], distributions: dict[str, BaseDistribution]
) -> FrozenTrial:
    state = TrialState.FAIL if candidate.failed else TrialState.RUNNING
    return create_trial(
        state=state if candidate.loss is None else TrialState.COMPLETE,
        value=candidate.loss,
        params={name: _place(candidate.values[name], each) for name, each in space.items()},
        distributions=distributions,
    )


def _ends(given: Range) -> tuple[float, float]:
    low, high = position(given.low, given.scale), position(given.high, given.scale)
    assert low is not None
    assert high is not None
    return low, high


def _place(value: float, given: Range) -> float:
    """Rounding may have moved a value beyond an end by a part of its last digit."""
    low, high = _ends(given)
    place = position(value, given.scale)
    assert place is not None
    return min(max(place, low), high)


def _value(place: float, given: Range) -> float:
    value = value_at(place, given.scale)
    if given.scale == "one_minus_log":
        value = significant(1 - significant(1 - value), 12)
    else:
        value = significant(value)
    return min(max(value, given.low), given.high)
