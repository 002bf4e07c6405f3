"""The update of a large tensor, for some trials and one part of the optimizer at a time.

Each part's state is written over the old one before the next part begins, and elementwise parts
take a piece after the other. So an update holds at most what one part needs of one trial's tensor,
however many trials, parts and tensors there are, and most of that is still in the cache.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby

import torch
from torch import Tensor

from trainers.optimizers.base import Context, Optimizer, ParamRole, State, chain, parts_of
from trainers.pieces import AT_ONCE, Admit

PIECE = 2**18
"""Numbers in a piece: a megabyte. Two or three make a tensor of a small model, too few to be worth
a recording of the first one, as in `trainers.pieces`."""


def groups(value: Tensor) -> Iterator[slice]:
    """The trials of a tensor `(K, …)` that are updated together: one, or more if it is small."""
    count, size = len(value), value[0].numel()
    height = max(1, AT_ONCE // size)
    return (slice(start, min(start + height, count)) for start in range(0, count, height))


def stretches(optimizer: Optimizer, role: ParamRole | None) -> tuple[Optimizer, ...]:
    """The parts of an optimizer, with elementwise ones that follow each other as one."""
    found: list[Optimizer] = []
    for elementwise, run in groupby(parts_of(optimizer, role), lambda part: part.elementwise):
        parts = [*run]
        found += [chain(*parts)] if elementwise else parts
    return tuple(found)


def update_by_parts(
    parts: tuple[Optimizer, ...],
    grad: Tensor,
    state: State,
    value: Tensor,
    context: Context,
    admit: Admit,
) -> None:
    """Changes the value and its state `(K, …)` in place, by what `admit` lets through.

    Raises ValueError if a part makes another kind of state of the one that it got.
    """
    *inner, last = parts
    for part in inner:
        transform = _transformed_in_pieces if part.elementwise else _transformed
        grad = transform(part, grad, state, value, context)
    if last.elementwise:
        for cut, delta, _ in _pieces(last, grad, state, value, context):
            value.flatten(1)[:, cut].add_(admit(delta))
    else:
        delta, new = last.update(grad, state, value, context)
        value.add_(admit(delta))
        _keep(state, new)


def _transformed(
    part: Optimizer, grad: Tensor, state: State, value: Tensor, context: Context
) -> Tensor:
    """What a part makes of a gradient; its state is changed in place."""
    made, new = part.update(grad, state, value, context)
    own = next((state[key] for key, tensor in new.items() if tensor is made), None)
    made = made if own is not None else _moved(made, state)
    _keep(state, new)
    return made if own is None else own.view_as(value)


def _transformed_in_pieces(
    part: Optimizer, grad: Tensor, state: State, value: Tensor, context: Context
) -> Tensor:
    """The same of an elementwise part: the gradient, a state, or a new tensor."""
    out = None
    for cut, made, whole in _pieces(part, grad, state, value, context):
        if out is None:
            out = torch.empty_like(grad) if whole is None else whole
        if whole is None:
            out.flatten(1)[:, cut].copy_(made)
    assert out is not None, "a parameter has elements"
    return out.view_as(value)


def _pieces(
    part: Optimizer, grad: Tensor, state: State, value: Tensor, context: Context
) -> Iterator[tuple[slice, Tensor, Tensor | None]]:
    """Where each piece is, what the part makes of it, and the tensor that it is a piece of then.

    The state is changed in place, each piece of it before the next one comes.
    """
    grad, value = grad.flatten(1), value.flatten(1)
    flat = {key: tensor.flatten(1) if tensor.dim() > 2 else tensor for key, tensor in state.items()}
    long = [key for key, tensor in flat.items() if tensor.shape == value.shape]
    new = flat
    for start in range(0, value.shape[1], PIECE):
        cut = slice(start, start + PIECE)
        own = flat | {key: flat[key][:, cut] for key in long}
        piece = grad[:, cut]
        made, new = part.update(piece, own, value[:, cut], context)
        wholes = {id(new[key]): flat[key] for key in long} | {id(piece): grad}
        yield cut, made, wholes.get(id(made))
        _keep(own, flat | {key: new[key] for key in long})
    _keep(flat, new | {key: flat[key] for key in long})


def _keep(state: State, new: State) -> None:
    """Writes the new state over the old one."""
    if (got := _kinds(new)) != (had := _kinds(state)):
        raise ValueError(f"a state must keep its names, shapes and types {had}, but got {got}")
    changed = {k: _moved(tensor, state) for k, tensor in new.items() if tensor is not state[k]}
    for key, tensor in changed.items():
        state[key].copy_(tensor)


def _kinds(state: State) -> Mapping[str, object]:
    return {key: (*tensor.shape, tensor.dtype) for key, tensor in state.items()}


def _moved(tensor: Tensor, state: State) -> Tensor:
    """The tensor, or a copy if it lies in the memory of a state that will be written over."""
    places = {old.untyped_storage().data_ptr() for old in state.values()}
    return tensor.clone() if tensor.untyped_storage().data_ptr() in places else tensor
