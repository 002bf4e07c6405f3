"""Ready-made sweeps, one YAML file each: a one-line `summary` and the `sweep` as REST takes it.

Those of the reference study also name its file, `study`, and keep its jobs in their order; only
`batch` has the jobs of one optimizer together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A sweep by name, ready to be submitted as it is."""

    name: str
    summary: str
    sweep: Mapping[str, Any]
    study: str | None = None
    """The file of rosieyzh/optimizers-llm@a1f8a3f, configs/sweeps, whose jobs these are."""


@dataclass(frozen=True, kw_only=True)
class Trials:
    """How many trials a preset asks for, and how many of them are distinct."""

    total: int
    distinct: int


def names() -> tuple[str, ...]:
    """The presets there are, in alphabetical order."""
    found = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml")))


def preset(name: str) -> Preset:
    """The preset by that name; ValueError lists the known ones."""
    import yaml  # here, so that `names` costs nothing

    if name not in names():
        raise ValueError(f"unknown preset {name!r}; known: {', '.join(names())}")
    plain = yaml.safe_load((files(__name__) / f"{name}.yaml").read_text(encoding="utf-8"))
    return Preset(name=name, **plain)


def presets() -> tuple[Preset, ...]:
    """All presets, in alphabetical order."""
    return tuple(preset(name) for name in names())


def trials(chosen: Preset) -> Trials:
    """What the preset asks for, at its own scale and with any data."""
    from sweeper.expand import expand  # here, because it loads torch
    from sweeper.spec import parse
    from trainers.config import DataConfig

    spec = parse(chosen.sweep)
    found = expand(spec, {spec.data: DataConfig(name=spec.data, sha256="", vocabulary=256)})
    return Trials(total=len(found.points), distinct=len(found.trials))
