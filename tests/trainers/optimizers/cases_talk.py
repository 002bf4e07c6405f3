"""Rows of the talk's optimizers and of newer ones; see `cases.py`."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing

from tests.trainers.optimizers.case import PEAK, Case, Matrix, sign, zeros

Rule = Callable[[Matrix], Matrix]
Array = numpy.typing.NDArray[np.float64]
Step = Callable[[Matrix, Matrix, float, float], Matrix]
Blocks = list[list[tuple[int, int]]]


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


def adam(rows: int, columns: int, *, momentum: float, beta2: float, eps: float) -> Rule:
    """One block per element."""
    elements = [[(i, j)] for i in range(rows) for j in range(columns)]
    return adam_in_blocks(rows, columns, elements, momentum, beta2, eps)


def adam_in_blocks(
    rows: int, columns: int, blocks: Blocks, momentum: float, beta2: float, eps: float
) -> Rule:
    m, v, calls = zeros(rows, columns), [0.0 for _ in blocks], [0]

    def direction(g: Matrix) -> Matrix:
        calls[0] += 1
        d = zeros(rows, columns)
        for b, block in enumerate(blocks):
            mean = sum(g[i][j] ** 2 for i, j in block) / len(block)
            v[b] = beta2 * v[b] + (1 - beta2) * mean
            denominator = math.sqrt(v[b] / (1 - beta2 ** calls[0])) + eps
            for i, j in block:
                m[i][j] = momentum * m[i][j] + (1 - momentum) * g[i][j]
                d[i][j] = m[i][j] / (1 - momentum ** calls[0]) / denominator
        return d

    return direction


def adam_mini_outputs(
    rows: int, columns: int, *, momentum: float, beta2: float, eps: float, heads: int
) -> Step:
    blocks = [[(i, j) for i in range(rows)] for j in range(columns)]
    return decay_first(adam_in_blocks(rows, columns, blocks, momentum, beta2, eps))


def adam_mini_tokens(
    rows: int, columns: int, *, momentum: float, beta2: float, eps: float, heads: int
) -> Step:
    blocks = [[(i, j) for j in range(columns)] for i in range(rows)]
    return decay_first(adam_in_blocks(rows, columns, blocks, momentum, beta2, eps))


def adam_mini_heads(
    rows: int, columns: int, *, momentum: float, beta2: float, eps: float, heads: int
) -> Step:
    width = columns // heads
    blocks = [
        [(i, j) for i in range(rows) for j in range(h * width, (h + 1) * width)]
        for h in range(heads)
    ]
    return decay_first(adam_in_blocks(rows, columns, blocks, momentum, beta2, eps))


def adam_mini_norm(
    rows: int, columns: int, *, momentum: float, beta2: float, eps: float, heads: int
) -> Step:
    whole = [[(i, j) for i in range(rows) for j in range(columns)]]
    own = decay_first(adam_in_blocks(rows, columns, whole, momentum, beta2, eps))
    return lambda g, w, lr, decay: own(g, w, lr, 0.0)


def decay_first(rule: Rule) -> Step:
    def step(g: Matrix, w: Matrix, lr: float, decay: float) -> Matrix:
        d = rule(g)
        return [
            [x * (1 - lr * decay) - lr * y for x, y in zip(*rows, strict=True)]
            for rows in zip(w, d, strict=True)
        ]

    return step


def schedule_free(momentum: float, scaled: Rule) -> Step:
    """With x, y and z as in the paper; y is what the optimizer is given and returns."""
    z: Matrix = []
    x: Matrix = []
    seen: list[float] = []
    weights: list[float] = []

    def step(g: Matrix, y: Matrix, lr: float, decay: float) -> Matrix:
        if not z:
            z.extend([*row] for row in y)
            x.extend([*row] for row in y)
        seen.append(lr)
        weights.append(max(seen) ** 2)
        c = weights[-1] / sum(weights)
        following = zeros(len(y), len(y[0]))
        for i, row in enumerate(scaled(g)):
            for j, u in enumerate(row):
                z[i][j] -= lr * (u + decay * y[i][j])
                x[i][j] = (1 - c) * x[i][j] + c * z[i][j]
                following[i][j] = (1 - momentum) * z[i][j] + momentum * x[i][j]
        return following

    return step


def schedule_free_sgd(rows: int, columns: int, *, momentum: float) -> Step:
    return schedule_free(momentum, lambda g: g)


def schedule_free_adamw(
    rows: int, columns: int, *, momentum: float, beta2: float, eps: float
) -> Step:
    return schedule_free(momentum, adam(rows, columns, momentum=0.0, beta2=beta2, eps=eps))


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
        d = max(d, d_coef * r / sum(abs(x) for row in s for x in row))
        return following

    return step


ADAM = {"momentum": (0.9, 0.5), "beta2": (0.95, 0.99), "eps": (1e-15, 1e-3)}
SHAMPOO = {"momentum": (0.9, 0.5), "beta2": (0.95, 1.0), "eps": (1e-8, 1e-3)}
EXACT_ADAM = {"momentum": 0.9, "beta2": 0.95, "eps": 0.0}

TALK: dict[str, Case] = {
    "nadamw": Case(
        nadamw,
        ADAM,
        scale=0,
        golden_lrs=(3e-3, 1e-2),
        golden=(3.80746, 2.50757),
        exact=EXACT_ADAM,
        first=[[1.9, 1.9], [1.9, -1.9]],
    ),
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
    "adam_mini": Case(
        adam_mini_outputs,
        ADAM,
        scale=0,
        golden_lrs=(3e-3, 1e-2),
        golden=(3.74885, 2.61952),
        exact=EXACT_ADAM,
        first=[[0.447214, 0.632456], [1.341641, -1.264911]],
        vector_rule=adam_mini_norm,
        role_rules={
            "embedding": adam_mini_tokens,
            "attention_q": adam_mini_heads,
            "attention_k": adam_mini_heads,
        },
        whole_step=True,
        fixed={"heads": 2},
    ),
    "schedule_free_sgd": Case(
        schedule_free_sgd,
        {"momentum": (0.9, 0.5)},
        scale=1,
        golden_lrs=(0.3, 1.0),
        golden=(3.87636, 2.33206),
        exact={"momentum": 0.9},
        first=[[1, 2], [3, -4]],
        whole_step=True,
        quadratic_lr=1.0,
    ),
    "schedule_free_adamw": Case(
        schedule_free_adamw,
        ADAM,
        scale=0,
        golden_lrs=(3e-3, 1e-2),
        golden=(3.8593, 2.50295),
        exact=EXACT_ADAM,
        first=[[1, 1], [1, -1]],
        whole_step=True,
        quadratic_lr=0.3,
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
