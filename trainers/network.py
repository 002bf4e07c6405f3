"""Forward and backward of a stack of models whose parameters lie in one tensor.

`K` trials, `B` sequences, `T` positions, `M` predicted positions of all sequences, `V` vocabulary,
`P` parameters of a model.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from trainers.config import ModelConfig, Precision
from trainers.model import Params, forward, param_specs
from trainers.programs import PLAIN, Programs
from trainers.stacked import concatenate, views
from trainers.transfer import to_device

Labels = Callable[[Tensor, int], Tensor]
"""Other labels than the text's, `(K, M)`: from logits `(K, M, V)` of rows of a batch, and which of
its rows is the first of them."""


@dataclass(frozen=True)
class Network:
    """Models of one shape on one device, whatever their parameters are."""

    model: ModelConfig
    precision: Precision
    device: torch.device
    programs: Programs = PLAIN

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of one trial's parameters, in their order in memory."""
        return {name: spec.shape for name, spec in param_specs(self.model).items()}

    def params(self, flat_KP: Tensor) -> Params:
        """The parameters by name, in the memory of `flat_KP`."""
        return views(flat_KP, self.shapes)

    def gradients(
        self,
        flat_KP: Tensor,
        tokens_KBT: Tensor,
        z_loss_K: Tensor,
        *,
        micro_batch: int,
        labels: Labels | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Gradients of all parameters on a batch, `(K, P)`, and cross-entropies, `(K,)`.

        At most `micro_batch` sequences of each trial are in memory at once. Sums over several such
        parts are in fp32, and differ from those over the whole batch by their rounding.
        """
        params = self.params(flat_KP)
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        first, *others = torch.split(to_device(tokens_KBT, self.device), micro_batch, 1)
        share, row = first.shape[1] / tokens_KBT.shape[1], 0
        grads, entropy_K = self._backward(leaves, first, z_loss_K, labels, share, row)
        total_KP = concatenate(grads)
        totals = list(self.params(total_KP).values())
        for part in others:
            row += first[0, :, 1:].numel()
            share = part.shape[1] / tokens_KBT.shape[1]
            # Those of the part before are let go of first.
            del grads
            grads, more_K = self._backward(leaves, part, z_loss_K, labels, share, row)
            torch._foreach_add_(totals, grads)
            entropy_K += more_K
        return total_KP, entropy_K

    def _backward(
        self,
        leaves: Params,
        tokens_KBT: Tensor,
        z_loss_K: Tensor,
        labels: Labels | None,
        share: float,
        row: int,
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """What a part of a batch, from a row on, adds to gradients and cross-entropies."""
        logits_KMV = self._logits(leaves, tokens_KBT)
        target_KM = tokens_KBT[..., 1:].flatten(1)
        if labels is not None:
            target_KM = labels(logits_KMV, row)
        loss_K, entropy_K = self.programs.training_loss(logits_KMV, target_KM, z_loss_K)
        del logits_KMV
        grads = torch.autograd.grad(loss_K.sum() * share, list(leaves.values()))
        return grads, entropy_K * share

    @torch.no_grad()
    def evaluate(self, params: Params, batches: Sequence[Tensor]) -> list[float]:
        """Mean cross-entropy over batches `(B, T)` that all trials share, one per trial."""
        K = len(next(iter(params.values())))
        total_K = torch.zeros(K, dtype=torch.float64, device=self.device)
        for tokens_BT in batches:
            tokens_KBT = to_device(tokens_BT, self.device).expand(K, -1, -1)
            logits_KMV = self._logits(params, tokens_KBT)
            entropy_K = self.programs.cross_entropy(logits_KMV, tokens_KBT[..., 1:].flatten(1))
            total_K += entropy_K * len(tokens_BT)
        return (total_K / sum(len(tokens_BT) for tokens_BT in batches)).tolist()

    def _logits(self, params: Params, tokens_KBT: Tensor) -> Tensor:
        with self._autocast():
            return forward(params, tokens_KBT[..., :-1], self.model, self.programs.parts)

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)
