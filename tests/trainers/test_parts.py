"""Updating some trials and one part at a time is updating at once, with less in memory."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from benchmarks.live import Live
from benchmarks.optimizers import Stack
from tests.trainers.optimizers.cases import CASES
from trainers import parts, pieces
from trainers.optimizers import REGISTRY, entry, torch_adapter
from trainers.optimizers.base import Context, Optimizer, ParamRole, State, Update, chain
from trainers.optimizers.transforms import descend, no_state, running_average
from trainers.parts import groups, stretches, update_by_parts
from trainers.updating import StackOptimizer

COUNT = 3
SHAPES = {"matrix": (12, 20), "q": (12, 12), "out": (12, 9), "norm": (12,)}
ROLES = {
    "matrix": ParamRole.MLP,
    "q": ParamRole.ATTENTION_Q,
    "out": ParamRole.LAST_LAYER,
    "norm": ParamRole.NORM,
}


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred numbers are many; the matrix is then cut into trials, `out` into pairs of them."""
    monkeypatch.setattr(pieces, "FIRST", 32)
    monkeypatch.setattr(pieces, "PIECE", 50)
    monkeypatch.setattr(pieces, "AT_ONCE", 220)
    monkeypatch.setattr(parts, "AT_ONCE", 220)
    monkeypatch.setattr(parts, "PIECE", 50)


def stack(name: str) -> tuple[StackOptimizer, Tensor]:
    """An optimizer with another value of every hyperparameter for each member, or torch's own."""
    chosen = entry(name)
    fixed: Mapping[str, object] = {key: option.default for key, option in chosen.options.items()}
    pairs = {key: (h.default, h.default) for key, h in chosen.hyperparameters.items()}
    if name in CASES:
        fixed, pairs = CASES[name].fixed, dict(CASES[name].hyperparameters)
    values = {
        key: torch.tensor([low, high, (low + high) / 2], dtype=torch.float64)
        for key, (low, high) in pairs.items()
    }

    def construct(members: slice) -> Optimizer:
        return chosen.build(**{k: v[members] for k, v in values.items()}, **fixed)

    size = sum(torch.Size(shape).numel() for shape in SHAPES.values())
    generator = torch.Generator().manual_seed(1)
    flat = torch.randn(COUNT, size, generator=generator, dtype=torch.float64)
    return StackOptimizer(construct, SHAPES, ROLES, flat), flat


def trained(name: str, steps: int = 7) -> tuple[dict[str, State], Tensor]:
    """States and parameters after some steps; the second member is frozen from the fourth on."""
    optimizer, flat = stack(name)
    generator = torch.Generator().manual_seed(2)
    lr, peak_lr, decay = torch.tensor([[1e-3, 2e-3, 3e-3], [3e-3] * 3, [0.0, 0.1, 0.2]]).double()
    for step in range(1, steps + 1):
        grad = torch.randn(flat.shape, generator=generator, dtype=torch.float64)
        context = Context(step, lr, peak_lr, decay, None, {})
        frozen = torch.tensor([False, True, False]) if step > 3 else None
        optimizer.update(flat, grad, context, frozen)
    return optimizer.states, flat


@pytest.mark.parametrize("name", [*REGISTRY, *torch_adapter.entries()])
def test_parts_give_what_the_whole_gives(name: str, request: pytest.FixtureRequest) -> None:
    expected_states, expected = trained(name)
    request.getfixturevalue("small_pieces")
    states, flat = trained(name)
    torch.testing.assert_close(flat, expected, rtol=1e-9, atol=1e-11)
    for parameter, state in expected_states.items():
        assert states[parameter].keys() == state.keys()
        for key, tensor in state.items():
            torch.testing.assert_close(states[parameter][key], tensor, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", REGISTRY)
def test_an_update_holds_about_one_trial_s_tensor(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In sizes of the largest parameter with its state; at one trial and at eight."""
    for module, key, size in (
        (pieces, "AT_ONCE", 2**12),
        (pieces, "PIECE", 2**10),
        (pieces, "FIRST", 2**8),
        (parts, "AT_ONCE", 2**12),
        (parts, "PIECE", 2**11),
    ):
        monkeypatch.setattr(module, key, size)
    period = entry(name).options.get("precondition_frequency")
    for count in (1, 8):
        stacked = Stack(name, "nano", count)
        stacked.update()
        # The next one turns bases; roots are computed at every step of the first period.
        stacked.skip(period.default - 1 if name == "soap" and period is not None else 0)
        with Live(stacked.tensors_of_states()) as live:
            stacked.update()
        assert live.peak <= MOST.get(name, 1.25) * stacked.unit


MOST = {"adafactor_classic": 2.1, "muon": 2.0, "cautious_lion": 1.6, "soap": 1.6}
"""What needs more of temporaries than of state, and the step of SOAP that turns its bases."""


def test_small_tensors_are_updated_in_groups() -> None:
    most = pieces.AT_ONCE
    assert [*groups(torch.empty(3, most + 1))] == [slice(k, k + 1) for k in range(3)]
    assert [*groups(torch.empty(5, most // 2, 1))] == [slice(0, 2), slice(2, 4), slice(4, 5)]


def test_neighbouring_elementwise_parts_are_one() -> None:
    whole = Optimizer(no_state, lambda grad, state, value, context: (grad, state))
    found = stretches(chain(chain(running_average(0.5), descend()), whole, descend()), None)
    assert [part.elementwise for part in found] == [True, False, True]


def only(tensor: Tensor) -> float:
    """The one number that is everywhere in it."""
    (number,) = set(tensor.flatten().tolist())
    return float(number)


def updated(update: Update, *, elementwise: bool) -> tuple[Tensor, State]:
    """A value of zeros and its state `a` of ones, `b` of twos after an update along threes."""
    value = torch.zeros(1, 4, 4)
    state = {"a": torch.ones(1, 4, 4), "b": torch.full((1, 4, 4), 2.0)}
    rate = torch.ones(1)
    context = Context(1, rate, rate, rate, ParamRole.MLP, {})
    own = stretches(Optimizer(no_state, update, elementwise=elementwise), None)
    # Another part behind it, that hands on what it gets.
    behind = Optimizer(no_state, lambda grad, state, value, context: (grad, state))
    grad = torch.full((1, 4, 4), 3.0)
    update_by_parts((*own, behind), grad, state, value, context, lambda delta: delta)
    return value, state


@pytest.mark.parametrize("elementwise", [True, False])
def test_states_that_change_places_and_an_update_that_is_an_old_one(elementwise: bool) -> None:
    def swap(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        return state["a"], {"a": state["b"], "b": state["a"]}

    value, state = updated(swap, elementwise=elementwise)
    assert only(value) == 1.0
    assert [only(state[key]) for key in "ab"] == [2.0, 1.0]


@pytest.mark.parametrize("elementwise", [True, False])
def test_an_update_that_is_the_new_state_or_the_gradient(elementwise: bool) -> None:
    def summed(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        new = state["a"] + grad
        return new, state | {"a": new}

    def kept(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        return grad, state | {"b": grad + 2}

    value, state = updated(summed, elementwise=elementwise)
    assert only(value) == only(state["a"]) == 4.0
    value, state = updated(kept, elementwise=elementwise)
    assert (only(value), only(state["b"])) == (3.0, 5.0)


def test_a_state_of_another_kind_is_refused() -> None:
    def grows(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        return grad, state | {"a": torch.cat([state["a"], grad], 2)}

    with pytest.raises(ValueError, match="must keep its names, shapes and types"):
        updated(grows, elementwise=False)
