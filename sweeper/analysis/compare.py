"""Variants side by side: verdicts on pairs, equal compute, transfer over scales."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweeper.analysis import axes, windows
from sweeper.analysis.budgets import Run, Spent, average, share_to, spent
from sweeper.analysis.estimates import Estimates
from sweeper.analysis.estimating import estimates
from sweeper.analysis.pairs import ComparedPair, Entrant, compared_pairs
from sweeper.analysis.profiles import Profile, profiles
from sweeper.analysis.scaling import power_law, speed_up
from sweeper.analysis.stability import Stability
from sweeper.analysis.transfer import Sized, Transfer, transfer
from sweeper.analysis.verdict import MARGIN


@dataclass(frozen=True, kw_only=True)
class ComparedVariant:
    """One variant of a comparison."""

    name: str
    sweep_id: str
    label: str
    optimizer: str
    scale: str
    architecture: str
    stability: Stability
    estimates: Estimates
    spent: Spent
    token_speed_up: float | None
    """Tokens that the baseline would need for the same loss, over those used: D_eff / D."""
    token_speed_up_reason: str | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything that can be said of several variants over one axis."""

    parameter: str
    axis_scale: str
    unit: str
    margin: float
    tolerance: float
    half_width: float | None
    """Of the window centred on each optimum, in units of the axis."""
    preliminary: bool
    """Whether trials are still to come."""
    variants: tuple[ComparedVariant, ...]
    pairs: tuple[ComparedPair, ...]
    baselines: Mapping[str, str]
    """By scale, the variant against which speed-ups are told: the first one."""
    targets: Mapping[str, float]
    """By scale, the loss to reach: the best loss of the baseline plus the margin."""
    profiles: Mapping[str, Profile]
    """By label, over the scales as workloads; time in steps."""
    transfers: tuple[Transfer, ...]


def comparison(
    entrants: Sequence[Entrant],
    *,
    margin: float = MARGIN,
    window: tuple[float, float] | None = None,
    larger: Mapping[int, tuple[str, int]] | None = None,
) -> Comparison:
    """Compare at least one entrant; all have one parameter and axis scale.

    `window` is a range of values for a further sensitivity. `larger` gives, for a size, the scale
    to predict for. Raises ValueError for a margin that is not positive.
    """
    if not margin > 0:
        raise ValueError(f"margin > 0 must hold, but got margin={margin}")
    first = entrants[0].curve
    width = windows.half_width(entrant.curve for entrant in entrants)
    groups = _by_scale(entrants)
    targets = {
        scale: best + margin
        for scale, group in groups.items()
        if (best := group[0].stability.best_loss) is not None
    }
    costs = {
        entrant.name: cost
        for scale, group in groups.items()
        for entrant, cost in zip(group, _spent(group, targets.get(scale)), strict=True)
    }
    variants = tuple(
        _variant(entrant, costs, groups[entrant.curve.scale], width, window) for entrant in entrants
    )
    return Comparison(
        parameter=first.parameter,
        axis_scale=first.axis_scale,
        unit=axes.unit(first.parameter, first.axis_scale),
        margin=margin,
        tolerance=entrants[0].stability.tolerance,
        half_width=width,
        preliminary=any(entrant.stability.preliminary for entrant in entrants),
        variants=variants,
        pairs=compared_pairs(groups, width, margin),
        baselines={scale: group[0].name for scale, group in groups.items()},
        targets=targets,
        profiles=_profiles(groups, targets),
        transfers=_transfers(entrants, variants, larger or {}),
    )


def _by_scale(entrants: Sequence[Entrant]) -> dict[str, list[Entrant]]:
    groups: dict[str, list[Entrant]] = {}
    for entrant in entrants:
        groups.setdefault(entrant.curve.scale, []).append(entrant)
    return groups


def _variant(
    entrant: Entrant,
    costs: Mapping[str, Spent],
    group: Sequence[Entrant],
    width: float | None,
    window: tuple[float, float] | None,
) -> ComparedVariant:
    curve = entrant.curve
    gain, reason = _token_speed_up(entrant, group, costs)
    return ComparedVariant(
        name=entrant.name,
        sweep_id=entrant.sweep_id,
        label=curve.label,
        optimizer=curve.optimizer,
        scale=curve.scale,
        architecture=curve.architecture,
        stability=entrant.stability,
        estimates=estimates(curve, entrant.stability, stated=window, half_width=width),
        spent=costs[entrant.name],
        token_speed_up=gain,
        token_speed_up_reason=reason,
    )


def _spent(group: Sequence[Entrant], target: float | None) -> tuple[Spent, ...]:
    runs = [average(entrant.runs) for entrant in group]
    return spent(runs, [entrant.stability.best_value for entrant in group], target)


def _token_speed_up(
    entrant: Entrant, group: Sequence[Entrant], costs: Mapping[str, Spent]
) -> tuple[float | None, str | None]:
    """Against the baseline's optimizer, if that was trained for three lengths at this scale."""
    own = [e for e in group if e.curve.optimizer == group[0].curve.optimizer]
    lowest = _lowest_by_tokens(own, costs)
    law = power_law(list(lowest), list(lowest.values()))
    tokens, loss = costs[entrant.name].tokens, entrant.stability.best_loss
    baseline = group[0].curve.optimizer
    if len(lowest) < 3:
        return None, f"{baseline} was not trained for three lengths at this scale"
    if law is None:
        return None, f"the losses of {baseline} do not fall with its tokens as a power law"
    if tokens is None or loss is None:
        return None, "the variant has no best loss"
    gain = speed_up(law, tokens, loss)
    return gain, None if gain is not None else "the baseline never reaches this loss"


def _lowest_by_tokens(own: Sequence[Entrant], costs: Mapping[str, Spent]) -> dict[float, float]:
    """The lowest loss at each number of tokens."""
    lowest: dict[float, float] = {}
    for entrant in own:
        tokens, loss = costs[entrant.name].tokens, entrant.stability.best_loss
        if tokens is not None and loss is not None:
            lowest[tokens] = min(loss, lowest.get(tokens, math.inf))
    return lowest


def _profiles(
    groups: Mapping[str, Sequence[Entrant]], targets: Mapping[str, float]
) -> dict[str, Profile]:
    """Of the labels that every scale has once; steps to the target, seeds as repetitions."""
    if not targets or len(targets) < len(groups):
        return {}
    labels = [[e.curve.label for e in group] for group in groups.values()]
    common = [label for label in labels[0] if all(own.count(label) == 1 for own in labels)]
    times = {
        label: [
            [
                _steps_to(run, targets[scale])
                for e in group
                if e.curve.label == label
                for run in e.runs
            ]
            or [math.inf]
            for scale, group in groups.items()
        ]
        for label in common
    }
    return profiles(times)


def _steps_to(run: Run, target: float) -> float:
    share = share_to(run, target)
    return math.inf if share is None else share * run.steps


def _transfers(
    entrants: Sequence[Entrant],
    variants: Sequence[ComparedVariant],
    larger: Mapping[int, tuple[str, int]],
) -> tuple[Transfer, ...]:
    """One per label and architecture that has several scales."""
    groups: dict[tuple[str, str], list[Sized]] = {}
    for entrant, variant in zip(entrants, variants, strict=True):
        run, found = average(entrant.runs), variant.estimates
        interpolated = found.optimum_value.value is not None
        groups.setdefault((entrant.curve.label, entrant.curve.architecture), []).append(
            Sized(
                curve=entrant.curve,
                stability=entrant.stability,
                optimum=found.optimum_value if interpolated else found.best_value,
                parameters=None if run is None else run.parameters,
                tokens=None if run is None else run.tokens,
            )
        )
    several = [own for own in groups.values() if len({sized.curve.scale for sized in own}) > 1]
    return tuple(
        transfer(own, larger.get(max(sized.parameters or 0 for sized in own))) for own in several
    )
