"""What the study's optimizers report as their effective learning rates, in float64."""

import pytest
import torch
from torch import Tensor

from tests.trainers.optimizers.cases import CASES
from tests.trainers.optimizers.harness import build, column, context
from tests.trainers.optimizers.test_identities_study import BLOCKWISE, random_grads
from trainers.optimizers import REGISTRY
from trainers.optimizers.base import ParamRole

ADAPTIVE = [
    *BLOCKWISE,
    "adafactor",
    "adafactor_classic",
    "adafactor_sgd",
    "adagrad",
    "adamw",
    "sophia",
]


def effective(name: str, role: ParamRole, grads: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Step and effective rate after some gradients, without momentum, at 0.25 of a peak of 0.5."""
    settings = {k: [v] * 2 for k, v in CASES[name].exact.items()}
    changes = {"momentum": 0.0, "eps": 1e-3, "freeze_fraction": 0.15, "clip_threshold": 9.0}
    own = {k: [changes[k]] * 2 for k in settings if k in changes}
    optimizer = build(name, settings | own)
    value = torch.zeros_like(grads[0])
    state = optimizer.init(value, role)
    assert optimizer.effective_lr is not None
    for step, grad in enumerate(grads, 1):
        now = context(step, 2, lr=0.25, peak_lr=0.5, role=role)
        delta, state = optimizer.update(grad, state, value, now)
    return delta, optimizer.effective_lr(state, value, now)


@pytest.mark.parametrize("name", ADAPTIVE)
@pytest.mark.parametrize("role", [ParamRole.MLP, ParamRole.LAST_LAYER, ParamRole.NORM])
def test_a_step_of_one_element_is_its_effective_rate_times_the_gradient(
    name: str, role: ParamRole
) -> None:
    grads = random_grads(1) if role is ParamRole.NORM else random_grads(1, 1)
    delta, rate = effective(name, role, grads)
    assert rate.shape == (2, 1)
    torch.testing.assert_close(delta.flatten(1), -rate * grads[-1].flatten(1), rtol=1e-10, atol=0)


@pytest.mark.parametrize("name", [*BLOCKWISE, "adafactor", "adafactor_sgd"])
def test_the_last_layer_has_an_effective_rate_per_logit(name: str) -> None:
    shape = (1, 5) if "adafactor" in name else (3, 5)
    grads = random_grads(*shape)
    delta, rate = effective(name, ParamRole.LAST_LAYER, grads)
    if name == "adalayer":
        assert rate.shape == (2, 1)
    else:
        assert rate.shape == (2, 5)
        assert len(set(rate.flatten().tolist())) == 10
    torch.testing.assert_close(delta, -rate[:, None] * grads[-1], rtol=1e-10, atol=0)


@pytest.mark.parametrize("name", ["sgd", "sgd_ema", "lion", "signum"])
def test_what_adapts_nothing_has_no_effective_rate(name: str) -> None:
    settings = {k: list(v) for k, v in CASES[name].hyperparameters.items()}
    assert build(name, settings).effective_lr is None


def test_classic_adafactor_reports_all_that_it_multiplies_a_gradient_with() -> None:
    """Of a constant gradient that is the step over it, in clipped steps and in unclipped ones."""
    settings = {"min_scale": column(1e-3, 9.0), "clip_threshold": column(0.5, 2.0)}
    optimizer = REGISTRY["adafactor_classic"].build(**settings, min_dim_factored=2)
    value, grad = torch.full((2, 4, 3), 3.0).double(), torch.full((2, 4, 3), 2.0).double()
    for role in (ParamRole.MLP, ParamRole.LAST_LAYER):
        state = optimizer.init(value, role)
        for step in (1, 2):
            now = context(step, 2, lr=0.5, role=role)
            delta, state = optimizer.update(grad, state, value, now)
        assert optimizer.effective_lr is not None
        found = optimizer.effective_lr(state, value, now)
        expected = (-delta / grad)[:, 0, : found.shape[1]]
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(found[:, 0], column(0.5 * 0.5 * 3 / 2, 0.5 * 9 / 2))
