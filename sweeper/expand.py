"""From a sweep to its variants, points and distinct trials. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from sweeper.effective import effective_config
from sweeper.errors import InvalidRequest, Problem
from sweeper.rules.check import check
from sweeper.settings import (
    axis_parameters,
    combination_problem,
    hyperparameters,
    number_problem,
    own_settings,
    rule_among,
    schedule_of,
    width_problem,
)
from sweeper.shape import pointer
from sweeper.spec import OptimizerSpec, Setting, SweepSpec, Tie
from sweeper.trials import (
    Expansion,
    Origin,
    PlannedPoint,
    PlannedTrial,
    Variant,
    fingerprint,
    second_label,
)
from sweeper.variants import (
    second_values,
    variant_label,
    variant_settings,
    variant_values,
)
from trainers.config import DataConfig, TrainConfig, stack_key


@dataclass(frozen=True)
class _Planned:
    """A variant with what its points are made of."""

    variant: Variant
    optimizer: OptimizerSpec
    settings: dict[str, Setting]
    values: tuple[float, ...]


def expand(spec: SweepSpec, data: Mapping[str, DataConfig]) -> Expansion:
    """All points of the sweep and the trials they need, each trial once.

    Order: scales, architectures, optimizers as listed, ascending values of the second axis, then of
    the first, then seeds. Raises `InvalidRequest` where the sweep breaks a rule.
    """
    check(spec, data)
    planned = tuple(_planned(spec))
    wanted = [
        (i, value, seed)
        for i, plan in enumerate(planned)
        for value, seed in product(plan.values, spec.seeds)
    ]
    return _expansion(spec, planned, data[spec.data], wanted)


def further(
    spec: SweepSpec,
    data: DataConfig,
    wanted: Iterable[tuple[int, float, int]],
    origin: Origin = Origin.EXTEND,
) -> Expansion:
    """Further points of an accepted sweep: (position of the variant, value, seed) each.

    The values must have passed `rules.axis.value_problems`; raises `InvalidRequest` where only the
    whole configuration shows that one does not go.
    """
    planned = tuple(_planned(spec))
    return _expansion(spec, planned, data, wanted, origin)


def expand_candidates(
    spec: SweepSpec,
    data: DataConfig,
    candidates: Mapping[tuple[int, int], dict[str, float]],
) -> Expansion:
    """Points of a search that `check` has passed: its values, by variant and candidate number."""
    planned = tuple(_planned(spec))
    parts = [
        _expansion(
            spec,
            [replace(plan, settings={**plan.settings, **values}) for plan in planned],
            data,
            [(position, float(number), seed) for seed in spec.seeds],
            Origin.SEARCH,
        )
        for (position, number), values in candidates.items()
    ]
    trials = {trial.fingerprint: trial for part in parts for trial in part.trials}
    return Expansion(
        variants=tuple(plan.variant for plan in planned),
        points=tuple(point for part in parts for point in part.points),
        trials=tuple(trials.values()),
    )


def optimizers_of(spec: SweepSpec) -> tuple[OptimizerSpec, ...]:
    """What the sweep says of the optimizer of each of its variants, in their order."""
    return tuple(plan.optimizer for plan in _planned(spec))


def _expansion(
    spec: SweepSpec,
    planned: Sequence[_Planned],
    data: DataConfig,
    wanted: Iterable[tuple[int, float, int]],
    origin: Origin = Origin.GRID,
) -> Expansion:
    points: list[PlannedPoint] = []
    trials: dict[str, PlannedTrial] = {}
    passed = set[Any]()
    for i, value, seed in wanted:
        config = _config(spec, planned[i], value, seed, data)
        identity = fingerprint(config)
        if identity not in trials:
            _check_together(spec, planned[i].optimizer, config, passed)
            _check_width(spec, planned[i].optimizer, config)
            trials[identity] = PlannedTrial(
                fingerprint=identity, stack_key=stack_key(config), config=config
            )
        points.append(
            PlannedPoint(variant=i, value=value, seed=seed, fingerprint=identity, origin=origin)
        )
    return Expansion(
        variants=tuple(plan.variant for plan in planned),
        points=tuple(points),
        trials=tuple(trials.values()),
    )


def _planned(spec: SweepSpec) -> Iterator[_Planned]:
    for scale, architecture, optimizer in product(spec.scales, spec.architectures, spec.optimizers):
        for label, settings in _on_second_axis(spec, architecture, optimizer):
            variant = Variant(
                label=label,
                optimizer=optimizer.name,
                scale=scale,
                architecture=architecture,
                overrides={key: _plain(value) for key, value in settings.items()},
            )
            yield _Planned(variant, optimizer, settings, variant_values(spec, optimizer))


def _on_second_axis(
    spec: SweepSpec, architecture: str, optimizer: OptimizerSpec
) -> Iterator[tuple[str, dict[str, Setting]]]:
    """Label and settings of each value of the second axis, or the only ones."""
    settings = variant_settings(spec, optimizer)
    settings.pop(spec.axis.parameter, None)  # the centre of its multiples
    label = variant_label(spec, optimizer)
    if len(spec.architectures) > 1:
        label = f"{label}, {architecture}"
    if spec.second_axis is None:
        yield label, settings
        return
    parameter = spec.second_axis.parameter
    for value in second_values(spec, optimizer):
        yield second_label(label, parameter, value), settings | {parameter: value}


def _plain(value: Setting) -> Any:
    return value.model_dump() if isinstance(value, Tie) else value


def _config(
    spec: SweepSpec, planned: _Planned, value: float, seed: int, data: DataConfig
) -> TrainConfig:
    variant, optimizer = planned.variant, planned.optimizer
    settings = dict(planned.settings)
    schedule = schedule_of(optimizer.name, settings)
    if spec.axis.parameter in axis_parameters(optimizer.name, schedule):
        settings[spec.axis.parameter] = value
    config = effective_config(
        optimizer=optimizer.name,
        scale=variant.scale,
        architecture=variant.architecture,
        settings=settings,
        seed=seed,
        data=data,
    )
    _check_tied(spec, optimizer, settings, config)
    return config


def _check_tied(
    spec: SweepSpec,
    optimizer: OptimizerSpec,
    settings: Mapping[str, Setting],
    config: TrainConfig,
) -> None:
    """A tie can carry a value out of the range of what is tied; only here both are known."""
    ranges = hyperparameters(optimizer.name)
    tied = [key for key, value in settings.items() if isinstance(value, Tie)]
    for key in (key for key in tied if key in config.hyperparameters):
        rule = rule_among(key, ranges[key], settings)
        message = number_problem(key, config.hyperparameters[key], rule)
        if message:
            raise InvalidRequest((Problem(_place(spec, optimizer, key), message),))


def _check_together(
    spec: SweepSpec, optimizer: OptimizerSpec, config: TrainConfig, passed: set[Any]
) -> None:
    """The optimizer takes its settings; the place is the one setting given, if it is only one."""
    own = own_settings(config)
    key = (optimizer.name, *own.values())
    message = None if key in passed else combination_problem(optimizer.name, own)
    if message is not None:
        given = [name for name in variant_settings(spec, optimizer) if name in own]
        place = pointer("optimizers", spec.optimizers.index(optimizer))
        if len(given) == 1:
            place = _place(spec, optimizer, given[0])
        raise InvalidRequest((Problem(place, message),))
    passed.add(key)


def _check_width(spec: SweepSpec, optimizer: OptimizerSpec, config: TrainConfig) -> None:
    """The optimizer has learning rates for a model of this parameterisation."""
    if message := width_problem(config):
        raise InvalidRequest((Problem(_place(spec, optimizer, "parameterisation"), message),))


def _place(spec: SweepSpec, optimizer: OptimizerSpec, key: str) -> str:
    """Where the setting stands that the optimizer has."""
    if key in optimizer.overrides:
        return pointer("optimizers", spec.optimizers.index(optimizer), key)
    return pointer("base", key)
