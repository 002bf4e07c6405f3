"""Rows of the study's optimizers; see `cases.py`."""

import math
from collections.abc import Callable

from tests.trainers.optimizers.adaptive_forms import (
    adalayer,
    adalayer_columns,
    at_last_layer_lr,
    factors,
    frozen,
    frozen_last_layer,
    frozen_norm,
    plain_average,
)
from tests.trainers.optimizers.case import SAMPLED, Case, Matrix, zeros


def sgd_ema(rows: int, columns: int, *, momentum: float) -> Callable[[Matrix], Matrix]:
    m = zeros(rows, columns)

    def direction(g: Matrix) -> Matrix:
        for i in range(rows):
            for j in range(columns):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
        return m

    return direction


def adagrad(rows: int, columns: int, *, eps: float) -> Callable[[Matrix], Matrix]:
    s = zeros(rows, columns)

    def direction(g: Matrix) -> Matrix:
        d = zeros(rows, columns)
        for i in range(rows):
            for j in range(columns):
                s[i][j] += g[i][j] ** 2
                d[i][j] = g[i][j] / (math.sqrt(s[i][j]) + eps)
        return d

    return direction


def root_mean_square(x: Matrix) -> float:
    return math.sqrt(sum(y**2 for row in x for y in row) / (len(x) * len(x[0])))


def finish_classic(u: Matrix, w: Matrix, clip_threshold: float, min_scale: float) -> Matrix:
    clip = max(1.0, root_mean_square(u) / clip_threshold)
    scale = max(min_scale, root_mean_square(w))
    return [[scale * x / clip for x in row] for row in u]


def adafactor_classic(
    rows: int,
    columns: int,
    *,
    decay_exponent: float,
    clip_threshold: float,
    min_scale: float,
    eps: float,
    min_dim_factored: int,
) -> Callable[[Matrix, Matrix], Matrix]:
    if min(rows, columns) < min_dim_factored:
        return adafactor_classic_full(
            rows,
            columns,
            decay_exponent=decay_exponent,
            clip_threshold=clip_threshold,
            min_scale=min_scale,
            eps=eps,
            min_dim_factored=min_dim_factored,
        )
    r, c, calls = [0.0] * rows, [0.0] * columns, [0]

    def direction(g: Matrix, w: Matrix) -> Matrix:
        calls[0] += 1
        beta = 1 - calls[0] ** -decay_exponent
        for i in range(rows):
            mean = sum(g[i][j] ** 2 + eps for j in range(columns)) / columns
            r[i] = beta * r[i] + (1 - beta) * mean
        for j in range(columns):
            mean = sum(g[i][j] ** 2 + eps for i in range(rows)) / rows
            c[j] = beta * c[j] + (1 - beta) * mean
        u = zeros(rows, columns)
        for i in range(rows):
            for j in range(columns):
                u[i][j] = g[i][j] / math.sqrt(r[i] * c[j] / (sum(r) / rows))
        return finish_classic(u, w, clip_threshold, min_scale)

    return direction


def adafactor_classic_full(
    rows: int,
    columns: int,
    *,
    decay_exponent: float,
    clip_threshold: float,
    min_scale: float,
    eps: float,
    min_dim_factored: int,
) -> Callable[[Matrix, Matrix], Matrix]:
    v, calls = zeros(rows, columns), [0]

    def direction(g: Matrix, w: Matrix) -> Matrix:
        calls[0] += 1
        beta = 1 - calls[0] ** -decay_exponent
        u = zeros(rows, columns)
        for i in range(rows):
            for j in range(columns):
                v[i][j] = beta * v[i][j] + (1 - beta) * (g[i][j] ** 2 + eps)
                u[i][j] = g[i][j] / math.sqrt(v[i][j])
        return finish_classic(u, w, clip_threshold, min_scale)

    return direction


def sophia(
    rows: int,
    columns: int,
    *,
    momentum: float,
    beta2: float,
    rho: float,
    tokens_per_batch: int,
    curvature_frequency: int,
) -> Callable[[Matrix], Matrix]:
    """With every estimate from three times the gradient of its step, as `SAMPLED` has it."""
    m, h, calls = zeros(rows, columns), zeros(rows, columns), [0]

    def direction(g: Matrix) -> Matrix:
        d = zeros(rows, columns)
        for i in range(rows):
            for j in range(columns):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
                share = abs(m[i][j]) / (rho * tokens_per_batch * h[i][j] + 1e-15)
                d[i][j] = math.copysign(min(share, 1.0), m[i][j])
        if calls[0] % curvature_frequency == curvature_frequency - 1:
            for i in range(rows):
                for j in range(columns):
                    h[i][j] = beta2 * h[i][j] + (1 - beta2) * (SAMPLED * g[i][j]) ** 2
        calls[0] += 1
        return d

    return direction


ADAM = {"momentum": (0.9, 0.5), "beta2": (0.95, 0.99), "eps": (1e-15, 1e-3)}


EXACT_ADAM = {"momentum": 0.9, "beta2": 0.95, "eps": 0.0}


HYBRID = ADAM | {"last_layer_lr": (3.16e-3, 0.1)}


EXACT_HYBRID = EXACT_ADAM | {"last_layer_lr": 1.0}


BY_RMS = [[0.365148, 0.730297], [1.095445, -1.460593]]


STUDY: dict[str, Case] = {
    "sgd_ema": Case(
        sgd_ema,
        {"momentum": (0.98, 0.0)},
        scale=1,
        golden_lrs=(1.5, 5.0),
        golden=(3.29771, 2.33396),
        exact={"momentum": 0.98},
        first=[[0.02, 0.04], [0.06, -0.08]],
        quadratic={"momentum": 0.5},
    ),
    "adagrad": Case(
        adagrad,
        {"eps": (1e-10, 1e-3)},
        scale=0,
        golden_lrs=(1e-2, 3e-2),
        golden=(4.07368, 3.03103),
        exact={"eps": 0.0},
        first=[[1, 1], [1, -1]],
        quadratic_lr=1.0,
    ),
    "adafactor_classic": Case(
        adafactor_classic,
        {
            "decay_exponent": (0.8, 0.5),
            "clip_threshold": (1.0, 0.7),
            "min_scale": (1e-3, 1.5),
            "eps": (1e-30, 1e-3),
        },
        scale=0,
        golden_lrs=(1e-2, 3e-2),
        golden=(4.08343, 2.56810),
        vector_rule=adafactor_classic_full,
        reads_weights=True,
        fixed={"min_dim_factored": 4},
        exact={"decay_exponent": 0.8, "clip_threshold": 1.0, "min_scale": 1.0, "eps": 1e-30},
        first=[[1, 1], [1, -1]],
        quadratic_lr=0.2,
    ),
    "adalayer": Case(
        adalayer,
        ADAM,
        scale=0,
        golden_lrs=(3e-3, 1e-2),
        golden=(3.62283, 2.23384),
        exact=EXACT_ADAM,
        first=BY_RMS,
    ),
    "adalayer_star": Case(
        adalayer,
        ADAM,
        scale=0,
        golden_lrs=(3e-3, 1e-2),
        golden=(3.68739, 2.46483),
        role_rules={"last_layer": adalayer_columns},
        exact=EXACT_ADAM,
        first=BY_RMS,
    ),
    "adalayer_sgd_last": Case(
        plain_average,
        HYBRID,
        scale=1,
        golden_lrs=(1.0, 3.0),
        golden=(3.08735, 2.84737),
        role_rules={"last_layer": at_last_layer_lr(adalayer_columns)},
        exact=EXACT_HYBRID,
        first=[[1, 2], [3, -4]],
    ),
    "adalayer_sgd": Case(
        plain_average,
        HYBRID,
        scale=1,
        golden_lrs=(1.0, 3.0),
        golden=(3.41785, 3.43445),
        role_rules={
            "last_layer": at_last_layer_lr(adalayer_columns),
            "norm": at_last_layer_lr(adalayer),
        },
        exact=EXACT_HYBRID,
        first=[[1, 2], [3, -4]],
    ),
    "adafactor_sgd": Case(
        plain_average,
        HYBRID,
        scale=1,
        golden_lrs=(1.0, 3.0),
        golden=(3.45279, 3.47151),
        role_rules={
            "last_layer": at_last_layer_lr(factors),
            "norm": at_last_layer_lr(adalayer),
        },
        exact=EXACT_HYBRID,
        first=[[1, 2], [3, -4]],
    ),
    "adalayer_frozen": Case(
        frozen,
        ADAM | {"freeze_fraction": (0.3, 0.0)},
        scale=0,
        golden_lrs=(3e-3, 1e-2),
        golden=(3.66175, 2.44930),
        vector_rule=frozen_norm,
        role_rules={"last_layer": frozen_last_layer},
        fixed={"steps": 20},
        exact=EXACT_ADAM | {"freeze_fraction": 0.0},
        first=BY_RMS,
        quadratic={"freeze_fraction": 0.0},
    ),
    "sophia": Case(
        sophia,
        {"momentum": (0.965, 0.5), "beta2": (0.99, 0.9), "rho": (0.05, 0.5)},
        scale=0,
        golden_lrs=(1e-3, 3e-3),
        golden=(4.35125, 3.46408),
        fixed={"tokens_per_batch": 30, "curvature_frequency": 3},
        exact={"momentum": 0.9, "beta2": 0.99, "rho": 0.05},
        first=[[1, 1], [1, -1]],
    ),
}
