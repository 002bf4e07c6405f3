"""What each optimizer of a sweep has in it: its settings, its label, its values. Pure."""

from collections.abc import Collection

from sweeper.digits import written
from sweeper.grids import axis_values, with_own_grid
from sweeper.settings import known_settings, rule_among
from sweeper.spec import AxisSpec, OptimizerSpec, Setting, SweepSpec, Tie


def variant_settings(spec: SweepSpec, optimizer: OptimizerSpec) -> dict[str, Setting]:
    """The settings of one optimizer in the sweep: of `base` what it has, then its overrides."""
    known = known_settings(optimizer.name)
    return {k: v for k, v in spec.base.items() if k in known} | optimizer.overrides


def variant_label(spec: SweepSpec, optimizer: OptimizerSpec) -> str:
    """The label given, or else the optimizer's name and what it overrides but centres of axes."""
    return shown_label(optimizer, swept(spec))


def shown_label(optimizer: OptimizerSpec, hidden: Collection[str]) -> str:
    """The label given, or else the optimizer's name and what it overrides but what is hidden."""
    shown = [
        f"{key}={value.tie if isinstance(value, Tie) else _text(value)}"
        for key, value in optimizer.overrides.items()
        if key not in hidden
    ]
    return optimizer.label or ", ".join([optimizer.name, *shown])


def swept(spec: SweepSpec) -> tuple[str, ...]:
    """The hyperparameters of the axes."""
    axes = (spec.axis, spec.second_axis)
    return tuple(axis.parameter for axis in axes if axis is not None)


def own_axis(spec: SweepSpec, optimizer: OptimizerSpec) -> AxisSpec:
    """The axis as the optimizer takes it."""
    return with_own_grid(spec.axis, optimizer)


def variant_values(spec: SweepSpec, optimizer: OptimizerSpec) -> tuple[float, ...]:
    """The optimizer's values of the axis, ascending."""
    return axis_values(own_axis(spec, optimizer), centre(spec, optimizer, spec.axis.parameter))


def second_values(spec: SweepSpec, optimizer: OptimizerSpec) -> tuple[float, ...]:
    """The optimizer's values of the second axis, ascending; none without one."""
    if spec.second_axis is None:
        return ()
    return axis_values(spec.second_axis, centre(spec, optimizer, spec.second_axis.parameter))


def centre(spec: SweepSpec, optimizer: OptimizerSpec, parameter: str) -> float | None:
    """What multiples of a hyperparameter are of: what the settings say, or else its default.

    None where there is no such number, as for `steps`, whose default is another at every scale.
    """
    rule = known_settings(optimizer.name).get(parameter)
    if rule is None or isinstance(rule, tuple):
        return None
    settings = variant_settings(spec, optimizer)
    number = settings.get(parameter, rule.default)
    within = rule_among(parameter, rule, settings)
    if isinstance(number, bool | str | Tie) or not within.admits(number):
        return None
    return float(number)


def _text(value: float | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else written(value)
