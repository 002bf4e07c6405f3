"""Rows of newer optimizers; see `cases.py`."""

import math

from tests.trainers.optimizers.adam_forms import ADAM, EXACT_ADAM, Rule, Step, adam
from tests.trainers.optimizers.case import Case, Matrix, sign, zeros


def nadamw(
    rows: int, columns: int, *, momentum: float, beta2: float, eps: float, correct_ahead: int = 0
) -> Rule:
    m, v, calls = zeros(rows, columns), zeros(rows, columns), [0]

    def direction(g: Matrix) -> Matrix:
        calls[0] += 1
        t, d = calls[0], zeros(rows, columns)
        for i in range(rows):
            for j in range(columns):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
                v[i][j] = beta2 * v[i][j] + (1 - beta2) * g[i][j] ** 2
                newest = (1 - momentum) * g[i][j] / (1 - momentum**t)
                older = momentum * m[i][j] / (1 - momentum ** (t + correct_ahead))
                d[i][j] = (older + newest) / (math.sqrt(v[i][j] / (1 - beta2**t)) + eps)
        return d

    return direction


def cautious_adamw(rows: int, columns: int, *, momentum: float, beta2: float, eps: float) -> Rule:
    m, v, calls = zeros(rows, columns), zeros(rows, columns), [0]

    def direction(g: Matrix) -> Matrix:
        calls[0] += 1
        t, d, agreed = calls[0], zeros(rows, columns), 0
        for i in range(rows):
            for j in range(columns):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
                v[i][j] = beta2 * v[i][j] + (1 - beta2) * g[i][j] ** 2
                if m[i][j] * g[i][j] > 0:
                    agreed += 1
                    step = math.sqrt(1 - beta2**t) / (1 - momentum**t)
                    d[i][j] = step * m[i][j] / (math.sqrt(v[i][j]) + eps)
        factor = 1 / max(agreed / (rows * columns), 1e-3)
        return [[factor * x for x in row] for row in d]

    return direction


def cautious_lion(rows: int, columns: int, *, momentum: float, beta2: float) -> Rule:
    m = zeros(rows, columns)

    def direction(g: Matrix) -> Matrix:
        d, agreed = zeros(rows, columns), 0
        for i in range(rows):
            for j in range(columns):
                u = momentum * m[i][j] + (1 - momentum) * g[i][j]
                m[i][j] = beta2 * m[i][j] + (1 - beta2) * g[i][j]
                if u * g[i][j] > 0:
                    agreed += 1
                    d[i][j] = sign(u)
        factor = rows * columns / (agreed + 1)
        return [[factor * x for x in row] for row in d]

    return direction


def ademamix(
    rows: int,
    columns: int,
    *,
    momentum: float,
    beta2: float,
    beta3: float,
    alpha: float,
    eps: float,
    steps: int,
) -> Rule:
    """With the paper's closed form of the growing factor."""
    m, slow, v, calls = *(zeros(rows, columns) for _ in range(3)), [0]

    def direction(g: Matrix) -> Matrix:
        calls[0] += 1
        t, d = calls[0], zeros(rows, columns)
        past = min(1.0, t / steps)
        start, end = math.log(momentum), math.log(beta3)
        factor = math.exp(start * end / ((1 - past) * end + past * start))
        for i in range(rows):
            for j in range(columns):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
                slow[i][j] = factor * slow[i][j] + (1 - factor) * g[i][j]
                v[i][j] = beta2 * v[i][j] + (1 - beta2) * g[i][j] ** 2
                numerator = m[i][j] / (1 - momentum**t) + past * alpha * slow[i][j]
                d[i][j] = numerator / (math.sqrt(v[i][j] / (1 - beta2**t)) + eps)
        return d

    return direction


def mars(
    rows: int, columns: int, *, momentum: float, beta2: float, gamma: float, eps: float
) -> Rule:
    own = adam(rows, columns, momentum=momentum, beta2=beta2, eps=eps)
    last = zeros(rows, columns)

    def direction(g: Matrix) -> Matrix:
        c = zeros(rows, columns)
        for i in range(rows):
            for j in range(columns):
                c[i][j] = g[i][j] + gamma * momentum / (1 - momentum) * (g[i][j] - last[i][j])
                last[i][j] = g[i][j]
        norm = math.sqrt(sum(x**2 for row in c for x in row))
        return own([[x / max(1.0, norm) for x in row] for row in c])

    return direction


def mars_norm(
    rows: int, columns: int, *, momentum: float, beta2: float, gamma: float, eps: float
) -> Rule:
    return adam(rows, columns, momentum=0.9, beta2=0.95, eps=eps)


def prodigy(
    rows: int,
    columns: int,
    *,
    momentum: float,
    beta2: float,
    eps: float,
    d0: float,
    d_coef: float,
) -> Step:
    """With the paper's weights of r and s, which are those of the source times 1 - sqrt(beta2)."""
    m, v, s = (zeros(rows, columns) for _ in range(3))
    start: Matrix = []
    d, r, memory = d0, 0.0, math.sqrt(beta2)

    def step(g: Matrix, w: Matrix, lr: float, decay: float) -> Matrix:
        nonlocal d, r
        if not start:
            start.extend([*row] for row in w)
        r *= memory
        following = zeros(rows, columns)
        for i in range(rows):
            for j in range(columns):
                m[i][j] = momentum * m[i][j] + (1 - momentum) * d * g[i][j]
                v[i][j] = beta2 * v[i][j] + (1 - beta2) * d**2 * g[i][j] ** 2
                r += (1 - memory) * lr * d**2 * g[i][j] * (start[i][j] - w[i][j])
                s[i][j] = memory * s[i][j] + (1 - memory) * lr * d**2 * g[i][j]
                ratio = m[i][j] / (math.sqrt(v[i][j]) + d * eps)
                following[i][j] = w[i][j] * (1 - lr * decay) - lr * d * ratio
        length = sum(abs(x) for row in s for x in row)
        d = max(d, d_coef * r / length) if length else d
        return following

    return step


BEYOND: dict[str, Case] = {
    "nadamw": Case(
        nadamw,
        ADAM,
        scale=0,
        golden_lrs=(3e-3, 1e-2),
        golden=(3.80746, 2.50757),
        exact=EXACT_ADAM,
        first=[[1.9, 1.9], [1.9, -1.9]],
    ),
    "cautious_adamw": Case(
        cautious_adamw,
        ADAM,
        scale=0,
        golden_lrs=(3e-3, 1e-2),
        golden=(3.49098, 2.14305),
        exact=EXACT_ADAM,
        first=[[1, 1], [1, -1]],
    ),
    "cautious_lion": Case(
        cautious_lion,
        {"momentum": (0.9, 0.5), "beta2": (0.95, 0.99)},
        scale=0,
        golden_lrs=(1e-3, 3e-3),
        golden=(4.14614, 3.11293),
        exact={"momentum": 0.9, "beta2": 0.95},
        first=[[0.8, 0.8], [0.8, -0.8]],
    ),
    "ademamix": Case(
        ademamix,
        ADAM | {"beta3": (0.9999, 0.9), "alpha": (8.0, 2.0)},
        scale=0,
        golden_lrs=(3e-3, 1e-2),
        golden=(3.76811, 2.49953),
        exact=EXACT_ADAM | {"beta3": 0.9, "alpha": 20.0},
        first=[[1.1, 1.1], [1.1, -1.1]],
        fixed={"steps": 20},
        quadratic={"beta2": 0.95, "beta3": 0.9, "alpha": 1.0},
    ),
    "mars": Case(
        mars,
        ADAM | {"gamma": (0.025, 0.1)},
        scale=None,
        golden_lrs=(3e-3, 1e-2),
        golden=(4.099, 3.05393),
        exact=EXACT_ADAM | {"gamma": 0.025},
        first=[[1, 1], [1, -1]],
        vector_rule=mars_norm,
    ),
    "prodigy": Case(
        prodigy,
        ADAM | {"d0": (1e-2, 1e-6), "d_coef": (1.0, 2.0)},
        scale=0,
        golden_lrs=(0.3, 1.0),
        golden=(2.42167, 2.16944),
        exact=EXACT_ADAM | {"d0": 1.0, "d_coef": 1.0},
        first=[[0.447214, 0.447214], [0.447214, -0.447214]],
        whole_step=True,
        quadratic_lr=1.0,
        golden_atol=0.02,
    ),
}
