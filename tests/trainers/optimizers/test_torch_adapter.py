"""Classes of torch.optim inside a stack do what they do outside."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainers.builders import tiny_config
from tests.trainers.optimizers.harness import column, context
from tests.trainers.test_loop import advance_to, run_to_end, weights
from trainers.loop import StackRun
from trainers.optimizers import entry, hyperparameters, names, options
from trainers.optimizers.base import ParamRole
from trainers.optimizers.torch_adapter import VERSION, entries

SWEPT = [
    *("ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax"),
    *("NAdam", "RAdam", "RMSprop", "Rprop", "SGD"),
]
CHANGES: dict[str, dict[str, float]] = {
    "ASGD": {"lambd": 1e-2, "alpha": 0.5, "t0": 3.0},
    "Adam": {"momentum": 0.5, "beta2": 0.9, "eps": 1e-3},
    "AdamW": {"weight_decay": 0.3},
    "Adafactor": {"beta2_decay": -0.5, "d": 2.0},
    "Rprop": {"eta_minus": 0.3, "eta_plus": 1.5, "step_max": 0.1},
    "SGD": {"momentum": 0.9, "dampening": 0.2, "weight_decay": 0.1},
}
AS_TORCH_SAYS: dict[str, dict[str, Any]] = {
    "Adam": {"betas": (0.5, 0.9), "eps": 1e-3},
    "Rprop": {"etas": (0.3, 1.5), "step_sizes": (1e-6, 0.1)},
}


def grads_of(steps: int = 20) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(2, 4, 3, generator=generator, dtype=torch.float64) for _ in range(steps)]


def trained(name: str, lrs: list[float], *members: dict[str, float]) -> Tensor:
    """Two members over twenty gradients; the second learning rate holds from step ten on."""
    known = entry(f"torch.{name}")
    defaults = {k: h.default for k, h in known.hyperparameters.items()}
    columns = {k: column(*[m.get(k, d) for m in members]) for k, d in defaults.items()}
    settings = {k: o.default for k, o in known.options.items()}
    optimizer = known.construct(columns, settings, {})
    value = torch.ones(2, 4, 3, dtype=torch.float64)
    state = optimizer.init(value, ParamRole.MLP)
    for step, grad in enumerate(grads_of(), 1):
        now = context(step, 2, lr=lrs[step > 9])
        delta, new = optimizer.update(grad, state, value, now)
        assert new.keys() == state.keys()
        assert all(new[k].shape == state[k].shape for k in state)
        state, value = new, value + delta
    return value


@pytest.mark.parametrize("name", SWEPT)
def test_twenty_steps_are_those_of_the_class(name: str) -> None:
    own = CHANGES.get(name, {})
    found = trained(name, [0.1, 0.01], {}, own)
    for member, arguments in enumerate(({}, AS_TORCH_SAYS.get(name, own))):
        weights = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
        theirs = getattr(torch.optim, name)([weights], lr=0.1, **arguments)
        for step, grad in enumerate(grads_of(), 1):
            theirs.param_groups[0]["lr"] = [0.1, 0.01][step > 9]
            weights.grad = grad[member].clone()
            theirs.step()
        torch.testing.assert_close(found[member], weights.detach(), rtol=1e-12, atol=1e-14)


def test_every_class_of_torch_is_swept_or_refused_with_the_reason() -> None:
    assert (
        set(SWEPT) <= {name.removeprefix("torch.") for name in entries()} <= set(dir(torch.optim))
    )
    assert set(entries()) < set(names())
    for name, reason in {
        "LBFGS": "its step needs a closure",
        "SparseAdam": "sparse gradients only",
        "Muon": "it updates matrices only",
    }.items():
        with pytest.raises(ValueError, match=f"^torch.{name} cannot be swept: .*{reason}"):
            entry(f"torch.{name}")
    with pytest.raises(ValueError, match=r"unknown optimizer 'torch\.Optimizer'; known: "):
        entry("torch.Optimizer")


def test_the_refused_ones_do_refuse() -> None:
    weights = torch.ones(3, requires_grad=True)
    weights.grad = torch.ones(3)
    with pytest.raises(TypeError, match="closure"):
        torch.optim.LBFGS([weights]).step()  # type: ignore[call-arg, no-untyped-call]
    with pytest.raises(RuntimeError, match="does not support dense gradients"):
        torch.optim.SparseAdam([weights]).step()  # type: ignore[no-untyped-call]
    with pytest.raises(ValueError, match="only supports 2D"):
        torch.optim.Muon([weights])


def test_float_arguments_are_hyperparameters_and_switches_are_options() -> None:
    known = hyperparameters("torch.AdamW", "warmup_cosine")
    expected = {"lr": 1e-3, "momentum": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01}
    assert {name: known[name].default for name in expected} == expected
    assert options("torch.AdamW").keys() == {"amsgrad"}
    assert "weight_decay" not in hyperparameters("torch.Rprop", "warmup_cosine")
    assert entry("torch.AdamW").version == VERSION
    for name in entries():
        for own, description in hyperparameters(name, "warmup_cosine").items():
            assert description.admits(description.default), (name, own)


@pytest.mark.parametrize("name", [f"torch.{name}" for name in SWEPT])
def test_a_run_resumes_bit_for_bit_and_a_member_that_diverged_disturbs_nobody(
    data_dir: Path, tmp_path: Path, name: str
) -> None:
    lr = entry(name).lr / 10
    configs = [tiny_config(data_dir, name, steps=6, changes={"lr": v}) for v in (lr, 1e30)]
    healthy = [tiny_config(data_dir, name, steps=6, changes={"lr": v}) for v in (lr, lr)]
    whole, first, reference = (StackRun(c, data_dir=data_dir) for c in (configs, configs, healthy))
    run_to_end(whole)
    run_to_end(reference)
    advance_to(first, 3)
    first.save(tmp_path / "3")
    resumed = StackRun(configs, data_dir=data_dir)
    resumed.load(tmp_path / "3")
    run_to_end(resumed)
    found = [weights(r, tmp_path / str(i)) for i, r in enumerate((whole, resumed, reference))]
    for key in found[0]:
        assert torch.equal(found[0][key][0], found[1][key][0])
        assert torch.equal(found[0][key][0], found[2][key][0])


def test_a_run_of_another_version_is_refused(data_dir: Path) -> None:
    config = tiny_config(data_dir, "torch.SGD")
    other = type(config)(**{**vars(config), "optimizer_version": "torch 1.0"})
    with pytest.raises(ValueError, match=f"is here in version '{VERSION}', but the run is of"):
        StackRun([other], data_dir=data_dir)


RATES: dict[str, dict[str, float]] = {
    "Adam": {"momentum": 0.0, "beta2": 0.5},
    "AdamW": {"momentum": 0.0, "beta2": 0.5, "weight_decay": 0.0},
    "NAdam": {"momentum": 0.0, "beta2": 0.5},
    "RMSprop": {"alpha": 0.5},
    "Adagrad": {"lr_decay": 0.5},
}
SWITCHED = [("Adam", "amsgrad"), ("AdamW", "amsgrad"), ("RMSprop", "centered")]


@pytest.mark.parametrize(("name", "switch"), [*((name, "") for name in RATES), *SWITCHED])
def test_the_effective_rate_is_what_the_class_multiplies_a_gradient_with(
    name: str, switch: str
) -> None:
    known = entry(f"torch.{name}")
    defaults = {k: h.default for k, h in known.hyperparameters.items()}
    columns = {k: column(v, v) for k, v in (defaults | RATES[name]).items()}
    optimizer = known.construct(columns, {switch: True} if switch else {}, {})
    value = torch.ones(2, 1, 1, dtype=torch.float64)
    state = optimizer.init(value, ParamRole.MLP)
    assert optimizer.effective_lr is not None
    for step, grad in enumerate((3.0, -1.0, 0.5), 1):
        now = context(step, 2, lr=0.1)
        grads = value * column(grad, 2 * grad)[:, None, None]
        delta, state = optimizer.update(grads, state, value, now)
        rate = optimizer.effective_lr(state, value, now)
        assert rate.shape == (2, 1)
        torch.testing.assert_close(rate[:, :, None], -delta / grads, rtol=1e-9, atol=0)


def test_other_classes_tell_no_effective_rate() -> None:
    for name in set(SWEPT) - RATES.keys():
        known = entry(f"torch.{name}")
        defaults = {k: h.default for k, h in known.hyperparameters.items()}
        assert known.construct(defaults, {}, {}).effective_lr is None
