"""Oracles of the rules with one average per block, row or column of a tensor."""

import math
from collections.abc import Callable
from typing import Any

from tests.trainers.optimizers.case import PEAK, Matrix, zeros


def adalayer(
    rows: int, columns: int, *, momentum: float, beta2: float, eps: float
) -> Callable[[Matrix], Matrix]:
    m, v, calls = zeros(rows, columns), [0.0], [0]

    def direction(g: Matrix) -> Matrix:
        calls[0] += 1
        d, total = zeros(rows, columns), 0.0
        for i in range(rows):
            for j in range(columns):
                total += g[i][j] ** 2
        v[0] = beta2 * v[0] + (1 - beta2) * total / (rows * columns)
        for i in range(rows):
            for j in range(columns):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
                m_hat = m[i][j] / (1 - momentum ** calls[0])
                d[i][j] = m_hat / (math.sqrt(v[0] / (1 - beta2 ** calls[0])) + eps)
        return d

    return direction


def adalayer_columns(
    rows: int, columns: int, *, momentum: float, beta2: float, eps: float
) -> Callable[[Matrix], Matrix]:
    m, v, calls = zeros(rows, columns), [0.0] * columns, [0]

    def direction(g: Matrix) -> Matrix:
        calls[0] += 1
        d = zeros(rows, columns)
        for j in range(columns):
            mean = sum(g[i][j] ** 2 for i in range(rows)) / rows
            v[j] = beta2 * v[j] + (1 - beta2) * mean
            denominator = math.sqrt(v[j] / (1 - beta2 ** calls[0])) + eps
            for i in range(rows):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
                d[i][j] = m[i][j] / (1 - momentum ** calls[0]) / denominator
        return d

    return direction


def factors(
    rows: int, columns: int, *, momentum: float, beta2: float, eps: float
) -> Callable[[Matrix], Matrix]:
    m, r, c, calls = zeros(rows, columns), [0.0] * rows, [0.0] * columns, [0]

    def direction(g: Matrix) -> Matrix:
        calls[0] += 1
        d = zeros(rows, columns)
        for i in range(rows):
            r[i] = beta2 * r[i] + (1 - beta2) * sum(x**2 for x in g[i]) / columns
        for j in range(columns):
            c[j] = beta2 * c[j] + (1 - beta2) * sum(g[i][j] ** 2 for i in range(rows)) / rows
        for i in range(rows):
            for j in range(columns):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
                v = r[i] * c[j] / (sum(r) / rows) / (1 - beta2 ** calls[0]) if sum(r) else 0.0
                d[i][j] = m[i][j] / (1 - momentum ** calls[0]) / (math.sqrt(v) + eps)
        return d

    return direction


def frozen(
    rows: int,
    columns: int,
    *,
    momentum: float,
    beta2: float,
    eps: float,
    freeze_fraction: float,
    steps: int,
    columns_apart: bool = False,
    goes_on: bool = False,
) -> Callable[[Matrix], Matrix]:
    """Adalayer*'s tensor or, with `columns_apart`, its last layer; a list of v per column."""
    first_phase = math.floor(freeze_fraction * steps)
    m, v, calls = zeros(rows, columns), [0.0] * columns, [0]

    def direction(g: Matrix) -> Matrix:
        calls[0] += 1
        t, d = calls[0], zeros(rows, columns)
        by_column = [sum(g[i][j] ** 2 for i in range(rows)) / rows for j in range(columns)]
        for j in range(columns):
            mean = by_column[j] if columns_apart else sum(by_column) / columns
            if first_phase == 0:
                v[j] = beta2 * v[j] + (1 - beta2) * mean
            elif t <= first_phase:
                v[j] += (mean - v[j]) / (t + 1)
            elif goes_on:
                v[j] = beta2 * v[j] + (1 - beta2) * mean
            v_hat = v[j] if first_phase else v[j] / (1 - beta2**t)
            for i in range(rows):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
                d[i][j] = m[i][j] / (1 - momentum**t) / (math.sqrt(v_hat) + eps)
        return d

    return direction


def frozen_last_layer(rows: int, columns: int, **own: Any) -> Callable[[Matrix], Matrix]:
    return frozen(rows, columns, columns_apart=True, goes_on=True, **own)


def frozen_norm(rows: int, columns: int, **own: Any) -> Callable[[Matrix], Matrix]:
    return frozen(rows, columns, goes_on=True, **own)


def plain_average(
    rows: int, columns: int, *, momentum: float, beta2: float, eps: float, last_layer_lr: float
) -> Callable[[Matrix], Matrix]:
    """What hybrids do to parameters that are not adaptive."""
    m, calls = zeros(rows, columns), [0]

    def direction(g: Matrix) -> Matrix:
        calls[0] += 1
        d = zeros(rows, columns)
        for i in range(rows):
            for j in range(columns):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
                d[i][j] = m[i][j] / (1 - momentum ** calls[0])
        return d

    return direction


def at_last_layer_lr(
    rule: Callable[..., Callable[[Matrix], Matrix]],
) -> Callable[..., Callable[[Matrix], Matrix]]:
    """The rule for a group whose peak is `last_layer_lr` where the others' is `PEAK`."""

    def build(
        rows: int, columns: int, *, momentum: float, beta2: float, eps: float, last_layer_lr: float
    ) -> Callable[[Matrix], Matrix]:
        own = rule(rows, columns, momentum=momentum, beta2=beta2, eps=eps)
        return lambda g: [[x * last_layer_lr / PEAK for x in row] for row in own(g)]

    return build
