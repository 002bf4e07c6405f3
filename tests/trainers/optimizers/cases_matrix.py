"""Rows of the optimizers that see a matrix as a matrix; see `cases.py`."""

import math

import numpy as np
import numpy.typing

from tests.trainers.optimizers.adam_forms import ADAM, EXACT_ADAM, Rule, Step, adam
from tests.trainers.optimizers.case import PEAK, Case, Matrix, zeros

Array = numpy.typing.NDArray[np.float64]


def times(a: Matrix, b: Matrix) -> Matrix:
    return [
        [sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b, strict=True)]
        for row in a
    ]


def transposed(a: Matrix) -> Matrix:
    return [[*column] for column in zip(*a, strict=True)]


def newton_schulz(u: Matrix) -> Matrix:
    """For PyTorch's orientation, outputs x inputs."""
    if len(u) > len(u[0]):
        return transposed(newton_schulz(transposed(u)))
    norm = math.sqrt(sum(x**2 for row in u for x in row)) + 1e-7
    x = [[value / norm for value in row] for row in u]
    for _ in range(5):
        a = times(x, transposed(x))
        aa = times(a, a)
        b = [
            [-4.7750 * p + 2.0315 * q for p, q in zip(*rows, strict=True)]
            for rows in zip(a, aa, strict=True)
        ]
        bx = times(b, x)
        x = [
            [3.4445 * p + q for p, q in zip(*rows, strict=True)] for rows in zip(x, bx, strict=True)
        ]
    return x


def muon(rows: int, columns: int, *, momentum: float, **_adam: float) -> Rule:
    m = zeros(columns, rows)

    def direction(g: Matrix) -> Matrix:
        u = zeros(columns, rows)
        for i in range(columns):
            for j in range(rows):
                m[i][j] += (1 - momentum) * (g[j][i] - m[i][j])
                u[i][j] = (1 - momentum) * g[j][i] + momentum * m[i][j]
        factor = math.sqrt(max(1, columns / rows))
        return [[factor * x for x in row] for row in transposed(newton_schulz(u))]

    return direction


def muon_with_adam(
    rows: int,
    columns: int,
    *,
    adam_lr: float,
    adam_momentum: float,
    beta2: float,
    eps: float,
    **_muon: float,
) -> Rule:
    own = adam(rows, columns, momentum=adam_momentum, beta2=beta2, eps=eps)

    def direction(g: Matrix) -> Matrix:
        return [[adam_lr / PEAK * x for x in row] for row in own(g)]

    return direction


def soap(
    rows: int,
    columns: int,
    *,
    momentum: float,
    beta2: float,
    eps: float,
    precondition_frequency: int = 10,
    max_precond_dim: int = 10_000,
) -> Step:
    """With the average of gradients in the original basis, as in the paper's algorithm."""
    L, R = np.zeros((rows, rows)), np.zeros((columns, columns))
    Q = [np.eye(rows), np.eye(columns)]
    two_sided = [size <= max_precond_dim for size in (rows, columns)]
    m, v, t = np.zeros((rows, columns)), np.zeros((rows, columns)), -1

    def step(g: Matrix, w: Matrix, lr: float, decay: float) -> Matrix:
        nonlocal L, R, m, v, t
        G, t = np.array(g), t + 1
        L, R = beta2 * L + (1 - beta2) * G @ G.T, beta2 * R + (1 - beta2) * G.T @ G
        if t == 0:
            for side, gram in enumerate((L, R)):
                if two_sided[side]:
                    Q[side] = np.linalg.eigh(gram)[1][:, ::-1]
            return w
        m = momentum * m + (1 - momentum) * G
        v = beta2 * v + (1 - beta2) * (Q[0].T @ G @ Q[1]) ** 2
        N = Q[0] @ ((Q[0].T @ m @ Q[1]) / (np.sqrt(v) + eps)) @ Q[1].T
        W = np.array(w) - lr * math.sqrt(1 - beta2**t) / (1 - momentum**t) * N
        W = W - lr * decay * W
        if t % precondition_frequency == 0:
            for side, gram in enumerate((L, R)):
                if two_sided[side]:
                    order = np.argsort(-np.diag(Q[side].T @ gram @ Q[side]))
                    v = np.take(v, order, axis=side)
                    Q[side] = np.linalg.qr(gram @ Q[side][:, order])[0]
        return as_lists(W)

    return step


def soap_norm(
    rows: int,
    columns: int,
    *,
    momentum: float,
    beta2: float,
    eps: float,
    precondition_frequency: int = 10,
    max_precond_dim: int = 10_000,
) -> Step:
    return soap(
        rows,
        columns,
        momentum=momentum,
        beta2=beta2,
        eps=eps,
        max_precond_dim=0,
    )


def as_lists(array: Array) -> Matrix:
    rows: Matrix = array.tolist()
    return rows


def shampoo(
    rows: int,
    columns: int,
    *,
    momentum: float,
    beta2: float,
    eps: float,
    precondition_frequency: int = 10,
    max_precond_dim: int = 10_000,
    graft: int = 1,
    total: float = 0.5,
) -> Rule:
    """`total`: of the exponents of both sides, or of the only one."""
    sides = [side for side, size in enumerate((rows, columns)) if size <= max_precond_dim]
    grams = [np.zeros((rows, rows)), np.zeros((columns, columns))]
    roots = [np.eye(rows), np.eye(columns)]
    m, v, t = np.zeros((rows, columns)), np.zeros((rows, columns)), 0

    def root(gram: Array) -> Array:
        values, vectors = np.linalg.eigh(gram / (1 - beta2**t if beta2 < 1 else 1.0))
        powers = (np.maximum(values, 0.0) + eps) ** (-total / len(sides))
        return np.array(vectors * powers @ vectors.T)

    def direction(g: Matrix) -> Matrix:
        nonlocal m, v, t
        G, t = np.array(g), t + 1
        m = momentum * m + (1 - momentum) * G
        weight = 1 - beta2 if beta2 < 1 else 1.0
        v = beta2 * v + weight * G**2
        for side, square in enumerate((G @ G.T, G.T @ G)):
            grams[side] = beta2 * grams[side] + weight * square
            if side in sides and (t <= precondition_frequency or t % precondition_frequency == 0):
                roots[side] = root(grams[side])
        m_hat = m / (1 - momentum**t)
        n = m_hat / np.sqrt(v / (1 - beta2**t if beta2 < 1 else 1.0) + eps)
        if not sides:
            return as_lists(n)
        d = roots[0] @ m_hat @ roots[1]
        return as_lists(d * np.linalg.norm(n) / np.linalg.norm(d) if graft else d)

    return direction


def shampoo_squared(
    rows: int,
    columns: int,
    *,
    momentum: float,
    beta2: float,
    eps: float,
    precondition_frequency: int = 10,
    max_precond_dim: int = 10_000,
    graft: int = 1,
) -> Rule:
    return shampoo(
        rows,
        columns,
        momentum=momentum,
        beta2=beta2,
        eps=eps,
        precondition_frequency=precondition_frequency,
        max_precond_dim=max_precond_dim,
        graft=graft,
        total=1.0,
    )


def shampoo_norm(
    rows: int,
    columns: int,
    *,
    momentum: float,
    beta2: float,
    eps: float,
    precondition_frequency: int = 10,
    max_precond_dim: int = 10_000,
    graft: int = 1,
) -> Rule:
    return shampoo(rows, columns, momentum=momentum, beta2=beta2, eps=eps, max_precond_dim=0)


SHAMPOO = {"momentum": (0.9, 0.5), "beta2": (0.95, 1.0), "eps": (1e-8, 1e-3)}

MATRIX: dict[str, Case] = {
    "muon": Case(
        muon,
        ADAM | {"momentum": (0.95, 0.5), "adam_lr": (3e-4, 0.1), "adam_momentum": (0.9, 0.5)},
        scale=0,
        golden_lrs=(1e-2, 3e-2),
        golden=(4.73255, 4.68256),
        exact=EXACT_ADAM | {"adam_lr": 1.0, "adam_momentum": 0.9},
        first=[[0.788575, 0.687614], [0.586653, -0.485693]],
        role_rules=dict.fromkeys(("embedding", "norm", "last_layer"), muon_with_adam),
        scale_rtol=1e-3,
    ),
    "soap": Case(
        soap,
        ADAM | {"eps": (1e-8, 1e-3)},
        scale=0,
        golden_lrs=(1e-2, 3e-2),
        golden=(3.36173, 1.85182),
        exact=EXACT_ADAM,
        first=[[0, 0], [0, 0]],
        vector_rule=soap_norm,
        whole_step=True,
        fixed={"precondition_frequency": 3},
        rtol=1e-6,
        scale_rtol=1e-8,
        golden_atol=0.15,
    ),
    "shampoo": Case(
        shampoo,
        SHAMPOO,
        scale=0,
        golden_lrs=(1e-2, 3e-2),
        golden=(1.99215, 1.63847),
        exact=EXACT_ADAM,
        first=[[0.707107, 0.707107], [0.707107, -0.707107]],
        vector_rule=shampoo_norm,
        fixed={"precondition_frequency": 3, "graft": False},
        rtol=1e-6,
        scale_rtol=1e-8,
        golden_atol=0.02,
    ),
    "shampoo_squared": Case(
        shampoo_squared,
        SHAMPOO,
        scale=-1,
        golden_lrs=(1e-2, 3e-2),
        golden=(2.26193, 1.60282),
        exact=EXACT_ADAM,
        first=[[0.4, 0.3], [0.2, -0.1]],
        vector_rule=shampoo_norm,
        fixed={"precondition_frequency": 3, "graft": False},
        rtol=1e-6,
        scale_rtol=1e-8,
        golden_atol=0.02,
    ),
}
