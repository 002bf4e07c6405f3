"""The optimizers that can be swept, each with all that can be set on it and what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass

from sweeper.settings import hyperparameters
from trainers.config import TRAINING_HYPERPARAMETERS, Hyperparameter, Option
from trainers.cost import Cost, cost
from trainers.functions import TrainingFunction
from trainers.optimizers import names, options, registered
from trainers.optimizers.notes import argument_notes


@dataclass(frozen=True, kw_only=True)
class SettingInfo:
    """A hyperparameter or an option of an optimizer: default, range in words, what it does."""

    name: str
    default: float | bool
    rule: str
    help: str
    origin: str
    """Whose default it is."""


@dataclass(frozen=True, kw_only=True)
class OptimizerInfo:
    """An optimizer or training function that can be swept.

    `lr` is the centre of the study's learning rate sweep; None where there is no learning rate.
    """

    name: str
    summary: str
    source: str
    lr: float | None
    hyperparameters: Mapping[str, Hyperparameter]
    options: Mapping[str, Option]
    notes: Mapping[str, str]
    """What the documentation says about an argument: range, default, and whose default it is."""
    schedule: str
    cost: Cost
    own: frozenset[str]
    """Names of the hyperparameters that not every optimizer has."""
    version: str
    """Of an optimizer that is not built in."""

    @property
    def own_settings(self) -> tuple[SettingInfo, ...]:
        """The learning rate, and what not every optimizer has."""
        own = self.own | self.options.keys() | {"lr"}
        return tuple(self.setting(name) for name in self._described if name in own)

    def setting(self, name: str) -> SettingInfo:
        """One of the hyperparameters or options."""
        described = self._described[name]
        return SettingInfo(
            name=name,
            default=described.default,
            rule=described.rule(name),
            help=described.help,
            origin=self._origin(name),
        )

    @property
    def _described(self) -> Mapping[str, Hyperparameter | Option]:
        return {**self.hyperparameters, **self.options}

    def _origin(self, name: str) -> str:
        """What the optimizer's documentation says, or else where the default comes from."""
        if name in TRAINING_HYPERPARAMETERS and name not in self.notes.keys() | self.own:
            return f"centre of a sweep of {self.name}" if name == "lr" else "arXiv 2407.07972"
        return self.notes.get(name, self.source)


def optimizers() -> tuple[OptimizerInfo, ...]:
    """Every optimizer that can be swept, with all of its hyperparameters."""
    return tuple(_optimizer(name) for name in names())


def _optimizer(name: str) -> OptimizerInfo:
    chosen = registered(name)
    code = chosen.train if isinstance(chosen, TrainingFunction) else chosen.build
    return OptimizerInfo(
        name=name,
        summary=chosen.summary,
        source=chosen.source,
        lr=chosen.lr,
        hyperparameters=hyperparameters(name),
        options=options(name),
        notes=argument_notes(code),
        schedule=chosen.schedule,
        cost=cost(name),
        own=frozenset(chosen.hyperparameters),
        version=chosen.version,
    )
