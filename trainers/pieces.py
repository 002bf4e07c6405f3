"""Elementwise updates of many parameters, piece by piece: what is in the cache is fast.

On a CPU a tensor of tens of megabytes is fetched from memory by every operation, and the pages of
each result are new to the process. A piece of it stays where it is, and an update then holds a
piece's worth of extra memory instead of a model's.
"""

from collections.abc import Callable

from torch import Tensor

from trainers.optimizers.base import Context, State, Update

PIECE = 2**16
"""Numbers of all trials in a piece: a quarter of a megabyte."""
NARROWEST = 2**12
"""Numbers of one trial in it, at least. Both are multiples of any vector register."""


def update_in_place(
    update: Update,
    grad: Tensor,
    state: State,
    value: Tensor,
    context: Context,
    admit: Callable[[Tensor], Tensor],
) -> State:
    """Adds to `value` what `admit` lets through of the update, and returns the next state.

    `update` treats each element by itself; all tensors are `(K, P)`. The state's tensors of that
    shape are changed in place where there is more than one piece.
    """
    width = max(NARROWEST, PIECE // len(value) // NARROWEST * NARROWEST)
    if value.shape[1] <= 4 * width or value.device.type != "cpu":
        delta, state = update(grad, state, value, context)
        value.add_(admit(delta))
        return state
    long = [key for key, tensor in state.items() if tensor.shape == value.shape]
    others: State = {}
    for start in range(0, value.shape[1], width):
        part = slice(start, start + width)
        own = {key: t[:, part] if key in long else t for key, t in state.items()}
        delta, new = update(grad[:, part], own, value[:, part], context)
        value[:, part].add_(admit(delta))
        for key in long:
            own[key].copy_(new[key])
        others = {key: t for key, t in new.items() if key not in long}
    return state | others
