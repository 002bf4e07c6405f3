"""What each optimizer of a sweep has in it: its settings and its label. Pure."""

from sweeper.settings import known_settings
from sweeper.spec import OptimizerSpec, Setting, SweepSpec, Tie


def variant_settings(spec: SweepSpec, optimizer: OptimizerSpec) -> dict[str, Setting]:
    """The settings of one optimizer in the sweep: of `base` what it has, then its overrides."""
    known = known_settings(optimizer.name)
    return {k: v for k, v in spec.base.items() if k in known} | optimizer.overrides


def variant_label(optimizer: OptimizerSpec) -> str:
    """The label given, or else the optimizer's name and what it overrides."""
    shown = [
        f"{key}={value.tie if isinstance(value, Tie) else _text(value)}"
        for key, value in optimizer.overrides.items()
    ]
    return optimizer.label or ", ".join([optimizer.name, *shown])


def _text(value: float | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else f"{value:g}"
