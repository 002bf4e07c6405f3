"""One row per optimizer: the same rule again, for one trial, in loops over plain numbers.

Nothing here imports `trainers.optimizers`. A rule takes gradients and returns the direction
`d` of `w <- w - lr * decay * w - lr * d`, as nested lists of float.
"""

import math
from collections.abc import Callable

from tests.trainers.optimizers.case import Case, Matrix, sign, zeros
from tests.trainers.optimizers.cases_beyond import BEYOND
from tests.trainers.optimizers.cases_matrix import MATRIX
from tests.trainers.optimizers.cases_study import STUDY
from tests.trainers.optimizers.cases_talk import TALK


def sgd(rows: int, columns: int, *, momentum: float) -> Callable[[Matrix], Matrix]:
    buffer: Matrix = []

    def direction(g: Matrix) -> Matrix:
        if not buffer:
            buffer.extend([*row] for row in g)
        else:
            for i in range(rows):
                for j in range(columns):
                    buffer[i][j] = momentum * buffer[i][j] + g[i][j]
        return buffer

    return direction


def adamw(
    rows: int, columns: int, *, momentum: float, beta2: float, eps: float
) -> Callable[[Matrix], Matrix]:
    m, v, calls = zeros(rows, columns), zeros(rows, columns), [0]

    def direction(g: Matrix) -> Matrix:
        calls[0] += 1
        d = zeros(rows, columns)
        for i in range(rows):
            for j in range(columns):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
                v[i][j] = beta2 * v[i][j] + (1 - beta2) * g[i][j] ** 2
                m_hat = m[i][j] / (1 - momentum ** calls[0])
                v_hat = v[i][j] / (1 - beta2 ** calls[0])
                d[i][j] = m_hat / (math.sqrt(v_hat) + eps)
        return d

    return direction


def adafactor(
    rows: int, columns: int, *, momentum: float, beta2: float, eps: float
) -> Callable[[Matrix], Matrix]:
    m, r, c, calls = zeros(rows, columns), [0.0] * rows, [0.0] * columns, [0]

    def direction(g: Matrix) -> Matrix:
        calls[0] += 1
        d = zeros(rows, columns)
        for i in range(rows):
            mean = sum(g[i][j] ** 2 for j in range(columns)) / columns
            r[i] = beta2 * r[i] + (1 - beta2) * mean
        for j in range(columns):
            mean = sum(g[i][j] ** 2 for i in range(rows)) / rows
            c[j] = beta2 * c[j] + (1 - beta2) * mean
        for i in range(rows):
            for j in range(columns):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
                v = r[i] * c[j] / (sum(r) / rows) if sum(r) else 0.0
                m_hat = m[i][j] / (1 - momentum ** calls[0])
                d[i][j] = m_hat / (math.sqrt(v / (1 - beta2 ** calls[0])) + eps)
        return d

    return direction


def adafactor_neurons(
    rows: int, columns: int, *, momentum: float, beta2: float, eps: float, tokens: bool = False
) -> Callable[[Matrix], Matrix]:
    """With `neuron_only`: one second average per column, per row where rows are `tokens`."""
    m, v, calls = zeros(rows, columns), [0.0] * (rows if tokens else columns), [0]

    def direction(g: Matrix) -> Matrix:
        calls[0] += 1
        d = zeros(rows, columns)
        for n in range(len(v)):
            own = g[n] if tokens else [row[n] for row in g]
            v[n] = beta2 * v[n] + (1 - beta2) * sum(x**2 for x in own) / len(own)
        for i in range(rows):
            for j in range(columns):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
                m_hat = m[i][j] / (1 - momentum ** calls[0])
                v_hat = v[i if tokens else j] / (1 - beta2 ** calls[0])
                d[i][j] = m_hat / (math.sqrt(v_hat) + eps)
        return d

    return direction


def adafactor_vector(
    rows: int, columns: int, *, momentum: float, beta2: float, eps: float
) -> Callable[[Matrix], Matrix]:
    m, v, calls = [0.0] * columns, [0.0], [0]

    def direction(g: Matrix) -> Matrix:
        calls[0] += 1
        v[0] = beta2 * v[0] + (1 - beta2) * sum(x**2 for x in g[0]) / columns
        denominator = math.sqrt(v[0] / (1 - beta2 ** calls[0])) + eps
        for j in range(columns):
            m[j] = momentum * m[j] + (1 - momentum) * g[0][j]
        return [[x / (1 - momentum ** calls[0]) / denominator for x in m]]

    return direction


def lion(rows: int, columns: int, *, momentum: float, beta2: float) -> Callable[[Matrix], Matrix]:
    m = zeros(rows, columns)

    def direction(g: Matrix) -> Matrix:
        d = zeros(rows, columns)
        for i in range(rows):
            for j in range(columns):
                d[i][j] = sign(momentum * m[i][j] + (1 - momentum) * g[i][j])
                m[i][j] = beta2 * m[i][j] + (1 - beta2) * g[i][j]
        return d

    return direction


def signum(rows: int, columns: int, *, momentum: float) -> Callable[[Matrix], Matrix]:
    m = zeros(rows, columns)

    def direction(g: Matrix) -> Matrix:
        d = zeros(rows, columns)
        for i in range(rows):
            for j in range(columns):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
                d[i][j] = sign(m[i][j])
        return d

    return direction


ADAM = {"momentum": (0.9, 0.5), "beta2": (0.95, 0.99), "eps": (1e-15, 1e-3)}
EXACT_ADAM = {"momentum": 0.9, "beta2": 0.95, "eps": 0.0}

BASE: dict[str, Case] = {
    "sgd": Case(
        sgd,
        {"momentum": (0.98, 0.0)},
        scale=1,
        golden_lrs=(0.03, 0.1),
        golden=(3.29771, 2.33396),
        exact={"momentum": 0.98},
        first=[[1, 2], [3, -4]],
        quadratic={"momentum": 0.9},
    ),
    "adamw": Case(
        adamw,
        ADAM,
        scale=0,
        golden_lrs=(3e-3, 1e-2),
        golden=(3.85146, 2.59884),
        exact=EXACT_ADAM,
        first=[[1, 1], [1, -1]],
    ),
    "adafactor": Case(
        adafactor,
        ADAM,
        scale=0,
        golden_lrs=(3e-3, 1e-2),
        golden=(3.78596, 2.54356),
        exact=EXACT_ADAM,
        first=[[0.774597, 1.095445], [1.039230, -0.979796]],
        vector_rule=adafactor_vector,
    ),
    "lion": Case(
        lion,
        {"momentum": (0.9, 0.5), "beta2": (0.95, 0.99)},
        scale=0,
        golden_lrs=(1e-3, 3e-3),
        golden=(4.33659, 3.40673),
        exact={"momentum": 0.9, "beta2": 0.95},
        first=[[1, 1], [1, -1]],
    ),
    "signum": Case(
        signum,
        {"momentum": (0.9, 0.5)},
        scale=0,
        golden_lrs=(1e-3, 3e-3),
        golden=(4.32993, 3.36509),
        exact={"momentum": 0.9},
        first=[[1, 1], [1, -1]],
    ),
}

CASES = BASE | STUDY | MATRIX | TALK | BEYOND
