"""Updates of which the compiler makes one pass over memory."""

import logging
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from trainers.optimizers.base import Context, Optimizer, State, Update
from trainers.programs import first_line

_log = logging.getLogger(__name__)


def fused(optimizer: Optimizer, backend: str = "inductor") -> Optimizer:
    """The same optimizer, its update compiled where it is elementwise.

    Rules with blocks or matrices have one tensor at a time, in as many shapes: they stay as they
    are.
    """
    if not optimizer.elementwise:
        return optimizer
    return replace(optimizer, update=_FusedUpdate(optimizer.update, backend))


class _FusedUpdate:
    """An update, compiled at its first use; as it is from the first error on."""

    def __init__(self, update: Update, backend: str) -> None:
        self._update = update

        def spread(
            given: tuple[Tensor, State, Tensor],
            step: int,
            rates: tuple[Tensor, Tensor, Tensor],
            shared: Mapping[str, Tensor],
        ) -> tuple[Tensor, State]:
            """What changes between steps is an argument, so that one program does for all."""
            return update(*given, Context(step, *rates, None, shared))

        self._compiled = torch.compile(spread, fullgraph=True, backend=backend)
        self._failed = False

    def __call__(
        self, grad: Tensor, state: State, value: Tensor, context: Context
    ) -> tuple[Tensor, State]:
        if self._failed:
            return self._update(grad, state, value, context)
        rates = context.lr, context.peak_lr, context.decay
        try:
            return self._compiled((grad, state, value), context.step, rates, context.shared)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - as in `Passes`: the rule's own come again.
            _log.warning("compiling the update failed, on without it: %s", first_line(error))
            self._failed = True
        return self._update(grad, state, value, context)
