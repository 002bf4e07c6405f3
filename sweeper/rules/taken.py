"""An axis as one optimizer takes it, with the place in the body of each of its parts. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from sweeper.grids import axis_scale, axis_values
from sweeper.rules.problems import Path
from sweeper.settings import Rule, axis_parameters, rule_among, schedule_of
from sweeper.spec import AxisScale, AxisSpec, OptimizerSpec, SweepSpec
from sweeper.variants import centre, own_axis, variant_settings


@dataclass(frozen=True, kw_only=True)
class Taken:
    """An axis with what an optimizer gives in place of its values; without one, as it stands."""

    axis: AxisSpec
    root: Path
    """Where the axis stands."""
    own: frozenset[str] = frozenset()
    """The parts that the optimizer gives, at `own_root`."""
    own_root: Path = ()
    optimizer: str = ""
    rule: Rule | None = None
    """The range of the hyperparameter; None for an optimizer that does not have it."""
    centre: float | None = None

    @property
    def scale(self) -> AxisScale:
        """The scale of the axis."""
        return axis_scale(self.axis)

    @property
    def values(self) -> tuple[float, ...]:
        """What the optimizer is to be swept over."""
        return axis_values(self.axis, self.centre)

    @property
    def spaced(self) -> tuple[float, ...]:
        """Those of a range, without a zero that was added to it."""
        return tuple(value for value in self.values if value or not self.axis.zero)

    def place(self, part: str) -> Path:
        """Where the part stands."""
        return (*(self.own_root if part in self.own else self.root), part)

    @property
    def whole(self) -> Path:
        """Where a grid stands of which no part is to blame."""
        return self.own_root if self.own else self.root


def first_axes(spec: SweepSpec) -> Iterator[Taken]:
    """The axis as each optimizer takes it."""
    for i, optimizer in enumerate(spec.optimizers):
        yield Taken(
            axis=own_axis(spec, optimizer),
            root=("axis",),
            own=optimizer.given,
            own_root=("optimizers", i),
            optimizer=optimizer.name,
            rule=_rule(spec, optimizer, spec.axis.parameter),
            centre=centre(spec, optimizer, spec.axis.parameter),
        )


def second_axes(spec: SweepSpec) -> Iterator[Taken]:
    """The second axis as each optimizer takes it, if there is one."""
    axis = spec.second_axis
    for optimizer in spec.optimizers if axis is not None else ():
        assert axis is not None
        yield Taken(
            axis=axis,
            root=("second_axis",),
            optimizer=optimizer.name,
            rule=_rule(spec, optimizer, axis.parameter),
            centre=centre(spec, optimizer, axis.parameter),
        )


def axes(spec: SweepSpec) -> Iterator[Taken]:
    """Both axes as each optimizer takes them, and the first as it stands, should none take it."""
    yield from first_axes(spec)
    yield from second_axes(spec)
    if all(optimizer.given for optimizer in spec.optimizers):
        yield Taken(axis=spec.axis, root=("axis",))


def _rule(spec: SweepSpec, optimizer: OptimizerSpec, parameter: str) -> Rule | None:
    settings = variant_settings(spec, optimizer)
    rule = axis_parameters(optimizer.name, schedule_of(optimizer.name, settings)).get(parameter)
    return None if rule is None else rule_among(parameter, rule, settings)
