"""Identities and closed forms of the study's optimizers (arXiv 2407.07972)."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.trainers.builders import tiny_config
from tests.trainers.optimizers.cases import CASES
from tests.trainers.optimizers.harness import build, column, context, directions
from trainers.checkpoints import load
from trainers.loop import StackRun
from trainers.optimizers import REGISTRY
from trainers.optimizers.base import ParamRole, State

ADAM = {"momentum": [0.9, 0.5], "beta2": [0.95, 0.8], "eps": [1e-15, 1e-4]}


HYBRIDS = {
    "adalayer_sgd_last": {ParamRole.LAST_LAYER},
    "adalayer_sgd": {ParamRole.LAST_LAYER, ParamRole.NORM},
    "adafactor_sgd": {ParamRole.LAST_LAYER, ParamRole.NORM},
}


BLOCKWISE = ["adalayer", "adalayer_star", "adalayer_frozen", "adalayer_sgd_last", "adalayer_sgd"]


def random_grads(*shape: int, count: int = 6) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, *shape, generator=generator, dtype=torch.float64) for _ in range(count)]


def assert_same(first: list[Tensor], second: list[Tensor]) -> None:
    for ours, theirs in zip(first, second, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_averaged_sgd_is_heavy_ball_at_another_rate() -> None:
    grads, momentum = random_grads(3, 4), {"momentum": [0.98, 0.5]}
    averaged = directions(build("sgd_ema", momentum), grads)
    summed = directions(build("sgd", momentum), grads)
    gain = 1 / (1 - column(0.98, 0.5))[:, None, None]
    assert_same([d * gain for d in averaged], summed)


def test_adagrad_is_pytorchs() -> None:
    grads = random_grads(3, 4, count=20)
    theirs = torch.nn.Parameter(torch.zeros(3, 4, dtype=torch.float64))
    reference = torch.optim.Adagrad([theirs], lr=0.1, eps=1e-10)
    for grad in grads:
        theirs.grad = grad[0].clone()
        reference.step()
    ours = directions(build("adagrad", {"eps": [1e-10, 1e-10]}), grads)
    torch.testing.assert_close(-0.1 * sum(d[0] for d in ours), theirs.detach(), rtol=1e-10, atol=0)


def test_adagrad_slows_down_as_the_root_of_time() -> None:
    grads = [torch.full((1, 1, 1), -3.0, dtype=torch.float64)] * 5
    found = [d.item() for d in directions(build("adagrad", {"eps": [0.0]}), grads)]
    assert found == pytest.approx([-(t**-0.5) for t in range(1, 6)])


def full_matrix_adagrad(grads: Tensor) -> list[Tensor]:
    """`H <- H + g g^T, d = H^(-1/2) g` by pseudo-inverse, for gradients `(t, n)`."""
    matrix, found = torch.zeros(grads.shape[1], grads.shape[1], dtype=torch.float64), []
    for g in grads:
        matrix = matrix + torch.outer(g, g)
        root, vectors = torch.linalg.eigh(matrix)
        inverse = torch.where(root > 1e-9, root.clamp(min=1e-9) ** -0.5, 0.0)
        found.append(vectors @ (inverse * (vectors.T @ g)))
    return found


def test_adagrad_is_its_full_matrix_form_where_gradients_lie_on_axes() -> None:
    values = torch.tensor([[2.0, 0, 0], [0, -3, 0], [1, 0, 0], [0, 0, 5], [0, 4, 0]]).double()
    found = directions(build("adagrad", {"eps": [1e-300]}), [g[None, None] for g in values])
    expected = full_matrix_adagrad(values)
    assert_same([direction[0, 0] for direction in found], expected)


def test_the_full_matrix_form_steps_along_any_first_gradient_and_ours_along_its_sign() -> None:
    g = random_grads(5)[0][0]
    torch.testing.assert_close(full_matrix_adagrad(g[None])[0], g / g.norm())
    (found,) = directions(build("adagrad", {"eps": [1e-300]}), [g[None]])
    torch.testing.assert_close(found[0], g.sign())


def test_adalayer_of_one_element_is_adam() -> None:
    grads = random_grads(1, 1)
    assert_same(directions(build("adalayer", ADAM), grads), directions(build("adamw", ADAM), grads))


@pytest.mark.parametrize("name", ["adalayer", "adalayer_star"])
@pytest.mark.parametrize("role", [ParamRole.MLP, ParamRole.LAST_LAYER])
def test_adalayers_are_adam_where_magnitudes_are_equal(name: str, role: ParamRole) -> None:
    grads = [grad.sign() * (t + 1) for t, grad in enumerate(random_grads(3, 4))]
    adam = directions(build("adamw", ADAM), grads)
    assert_same(directions(build(name, ADAM), grads, role=role), adam)


def test_adafactor_of_a_vector_is_adalayer() -> None:
    grads, role = random_grads(4), ParamRole.NORM
    adalayer = directions(build("adalayer", ADAM), grads, role=role)
    assert_same(directions(build("adafactor", ADAM), grads, role=role), adalayer)
    elementwise = directions(build("adamw", ADAM), grads, role=role)
    assert not torch.allclose(elementwise[0], adalayer[0])


def test_every_logit_of_a_small_vocabulary_is_a_block() -> None:
    """Columns of `(K, D, V)`: the closed form per logit, transposed."""
    g = torch.tensor([[[1.0, 3.0], [2.0, -4.0]]], dtype=torch.float64)
    exact = {k: [v] for k, v in CASES["adalayer_star"].exact.items()}
    found = directions(build("adalayer_star", exact), [g], role=ParamRole.LAST_LAYER)[0][0]
    expected = [[0.632456, 0.848528], [1.264911, -1.131371]]
    assert found.tolist() == [pytest.approx(row, abs=1e-6) for row in expected]


@pytest.mark.parametrize("role", sorted(set(ParamRole) - {ParamRole.LAST_LAYER}))
def test_only_the_last_layer_distinguishes_the_adalayers(role: ParamRole) -> None:
    grads = random_grads(4) if role is ParamRole.NORM else random_grads(3, 4)
    star = directions(build("adalayer_star", ADAM), grads, role=role)
    assert_same(star, directions(build("adalayer", ADAM), grads, role=role))


@pytest.mark.parametrize("name", HYBRIDS)
@pytest.mark.parametrize("role", ParamRole)
def test_hybrids_are_averaged_sgd_but_for_some_roles(name: str, role: ParamRole) -> None:
    grads = random_grads(4) if role is ParamRole.NORM else random_grads(3, 4)
    hybrid = build(name, ADAM | {"last_layer_lr": [0.5, 2.0]})
    found = directions(hybrid, grads, role=role)
    rate = column(0.5, 2.0).view(2, *[1] * (grads[0].dim() - 1))
    if role in HYBRIDS[name]:
        part = "adafactor" if name == "adafactor_sgd" else "adalayer_star"
        expected = [rate * d for d in directions(build(part, ADAM), grads, role=role)]
    else:
        momentum = column(*ADAM["momentum"]).view_as(rate)
        averages = directions(build("sgd_ema", {"momentum": ADAM["momentum"]}), grads)
        expected = [m / (1 - momentum**t) for t, m in enumerate(averages, 1)]
    assert_same(found, expected)


@pytest.mark.parametrize("name", HYBRIDS)
def test_adaptive_groups_follow_the_schedule_from_their_own_peak(name: str) -> None:
    """Half way down from a peak of 4, they step at half of theirs; all decay alike."""
    exact = {k: [v] for k, v in CASES[name].exact.items()} | {"last_layer_lr": [0.3]}
    hybrid = build(name, exact)
    value = torch.full((1, 1, 1), 5.0, dtype=torch.float64)
    deltas = {}
    for role in (ParamRole.LAST_LAYER, ParamRole.MLP):
        now = context(1, 1, lr=2.0, peak_lr=4.0, decay=0.01, role=role)
        delta, _ = hybrid.update(torch.ones_like(value), hybrid.init(value, role), value, now)
        deltas[role] = delta.item()
    decay = 2.0 * 0.01 * 5.0
    assert deltas[ParamRole.LAST_LAYER] == pytest.approx(-0.15 - decay)
    assert deltas[ParamRole.MLP] == pytest.approx(-2.0 - decay)


@pytest.mark.parametrize("role", [ParamRole.MLP, ParamRole.LAST_LAYER, ParamRole.NORM])
def test_nothing_frozen_is_adalayer_star(role: ParamRole) -> None:
    grads = random_grads(4) if role is ParamRole.NORM else random_grads(3, 4)
    frozen = build("adalayer_frozen", ADAM | {"freeze_fraction": [0.0, 0.04]})
    star = directions(build("adalayer_star", ADAM), grads, role=role)
    assert_same(directions(frozen, grads, role=role), star)


def frozen_averages(role: ParamRole, *, update_last: bool, update_norm: bool) -> list[float]:
    """v after each step for mean squares 1, 4, 9, 100 and three steps of a first phase."""
    optimizer = REGISTRY["adalayer_frozen"].build(
        6,
        column(0.9),
        column(0.75),
        column(1e-15),
        column(0.5),
        update_last=update_last,
        update_norm=update_norm,
    )
    value = torch.zeros((1, 1) if role is ParamRole.NORM else (1, 1, 1), dtype=torch.float64)
    state, found = optimizer.init(value, role), []
    for step, g in enumerate((1.0, -2.0, 3.0, 10.0), 1):
        grad = torch.full_like(value, g)
        _, state = optimizer.update(grad, state, value, context(step, 1, role=role))
        found.append(state["v"].item())
    return found


@pytest.mark.parametrize("update_last", [True, False])
@pytest.mark.parametrize("update_norm", [True, False])
@pytest.mark.parametrize("role", ParamRole)
def test_frozen_averages(role: ParamRole, update_last: bool, update_norm: bool) -> None:
    """Three quarters of the mean after three steps; then on, or not, with beta2."""
    found = frozen_averages(role, update_last=update_last, update_norm=update_norm)
    goes_on = {ParamRole.LAST_LAYER: update_last, ParamRole.NORM: update_norm}.get(role, False)
    last = 0.75 * 3.5 + 0.25 * 100 if goes_on else 3.5
    assert found == pytest.approx([0.5, 5 / 3, 3.5, last])


def test_sophia_without_curvature_is_signum() -> None:
    grads = random_grads(3, 4)
    sophia = build("sophia", {"momentum": [0.9, 0.5], "beta2": [0.99, 0.9], "rho": [0.05, 0.5]})
    signum = build("signum", {"momentum": [0.9, 0.5]})
    assert_same(directions(sophia, grads), directions(signum, grads))


def test_sophia_divides_by_the_curvature_where_that_is_large() -> None:
    sophia = REGISTRY["sophia"].build(100, column(0.0), column(0.75), column(0.05))
    assert sophia.curvature is not None
    assert sophia.curvature.every == 10
    value, now = torch.zeros(1, 1, 2, dtype=torch.float64), context(1, 1)
    state: State = sophia.init(value, ParamRole.MLP)
    state = sophia.curvature.update(torch.full_like(value, 2.0), state, value, now)
    delta, state = sophia.update(torch.tensor([[[2.0, -7.0]]]).double(), state, value, now)
    # h = (1 - 0.75) * 2^2 = 1, so that the divisor is 0.05 * 100 * 1 = 5.
    assert state["h"].flatten().tolist() == pytest.approx([1.0, 1.0])
    assert delta.flatten().tolist() == pytest.approx([-0.4, 1.0])


def test_classic_adafactor_clips_its_updates_and_scales_them_with_the_weights() -> None:
    exact = {k: [v] for k, v in CASES["adafactor_classic"].exact.items()}
    optimizer = build("adafactor_classic", exact | {"min_scale": [0.1], "clip_threshold": [0.5]})
    grad = torch.tensor([[[1.0, 2.0], [3.0, -4.0]]]).double()
    for size, scale in ((0.0, 0.1), (0.05, 0.1), (7.0, 7.0)):
        value = torch.full_like(grad, size)
        state = optimizer.init(value, ParamRole.MLP)
        delta, _ = optimizer.update(grad, state, value, context(1, 1))
        torch.testing.assert_close(delta, -0.5 * scale * grad.sign(), rtol=1e-12, atol=0)


def test_classic_adafactor_is_pytorchs() -> None:
    """With decay; PyTorch's rate is that of the schedule as long as it is under `1 / sqrt(t)`."""
    grads, weight_decay, lr = random_grads(3, 4, count=20), 0.1, 0.02
    theirs = torch.nn.Parameter(torch.ones(3, 4, dtype=torch.float64))
    reference = torch.optim.Adafactor([theirs], lr=lr, weight_decay=weight_decay)
    own = {k: column(v, v) for k, v in CASES["adafactor_classic"].exact.items()}
    own |= {"eps": column(1e-300, 1e-300), "min_scale": column(1e-3, 1e-3)}
    optimizer = REGISTRY["adafactor_classic"].build(**own, min_dim_factored=1)
    value = torch.ones(2, 3, 4, dtype=torch.float64)
    state = optimizer.init(value, ParamRole.MLP)
    for step, grad in enumerate(grads, 1):
        theirs.grad = grad[0].clone()
        reference.step()  # type: ignore[no-untyped-call]
        delta, state = optimizer.update(
            grad, state, value, context(step, 2, lr=lr, decay=weight_decay)
        )
        value = value + delta
    torch.testing.assert_close(value[0], theirs.detach(), rtol=1e-10, atol=0)


def test_classic_adafactor_factors_large_matrices_only() -> None:
    own = {k: column(v) for k, v in CASES["adafactor_classic"].exact.items()}
    optimizer = REGISTRY["adafactor_classic"].build(**own, min_dim_factored=4)
    keys = {
        shape: sorted(optimizer.init(torch.zeros(1, *shape), ParamRole.MLP))
        for shape in ((4, 5), (4, 3), (3, 4))
    }
    factored, full = ["column", "factor", "row"], ["factor", "v"]
    assert keys == {(4, 5): factored, (4, 3): full, (3, 4): full}
    assert sorted(optimizer.init(torch.zeros(1, 9), ParamRole.NORM)) == full


def test_a_frozen_run_stands_still_before_its_schedule_starts(
    data_dir: Path, tmp_path: Path
) -> None:
    """Four of eight steps for the first member, none for the second."""
    configs = [
        tiny_config(data_dir, "adalayer_frozen", steps=8, changes={"freeze_fraction": fraction})
        for fraction in (0.5, 0.0)
    ]
    run = StackRun(configs, data_dir=data_dir)
    weights = []
    for step in range(6):
        run.advance()
        run.save(tmp_path / str(step))
        weights.append(load(tmp_path / str(step))[0]["params/output"])
    moved = [[not torch.equal(w[k], weights[0][k]) for w in weights] for k in range(2)]
    assert moved == [[False] * 4 + [True] * 2, [False] + [True] * 5]
