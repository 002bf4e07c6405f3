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
from trainers.losses import cross_entropy
from trainers.model import Params, forward, param_specs
from trainers.stacked import concatenate, views

Losses = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From logits `(K, M, V)` and the text's labels `(K, M)`: what to descend on, and cross-entropy."""


@dataclass(frozen=True)
class Network:
    """Models of one shape on one device, whatever their parameters are."""

    model: ModelConfig
    precision: Precision
    device: torch.device

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of one trial's parameters, in their order in memory."""
        return {name: spec.shape for name, spec in param_specs(self.model).items()}

    def params(self, flat_KP: Tensor) -> Params:
        """The parameters by name, in the memory of `flat_KP`."""
        return views(flat_KP, self.shapes)

    def gradients(
        self, flat_KP: Tensor, tokens_KBT: Tensor, losses: Losses
    ) -> tuple[Tensor, Tensor]:
        """Gradients of all parameters on a batch, `(K, P)`, and cross-entropies, `(K,)`."""
        tokens_KBT = tokens_KBT.to(self.device)
        params = self.params(flat_KP)
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        logits_KMV = self._logits(leaves, tokens_KBT)
        loss_K, cross_entropy_K = losses(logits_KMV, tokens_KBT[..., 1:].flatten(1))
        grads = torch.autograd.grad(loss_K.sum(), list(leaves.values()))
        return concatenate(grads), cross_entropy_K

    @torch.no_grad()
    def evaluate(self, params: Params, batches: Sequence[Tensor]) -> list[float]:
        """Mean cross-entropy over batches `(B, T)` that all trials share, one per trial."""
        K = len(next(iter(params.values())))
        total_K = torch.zeros(K, dtype=torch.float64, device=self.device)
        for tokens_BT in batches:
            tokens_KBT = tokens_BT.to(self.device).expand(K, -1, -1)
            logits_KMV = self._logits(params, tokens_KBT)
            entropy_K = cross_entropy(logits_KMV, tokens_KBT[..., 1:].flatten(1))
            total_K += entropy_K * len(tokens_BT)
        return (total_K / sum(len(tokens_BT) for tokens_BT in batches)).tolist()

    def _logits(self, params: Params, tokens_KBT: Tensor) -> Tensor:
        with self._autocast():
            return forward(params, tokens_KBT[..., :-1], self.model)

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)
