"""Training functions of one's own: any loop that tells its loss as it goes can be swept.

A function names what it reads, and gets nothing else: hyperparameters and options with their
ranges, as the functions that build optimizers do, and facts of the run by their names. Only what
it reads is part of a trial's identity.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainers.config import (
    DataConfig,
    Hyperparameter,
    ModelConfig,
    Option,
    ScheduleName,
    TrainConfig,
)
from trainers.signatures import arguments, described

Measurements = Iterator[tuple[int, Mapping[str, float]]]
"""Steps in ascending order, each with numbers by name.

The first is `(0, {"validation_loss": ...})`, the loss before training. The last is at the run's
`steps`, and its `validation_loss` is the final one. A `validation_loss` or `train_loss` that is NaN
or infinite says that the run has diverged; nothing is asked of it any more.
"""

ALWAYS_READ = ("steps", "seed")
STAND_INS: Mapping[str, Any] = {
    "batch_size": 1,
    "eval_sequences": 1,
    "precision": "fp32",
    "model": ModelConfig(width=2, layers=1, heads=1, sequence_length=1, vocabulary=1),
    "data": DataConfig(name="none", sha256="", vocabulary=1),
}
"""What a configuration holds in place of a fact that the function does not read."""
OF_THE_MACHINE = ("data_dir", "device")
FACTS = (*ALWAYS_READ, *STAND_INS, *OF_THE_MACHINE)


@dataclass(frozen=True)
class TrainingFunction:
    """One line of the registry: a function that trains, named in a sweep like an optimizer.

    `train` yields `Measurements`. It is called with keywords: every hyperparameter
    `Annotated[float, Hyperparameter(...)]` and every option `Annotated[int, Option(...)]` or
    `Annotated[bool, Option(...)]` of its signature, each with a default, and those of the facts
    `FACTS` that it names. Raises ValueError if it asks for anything else, or not for `steps` and
    `seed`.
    """

    train: Callable[..., Measurements]
    summary: str
    source: str
    version: str = ""
    """Release of its package, or SHA-256 of its source."""

    def __post_init__(self) -> None:
        name, asked = getattr(self.train, "__name__", "train"), arguments(self.train)
        for fact in ALWAYS_READ:
            if fact not in self.reads:
                raise ValueError(f"{name} must take {fact}, but takes: {', '.join(asked) or '-'}")
        if unknown := self.reads - {*FACTS}:
            raise ValueError(
                f"{name} takes {', '.join(sorted(unknown))}: neither described by a Hyperparameter "
                f"or an Option, nor a fact of a run; facts: {', '.join(FACTS)}"
            )
        own: Mapping[str, Hyperparameter | Option] = {**self.hyperparameters, **self.options}
        for key, rule in own.items():
            if key in FACTS:
                raise ValueError(f"{name}: {key} is a fact of a run and has no description")
            if asked[key].default is inspect.Parameter.empty:
                raise ValueError(f"{name}: {key} needs a default")
            if not rule.admits(rule.default):
                raise ValueError(f"{name}: `{rule.rule(key)}` must hold, but got {rule.default}")

    @property
    def hyperparameters(self) -> Mapping[str, Hyperparameter]:
        """All that a run of it can be swept over, from the signature."""
        return described(self.train, Hyperparameter)

    @property
    def options(self) -> Mapping[str, Option]:
        """Its whole numbers and switches, from the signature."""
        return described(self.train, Option)

    @property
    def reads(self) -> frozenset[str]:
        """The facts of the run that it asks for."""
        own = self.hyperparameters.keys() | self.options.keys()
        return frozenset(arguments(self.train).keys() - own)

    @property
    def lr(self) -> float | None:
        """Its default learning rate, if it has one."""
        rule = self.hyperparameters.get("lr")
        return None if rule is None else rule.default

    @property
    def schedule(self) -> ScheduleName:
        """How the learning rate moves is the function's affair."""
        return "own"

    def effective(self, config: TrainConfig) -> TrainConfig:
        """The run with stand-ins for what the function does not read."""
        return replace(config, **{k: v for k, v in STAND_INS.items() if k not in self.reads})

    def measurements(self, config: TrainConfig, *, data_dir: Path, device: str) -> Measurements:
        """The run, not yet begun."""
        facts = {name: getattr(config, name) for name in (*ALWAYS_READ, *STAND_INS)}
        facts |= {"data_dir": data_dir, "device": device}
        read = {name: value for name, value in facts.items() if name in self.reads}
        return self.train(**config.hyperparameters, **config.options, **read)
