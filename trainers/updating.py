"""The optimizer of a stack: what it keeps, and what it does to the parameters at a step.

`K` trials, `P` parameters of a model.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial

import torch
from torch import Tensor

from trainers.effective_lr import quantiles_by_role, split_states
from trainers.model import Params
from trainers.optimizers.base import Context, Optimizer, ParamRole, State
from trainers.parts import groups, stretches, update_by_parts
from trainers.pieces import at_once, update_in_place
from trainers.stacked import clip_factors, concatenate, norms, views

ALL = "all"
"""Name of the one tensor that elementwise optimizers see."""


class StackOptimizer:
    """A rule in front of the parameters of K models, with its states of each of them.

    It is made for the parameters `(K, P)` at the start, and changes those that it is given in
    place: in each member's order of `shapes`. `construct` makes the rule of some of the members.
    """

    def __init__(
        self,
        construct: Callable[[slice], Optimizer],
        shapes: Mapping[str, tuple[int, ...]],
        roles: Mapping[str, ParamRole],
        flat_KP: Tensor,
    ) -> None:
        self.rule = rule = construct(slice(None))
        self._construct = construct
        self._parts: dict[tuple[int, int, ParamRole], tuple[Optimizer, ...]] = {}
        self._shapes = shapes
        self._roles = roles
        self._contexts: dict[ParamRole | None, Context] = {}
        self.states: dict[str, State] = {
            name: _own(rule.init(value, roles.get(name)))
            for name, value in self._units(flat_KP).items()
        }

    def update(
        self, flat_KP: Tensor, grad_KP: Tensor, context: Context, frozen_K: Tensor | None
    ) -> None:
        """One step of all members but the frozen ones; `context` is of no role, nothing shared."""
        grads, values = self._units(grad_KP), self._units(flat_KP)
        self._contexts = self._by_role(context, grads, values)
        for name, value in values.items():
            given = grads[name], self.states[name], value, self._contexts[self._roles.get(name)]
            if self.rule.elementwise or at_once(value):
                admit = partial(_without, frozen_K=frozen_K)
                self.states[name] = update_in_place(self.rule.update, *given, admit)
            else:
                for rows in groups(value):
                    self._update_some(rows, *given, frozen_K)

    def _update_some(
        self,
        rows: slice,
        grad: Tensor,
        state: State,
        value: Tensor,
        context: Context,
        frozen_K: Tensor | None,
    ) -> None:
        """The update of one tensor `(K, …)` for some of the trials."""
        assert context.role is not None, "a tensor of its own has a role"
        key = (rows.start, rows.stop, context.role)
        if key not in self._parts:
            self._parts[key] = stretches(self._construct(rows), context.role)
        own = {name: tensor[rows] for name, tensor in state.items()}
        admit = partial(_without, frozen_K=None if frozen_K is None else frozen_K[rows])
        given = grad[rows], own, value[rows], _of(rows, context)
        update_by_parts(self._parts[key], *given, admit)

    def looks_again(self, step: int) -> bool:
        """Whether the rule takes a second look at the loss after this step: see `Curvature`."""
        curvature = self.rule.curvature
        return curvature is not None and step % curvature.every == 0

    def look_again(self, flat_KP: Tensor, grad_KP: Tensor) -> None:
        """The second look, with the gradient of labels that the models drew."""
        assert self.rule.curvature is not None, "the rule estimates no curvature"
        grads = self._units(grad_KP)
        for name, value in self._units(flat_KP).items():
            context = self._contexts[self._roles.get(name)]
            state = self.states[name]
            self.states[name] = self.rule.curvature.update(grads[name], state, value, context)

    @torch.no_grad()
    def details(self, flat_KP: Tensor) -> dict[str, tuple[str, ...]]:
        """What the rule tells of its last step in JSON, one text per member by name."""
        if self.rule.effective_lr is None:
            return {}
        states: Mapping[str, State] = self.states
        if self.rule.elementwise:
            states = split_states(states, ALL, self._shapes)
        values = views(flat_KP, self._shapes)
        effective_lr, contexts = self.rule.effective_lr, self._contexts
        return {
            "effective_lr": quantiles_by_role(effective_lr, states, values, self._roles, contexts)
        }

    @torch.no_grad()
    def shares(self, flat_KP: Tensor) -> dict[str, Tensor]:
        """Means over a trial's parameters of what the rule tells of each, `(K,)` by name."""
        if self.rule.shares is None:
            return {}
        total: dict[str, Tensor] = {}
        for name, value in self._units(flat_KP).items():
            for key, share in self.rule.shares(self.states[name], value).items():
                part = share.double() * (value[0].numel() / flat_KP.shape[1])
                total[key] = total[key] + part if key in total else part
        return total

    @torch.no_grad()
    def evaluation_params(self, flat_KP: Tensor) -> Params:
        """The parameters to evaluate at, by name."""
        eval_params = self.rule.eval_params
        if eval_params is None:
            return views(flat_KP, self._shapes)
        units = self._units(flat_KP)
        moved = [eval_params(value, self.states[name]) for name, value in units.items()]
        return views(concatenate(moved), self._shapes)

    def _units(self, flat_KP: Tensor) -> dict[str, Tensor]:
        """What the rule sees as one tensor each, in the memory of `flat_KP`."""
        return {ALL: flat_KP} if self.rule.elementwise else views(flat_KP, self._shapes)

    def _by_role(
        self, context: Context, grads: Params, values: Params
    ) -> dict[ParamRole | None, Context]:
        prepare = self.rule.prepare
        shared = {} if prepare is None else prepare(grads, self.states, values)
        return {
            role: replace(context, role=role, shared=shared)
            for role in (None, *self._roles.values())
        }


def clip(grad_KP: Tensor, limit_K: Tensor) -> Tensor:
    """Clips gradients in place; their norms before, `(K,)`."""
    norm_K = norms(grad_KP)
    grad_KP.mul_(clip_factors(norm_K, limit_K)[:, None])
    return norm_K


@lru_cache(maxsize=1)
def frozen_members(live: tuple[bool, ...], device: torch.device) -> Tensor | None:
    """Which members must not change any more, `(K,)`; None if all may.

    Not made anew at every step, as to copy it waits for all that the device still has to do.
    """
    return None if all(live) else torch.tensor([not each for each in live], device=device)


def _own(state: State) -> State:
    """The state in memory that nothing else lies in, as it is written over."""
    return {
        key: tensor.clone(memory_format=torch.contiguous_format) for key, tensor in state.items()
    }


def _of(rows: slice, context: Context) -> Context:
    """What the updates of some trials may know."""
    rates = context.lr[rows], context.peak_lr[rows], context.decay[rows]
    shared = {name: tensor[rows] for name, tensor in context.shared.items()}
    return Context(context.step, *rates, context.role, shared)


def _without(delta: Tensor, frozen_K: Tensor | None) -> Tensor:
    """The update with zero for frozen members, whatever it is there."""
    if frozen_K is None:
        return delta
    return delta.masked_fill(frozen_K.view(-1, *[1] * (delta.dim() - 1)), 0.0)
