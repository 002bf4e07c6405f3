"""What is recorded of one piece happens to others."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from trainers.tape import Recording, Tape

COUNT = 3
PER_TRIAL = torch.tensor([[2.0], [3.0], [5.0]])
FOR_ALL = torch.tensor([[0.7]])

Rule = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""From value, state and gradient: the change and the next state."""


def average(value: Tensor, state: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    new = torch.lerp(state, grad, 1 / PER_TRIAL).mul_(FOR_ALL)
    return (new * value).mul_(-PER_TRIAL), new


def reads_the_old_state_last(value: Tensor, state: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    new = torch.addcmul(state, grad, PER_TRIAL)
    return state - value, new


def changes_a_per_trial_number(value: Tensor, state: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    factor = PER_TRIAL.clone()
    new = state * factor
    return (grad * factor.add_(1)).add_(value), new


def looks_through_a_view(value: Tensor, state: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    flipped = state.detach()
    new = grad * PER_TRIAL
    return flipped + value, new


def returns_the_state_it_got(value: Tensor, state: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    return torch.div(grad, value, out=torch.empty_like(value)), state


def writes_into_what_it_made(value: Tensor, state: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    root = (state.square() + value.square()).sqrt()
    new = state + grad
    return torch.div(grad, root, out=root), new


RULES = [
    average,
    reads_the_old_state_last,
    changes_a_per_trial_number,
    looks_through_a_view,
    returns_the_state_it_got,
    writes_into_what_it_made,
]


def pieces(size: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(size)
    return [torch.rand(COUNT, size, generator=generator) + 0.5 for _ in range(3)]


def recorded(rule: Rule) -> Tape:
    given = pieces(8)
    with Recording(given) as recording:
        delta, new = rule(*given)
    tape: Tape = recording.tape(delta, [new])
    return tape


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rows", [slice(0, COUNT), slice(1, 2), slice(1, 3)])
def test_a_tape_does_what_the_rule_does(rule: Rule, rows: slice) -> None:
    value, _, grad = given = pieces(40)
    delta, new = (tensor.clone() for tensor in rule(*given))
    expected = [(value + delta)[rows], new[rows], grad[rows].clone()]
    untouched = [tensor.clone() for tensor in given]
    recorded(rule).of(rows).play([tensor[rows] for tensor in given])
    for tensor, before, wanted in zip(given, untouched, expected, strict=True):
        assert torch.equal(tensor[rows], wanted)
        others = [row for row in range(COUNT) if row not in range(COUNT)[rows]]
        assert torch.equal(tensor[others], before[others])


@pytest.mark.parametrize(
    ("rule", "copies"),
    [
        (average, 0),
        (changes_a_per_trial_number, 0),
        (writes_into_what_it_made, 0),
        (returns_the_state_it_got, 0),
        (reads_the_old_state_last, 1),
        (looks_through_a_view, 1),
    ],
)
def test_a_state_is_copied_only_where_the_old_one_is_still_needed(rule: Rule, copies: int) -> None:
    assert len(recorded(rule).copied) == copies


def test_per_trial_arithmetic_is_not_recorded() -> None:
    names = [str(operation.call) for operation in recorded(average).operations]
    assert names == [
        "aten.lerp.Tensor_out",
        "aten.mul_.Tensor",
        "aten.mul.Tensor",
        "aten.mul_.Tensor",
    ]


def test_what_mixes_pieces_with_other_tensors_of_their_size_is_refused() -> None:
    given = pieces(8)
    with pytest.raises(ValueError, match="neither a piece nor per-trial"), Recording(given):
        given[0] + torch.ones(8)


def test_what_comes_from_elsewhere_is_refused() -> None:
    given = pieces(8)
    with Recording(given) as recording:
        both = torch.stack([given[0], given[1]]).sum(0)
    with pytest.raises(ValueError, match="must treat each number"):
        recording.tape(both, [given[1]])


def test_what_reduces_a_piece_is_refused() -> None:
    given = pieces(8)
    with pytest.raises(ValueError, match="makes something else of a piece"), Recording(given):
        given[0].mean(1, keepdim=True)
