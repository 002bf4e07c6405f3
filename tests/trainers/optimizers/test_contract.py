"""What every optimizer of the registry must hold, row by row."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.trainers.optimizers.case import PEAK, SAMPLED, Matrix
from tests.trainers.optimizers.cases import CASES
from tests.trainers.optimizers.harness import build, context, directions, update
from trainers.config import TRAINING_HYPERPARAMETERS
from trainers.optimizers import REGISTRY, hyperparameters
from trainers.optimizers.base import ParamRole
from trainers.schedules import warmup_cosine
from trainers.stacked import clip_factors, norms

SHAPES = {
    ParamRole.MLP: (4, 5),
    ParamRole.ATTENTION_Q: (5, 4),
    ParamRole.EMBEDDING: (6, 5),
    ParamRole.LAST_LAYER: (6, 7),
    ParamRole.NORM: (6,),
}
"""Sides differ by one: the eigenvectors of a product have no free choice but their sign then."""

STEPS = 20

every_optimizer = pytest.mark.parametrize("name", REGISTRY)
every_role = pytest.mark.parametrize("role", SHAPES)


def grads_of(shape: tuple[int, ...], count: int = 2, steps: int = STEPS) -> list[Tensor]:
    generator = torch.Generator().manual_seed(7)
    return [
        torch.randn(count, *shape, generator=generator, dtype=torch.float64) for _ in range(steps)
    ]


def as_matrix(tensor: Tensor) -> Matrix:
    rows: Matrix = (tensor if tensor.dim() == 2 else tensor[None]).tolist()
    return rows


def settings(name: str) -> dict[str, tuple[float, float]]:
    return dict(CASES[name].hyperparameters)


def test_every_optimizer_has_a_row() -> None:
    assert CASES.keys() == REGISTRY.keys()
    for name, case in CASES.items():
        assert case.hyperparameters.keys() == REGISTRY[name].hyperparameters.keys()


@every_optimizer
@every_role
@pytest.mark.parametrize("member", [0, 1])
def test_twenty_steps_equal_plain_loops(name: str, role: ParamRole, member: int) -> None:
    """With clipping, schedule and decay: `w *= 1 - lr * decay`, then `w -= lr * d`."""
    assert_plain_loops(name, role, member, grads_of(SHAPES[role]), limit=1.5)


def late(grads: list[Tensor]) -> list[Tensor]:
    """Nothing in the first five steps."""
    return [torch.zeros_like(g) for g in grads[:5]] + grads[5:]


def sparse(grads: list[Tensor]) -> list[Tensor]:
    """Never anything in every other row and output, as of tokens that do not occur."""
    for grad in grads:
        grad[:, ::2] = 0
        grad[..., ::2] = 0
    return grads


def huge(grads: list[Tensor]) -> list[Tensor]:
    return [1e12 * grad for grad in grads]


def of_rank_one(grads: list[Tensor]) -> list[Tensor]:
    return [g[:, :, :1] * g[:, :1] if g.dim() == 3 else g for g in grads]


Kind = Callable[[list[Tensor]], list[Tensor]]

FREE_DIRECTIONS: dict[Kind, set[str]] = {
    of_rank_one: {"soap", "shampoo", "shampoo_squared"},
    sparse: {"soap", "shampoo", "shampoo_squared"},
    late: {"soap"},
}
"""Whose directions without a gradient are anybody's choice, or all but zero and divided by that."""


@every_optimizer
@pytest.mark.parametrize("role", [ParamRole.MLP, ParamRole.LAST_LAYER, ParamRole.NORM])
@pytest.mark.parametrize("kind", [late, sparse, huge, of_rank_one])
def test_unusual_gradients_equal_plain_loops(name: str, role: ParamRole, kind: Kind) -> None:
    if role is ParamRole.NORM or name not in FREE_DIRECTIONS.get(kind, ()):
        assert_plain_loops(name, role, 1, kind(grads_of(SHAPES[role])), limit=1e300)


def assert_plain_loops(
    name: str, role: ParamRole, member: int, grads: list[Tensor], *, limit: float
) -> None:
    shape, weight_decay = SHAPES[role], 0.1
    optimizer = build(name, settings(name))
    value = torch.ones(2, *shape, dtype=torch.float64)
    state = optimizer.init(value, role)
    schedule = {
        "lr_floor": torch.full((2,), 0.1, dtype=torch.float64),
        "warmup_fraction": torch.full((2,), 0.1, dtype=torch.float64),
    }
    case = CASES[name]
    rows, columns = (1, *shape) if len(shape) == 1 else shape
    own = {k: v[member] for k, v in case.hyperparameters.items()}
    oracle = case.rule_of(role)(rows, columns, **own, **case.fixed)
    expected = [[1.0] * columns for _ in range(rows)]

    for step, grad in enumerate(grads, 1):
        lr = PEAK * warmup_cosine(step, STEPS, schedule)[0].item()
        factor = clip_factors(norms(grad.flatten(1)), torch.tensor([limit, limit]))
        clipped = grad * factor.view(2, *[1] * len(shape))
        now = context(step, 2, lr=lr, peak_lr=PEAK, decay=weight_decay / PEAK, role=role)
        delta, state = update(optimizer, clipped, state, value, now)
        value = value + delta
        if optimizer.curvature is not None and step % optimizer.curvature.every == 0:
            state = optimizer.curvature.update(SAMPLED * clipped, state, value, now)

        g = as_matrix(grad[member])
        norm = sum(x**2 for row in g for x in row) ** 0.5
        share = min(1.0, limit / (norm + 1e-6))
        g, weights = [[x * share for x in row] for row in g], [[*row] for row in expected]
        if case.whole_step:
            expected = oracle(g, weights, lr, weight_decay / PEAK)
            continue
        d = oracle(g, *[weights] * case.reads_weights)
        for i in range(rows):
            for j in range(columns):
                expected[i][j] *= 1 - lr * weight_decay / PEAK
                expected[i][j] -= lr * d[i][j]

    assert as_matrix(value[member]) == [pytest.approx(row, rel=case.rtol) for row in expected]


@every_optimizer
@every_role
def test_a_stack_is_its_members_side_by_side(name: str, role: ParamRole) -> None:
    grads = grads_of(SHAPES[role])
    together = directions(build(name, settings(name)), grads, role=role)
    for k in range(2):
        own = {key: [values[k]] for key, values in settings(name).items()}
        alone = directions(build(name, own), [g[k : k + 1] for g in grads], role=role)
        for ours, theirs in zip(together, alone, strict=True):
            rtol = max(1e-12, CASES[name].rtol / 100)
            torch.testing.assert_close(ours[k : k + 1], theirs, rtol=rtol, atol=0)


@every_optimizer
@every_role
def test_a_nan_in_one_member_leaves_the_other_bitwise_alone(name: str, role: ParamRole) -> None:
    grads = grads_of(SHAPES[role])
    clean = directions(build(name, settings(name)), grads, role=role)
    grads[3][1].fill_(float("nan"))
    spoiled = directions(build(name, settings(name)), grads, role=role)
    for ours, theirs in zip(spoiled, clean, strict=True):
        assert torch.equal(ours[0], theirs[0])
    assert spoiled[3][1].isnan().all()
    assert spoiled[-1][1].isnan().any()


@every_optimizer
@every_role
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_update_is_pure_and_keeps_shape_and_type(
    name: str, role: ParamRole, dtype: torch.dtype
) -> None:
    optimizer = build(name, settings(name))
    grad = grads_of(SHAPES[role])[0].to(dtype)
    value = torch.ones_like(grad)
    state = optimizer.init(value, role)
    _, state = update(optimizer, grad, state, value, context(1, 2, role=role))
    arguments = [grad, value, *state.values()]
    copies = [tensor.clone() for tensor in arguments]
    now = context(2, 2, lr=0.1, decay=0.1, role=role)
    delta, new = update(optimizer, grad, state, value, now)
    assert all(torch.equal(a, b) for a, b in zip(arguments, copies, strict=True))
    assert (delta.shape, delta.dtype) == (value.shape, dtype)
    assert {k: (t.shape, t.dtype) for k, t in new.items()} == {
        k: (t.shape, t.dtype) for k, t in state.items()
    }
    old = {tensor.data_ptr() for tensor in arguments}
    changed = [tensor for key, tensor in new.items() if tensor is not state[key]]
    assert all(tensor.shape[0] == 2 and tensor.data_ptr() not in old for tensor in changed)


@every_optimizer
def test_a_quadratic_is_solved(name: str) -> None:
    """Minimises `(w - target)^2 / 2` for two members at once."""
    target = torch.tensor([[[1.0, -2.0]], [[0.5, 3.0]]], dtype=torch.float64)
    defaults = {k: [v.default] * 2 for k, v in REGISTRY[name].hyperparameters.items()}
    changes = {k: [v] * 2 for k, v in CASES[name].quadratic.items()}
    optimizer = build(name, defaults | changes)
    value = torch.zeros_like(target)
    state = optimizer.init(value, ParamRole.MLP)
    for step in range(1, 401):
        delta, state = update(
            optimizer,
            value - target,
            state,
            value,
            context(step, 2, lr=CASES[name].quadratic_lr * (1 - step / 401)),
        )
        value = value + delta
    if optimizer.eval_params is not None:
        value = optimizer.eval_params(value, state)
    torch.testing.assert_close(value, target, atol=0.02, rtol=0)


@every_optimizer
def test_elementwise_optimizers_may_see_all_parameters_as_one(name: str) -> None:
    optimizer = build(name, settings(name))
    if not optimizer.elementwise:
        return
    grads = grads_of((4, 5))
    whole = directions(optimizer, grads)
    flat = directions(optimizer, [g.flatten(1) for g in grads])
    for ours, theirs in zip(flat, whole, strict=True):
        assert torch.equal(ours.view_as(theirs), theirs)


@every_optimizer
def test_docstrings_have_their_four_parts(name: str) -> None:
    doc = REGISTRY[name].build.__doc__ or ""
    positions = [doc.find(part) for part in ("Update", "Args:", "Source:", "Deviations:")]
    assert positions == sorted(positions)
    assert min(positions) > 0
    for own in REGISTRY[name].hyperparameters:
        assert f"{own}:" in doc


@every_optimizer
def test_defaults_lie_in_their_range(name: str) -> None:
    for own, description in hyperparameters(name, "warmup_cosine").items():
        assert description.admits(description.default), own
        assert description.help, own


def test_a_run_reads_what_its_schedule_reads() -> None:
    assert hyperparameters("lion", "warmup_cosine").keys() == {
        *TRAINING_HYPERPARAMETERS,
        "momentum",
        "beta2",
    }
    unread = {"warmup_fraction", "lr_floor"}
    assert not unread & hyperparameters("lion", "constant").keys()
    assert hyperparameters("sgd", "constant")["lr"].default == REGISTRY["sgd"].lr
