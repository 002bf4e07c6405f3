"""Rows of Schedule-Free and Adam-mini; see `cases.py`."""

from tests.trainers.optimizers.adam_forms import (
    ADAM,
    EXACT_ADAM,
    Rule,
    Step,
    adam,
    adam_in_blocks,
    decay_first,
)
from tests.trainers.optimizers.case import Case, Matrix, zeros


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


TALK: dict[str, Case] = {
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
}
