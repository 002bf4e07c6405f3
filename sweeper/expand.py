"""From a sweep to its variants, points and distinct trials. Pure."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from sweeper.errors import InvalidRequest, Problem
from sweeper.grids import axis_values
from sweeper.rules.check import check
from sweeper.settings import (
    axis_parameters,
    combination_problem,
    effective_config,
    hyperparameters,
    number_problem,
    own_settings,
    schedule_of,
)
from sweeper.spec import OptimizerSpec, Setting, SweepSpec, Tie, pointer
from sweeper.trials import Expansion, PlannedPoint, PlannedTrial, Variant, fingerprint
from sweeper.variants import variant_label, variant_settings
from trainers.config import DataConfig, TrainConfig, stack_key


def expand(spec: SweepSpec, data: Mapping[str, DataConfig], salt: str = "") -> Expansion:
    """All points of the sweep and the trials they need, each trial once.

    Order: scales, architectures, optimizers as listed, then ascending values, then seeds. Raises
    `InvalidRequest` where the sweep breaks a rule. A `salt` keeps the trials from being shared.
    """
    check(spec, data)
    variants: list[Variant] = []
    points: list[PlannedPoint] = []
    trials: dict[str, PlannedTrial] = {}
    passed = set[Any]()
    for variant, optimizer in _variants(spec):
        for value, seed in product(_values(spec, optimizer), spec.seeds):
            config = _config(spec, variant, optimizer, value, seed, data[spec.data])
            identity = fingerprint(config, salt)
            if identity not in trials:
                _check_together(spec, optimizer, config, passed)
                trials[identity] = PlannedTrial(
                    fingerprint=identity, stack_key=stack_key(config), config=config
                )
            points.append(
                PlannedPoint(variant=len(variants), value=value, seed=seed, fingerprint=identity)
            )
        variants.append(variant)
    return Expansion(variants=tuple(variants), points=tuple(points), trials=tuple(trials.values()))


def _variants(spec: SweepSpec) -> Iterator[tuple[Variant, OptimizerSpec]]:
    for scale, architecture, optimizer in product(spec.scales, spec.architectures, spec.optimizers):
        settings = variant_settings(spec, optimizer)
        variant = Variant(
            label=_label(spec, architecture, optimizer),
            optimizer=optimizer.name,
            scale=scale,
            architecture=architecture,
            overrides={key: _plain(value) for key, value in settings.items()},
        )
        yield variant, optimizer


def _label(spec: SweepSpec, architecture: str, optimizer: OptimizerSpec) -> str:
    label = variant_label(optimizer)
    return label if len(spec.architectures) == 1 else f"{label}, {architecture}"


def _plain(value: Setting) -> Any:
    return value.model_dump() if isinstance(value, Tie) else value


def _values(spec: SweepSpec, optimizer: OptimizerSpec) -> tuple[float, ...]:
    if optimizer.values is not None:
        return tuple(sorted(optimizer.values))
    return axis_values(spec.axis)


def _config(
    spec: SweepSpec,
    variant: Variant,
    optimizer: OptimizerSpec,
    value: float,
    seed: int,
    data: DataConfig,
) -> TrainConfig:
    settings = variant_settings(spec, optimizer)
    if spec.axis.parameter in axis_parameters(
        optimizer.name, schedule_of(optimizer.name, settings)
    ):
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
        message = number_problem(key, config.hyperparameters[key], ranges[key])
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


def _place(spec: SweepSpec, optimizer: OptimizerSpec, key: str) -> str:
    """Where the setting stands that the optimizer has."""
    if key in optimizer.overrides:
        return pointer("optimizers", spec.optimizers.index(optimizer), key)
    return pointer("base", key)
