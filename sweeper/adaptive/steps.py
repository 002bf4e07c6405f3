"""What a round can come to, and what it has to know beside the curve."""

from collections.abc import Callable
from dataclasses import dataclass

from sweeper.trials import Origin

Legal = Callable[[float], float | None]
"""The value as the hyperparameter takes it (whole numbers are rounded), None out of its range."""


@dataclass(frozen=True, kw_only=True)
class Added:
    """How many values the rounds so far have added to a curve, by what added them."""

    extended: int = 0
    refined: int = 0


@dataclass(frozen=True, kw_only=True)
class Round:
    """Values to add to a curve, ascending."""

    origin: Origin
    values: tuple[float, ...]
    reason: str


@dataclass(frozen=True)
class Settled:
    """Nothing more is to be added to a curve."""

    reason: str
