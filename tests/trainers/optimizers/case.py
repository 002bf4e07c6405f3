"""What a row of the optimizers' test table says; nothing here imports `trainers.optimizers`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Matrix = list[list[float]]

PEAK = 0.05
"""Peak learning rate of the comparison with plain loops."""

SAMPLED = 3.0
"""There, the gradient that curvature is estimated from is this times the step's."""


@dataclass(frozen=True)
class Case:
    """`hyperparameters`: two settings per name, for two members of a stack.

    `rule` makes the optimizer of one tensor: a function of its gradient (and of its weights, if
    `reads_weights`) that returns the direction `d`; with `whole_step` a function of gradient,
    weights, learning rate and decay that returns the next weights. `role_rules`: other rules by
    role; `vector_rule` is that of norms. `fixed`: what else `build` and the rules are called with.
    `scale`: the power of c with which the direction grows if the gradient is multiplied with c;
    None: no power does; `scale_rtol`: as far as an eps that must stay there allows.
    `first`: the first direction for G = [[1, 2], [3, -4]], with `exact` as hyperparameters.
    `quadratic`: hyperparameters that solve one, where the defaults do not; `quadratic_lr`: at that
    learning rate. `rtol`: relative error from plain loops. `golden`: final losses of the run in
    `test_golden.py`, within `golden_atol`.
    """

    rule: Callable[..., Callable[..., Matrix]]
    hyperparameters: Mapping[str, tuple[float, float]]
    scale: int | None
    golden_lrs: tuple[float, float]
    golden: tuple[float, float]
    vector_rule: Callable[..., Callable[..., Matrix]] | None = None
    role_rules: Mapping[str, Callable[..., Callable[..., Matrix]]] = field(default_factory=dict)
    reads_weights: bool = False
    whole_step: bool = False
    fixed: Mapping[str, int] = field(default_factory=dict)
    exact: Mapping[str, float] = field(default_factory=dict)
    first: Matrix = field(default_factory=list)
    quadratic: Mapping[str, float] = field(default_factory=dict)
    quadratic_lr: float = 0.05
    rtol: float = 1e-10
    scale_rtol: float = 1e-12
    golden_atol: float = 2e-3

    def rule_of(self, role: str) -> Callable[..., Callable[..., Matrix]]:
        if role == "norm" and self.vector_rule is not None:
            return self.vector_rule
        return self.role_rules.get(role, self.rule)


def zeros(rows: int, columns: int) -> Matrix:
    return [[0.0] * columns for _ in range(rows)]


def sign(x: float) -> float:
    return (x > 0) - (x < 0)
