"""What several oracles are made of: Adam over blocks, and decay before the step."""

import math
from collections.abc import Callable

from tests.trainers.optimizers.case import Matrix, zeros

Rule = Callable[[Matrix], Matrix]
Step = Callable[[Matrix, Matrix, float, float], Matrix]
Blocks = list[list[tuple[int, int]]]

ADAM = {"momentum": (0.9, 0.5), "beta2": (0.95, 0.99), "eps": (1e-15, 1e-3)}
EXACT_ADAM = {"momentum": 0.9, "beta2": 0.95, "eps": 0.0}


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


def decay_first(rule: Rule) -> Step:
    def step(g: Matrix, w: Matrix, lr: float, decay: float) -> Matrix:
        d = rule(g)
        return [
            [x * (1 - lr * decay) - lr * y for x, y in zip(*rows, strict=True)]
            for rows in zip(w, d, strict=True)
        ]

    return step
