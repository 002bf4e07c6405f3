"""Elementwise updates of many parameters, piece by piece: what is in the cache is fast.

On a CPU a tensor of tens of megabytes is fetched from memory by every operation, and the pages of
each result are new to the process. A piece of it stays where it is, and an update then holds a
piece's worth of extra memory instead of a model's.

The optimizer itself updates the first piece, and the tape of what it does to it is played for the
others. They are spared its Python and all arithmetic on per-trial numbers, and a new state is
written over the old one.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from trainers.optimizers.base import Context, State, Update
from trainers.tape import Recording

PIECE = 2**17
"""Numbers in a piece: half a megabyte. Like the next one a multiple of any vector register."""
FIRST = 2**12
"""Numbers of each trial in the first piece: few, as recording keeps all that is made of them."""
AT_ONCE = 4 * PIECE
"""Numbers in a tensor that is not worth cutting."""

Admit = Callable[[Tensor], Tensor]
"""What may happen to the parameters of what an update would do, each element by itself."""


def at_once(value: Tensor) -> bool:
    """Whether a tensor is updated as a whole."""
    return value.numel() <= AT_ONCE or value.device.type != "cpu"


def update_in_place(
    update: Update, grad: Tensor, state: State, value: Tensor, context: Context, admit: Admit
) -> State:
    """Adds to `value` what `admit` lets through of the update, and returns the next state.

    `update` treats each element by itself and all tensors are `(K, P)` where there is more than
    one piece; the state's tensors of that shape are then changed in place.
    """
    if at_once(value):
        delta, state = update(grad, state, value, context)
        value.add_(admit(delta))
        return state
    long = [key for key, tensor in state.items() if tensor.shape == value.shape]
    whole = [value, *(state[key] for key in long), grad]
    first_value, *first_states, first_grad = first = [tensor[:, :FIRST] for tensor in whole]
    with Recording(first) as recording:
        own = state | dict(zip(long, first_states, strict=True))
        delta, new = update(first_grad, own, first_value, context)
        delta = admit(delta)
    first_value.add_(delta)
    for old, key in zip(first_states, long, strict=True):
        old.copy_(new[key])
    tape = recording.tape(delta, [new[key] for key in long])
    for rows, pieces in _pieces([tensor[:, FIRST:] for tensor in whole]):
        own_tape = tape.of(rows)
        for given in pieces:
            own_tape.play(given)
    return state | {key: tensor for key, tensor in new.items() if key not in long}


def _pieces(tensors: Sequence[Tensor]) -> Iterator[tuple[slice, Iterable[tuple[Tensor, ...]]]]:
    """The same pieces of all tensors `(K, P)`, by the trials that are in them.

    Where a trial has more numbers than a piece, its pieces have no other one's: a tensor is then
    read from one end to the other.
    """
    count, size = tensors[0].shape
    height = max(1, PIECE // size)
    for start in range(0, count, height):
        rows = slice(start, start + height)
        yield rows, zip(*(torch.split(tensor[rows], PIECE, 1) for tensor in tensors), strict=True)
