"""The training loop: one stack of trials, step by step. Knows no database and no scheduler."""

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from trainers import checkpoints
from trainers.checkpoints import CheckpointError
from trainers.config import TrainConfig, canonical_json, stack_key, to_dict
from trainers.curvature import drawn_labels
from trainers.data import TRAIN, VALIDATION, Batches, open_tokens, validation_windows
from trainers.effective_lr import quantiles_by_role, split_states
from trainers.losses import cross_entropy, training_loss
from trainers.metrics import StepMetrics, TrialResult, evaluation_steps, is_metric_step
from trainers.model import Params, forward, init_params, param_roles, param_specs
from trainers.optimizers import entry, hyperparameters, options, registered
from trainers.optimizers.base import Context, Optimizer, ParamRole, State
from trainers.pieces import update_in_place
from trainers.records import Records
from trainers.schedules import multiplier
from trainers.stacked import clip_factors, concatenate, norms, views

ALL = "all"
"""Name of the one tensor that elementwise optimizers see."""

Losses = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From logits `(K, M, V)` and the text's labels `(K, M)`: what to descend on, and cross-entropy."""


class StackRun:
    """A stack in training: `advance` until `finished`, then `results`.

    Slots are the places of `configs`, for good. A member that diverged or was masked keeps its
    slot and its weights, and nothing it holds reaches another one. Every number depends on the
    configurations, the device and torch's thread count alone, so a run that is saved and loaded
    goes on bit for bit on a CPU. Not thread-safe. Flushes denormal floats to zero in the whole
    process.
    """

    can_be_saved = True

    def __init__(
        self, configs: Sequence[TrainConfig], *, data_dir: Path, device: str = "cpu"
    ) -> None:
        check(configs)
        # Averages of rarely used rows decay into denormals, which cost a CPU a hundred cycles each.
        torch.set_flush_denormal(True)
        self._configs = tuple(configs)
        self._config = config = configs[0]
        self._device = torch.device(device)
        self._hyperparameters = _stacked(configs, self._device)
        self._decay = _decay(configs, self._hyperparameters)
        self._optimizer = _build(config, self._hyperparameters)
        self._roles = param_roles(config.model)

        window, seeds = config.model.sequence_length, [c.seed for c in configs]
        train = open_tokens(data_dir, config.data, TRAIN)
        held_out = open_tokens(data_dir, config.data, VALIDATION)
        self._batches = Batches(train, seeds, batch_size=config.batch_size, window=window)
        self._validation = torch.from_numpy(
            validation_windows(held_out, config.eval_sequences, window).astype("int64")
        )

        self._shapes = {name: spec.shape for name, spec in param_specs(config.model).items()}
        self._flat = concatenate(init_params(config.model, seeds, str(self._device)).values())
        self._states = {
            name: self._optimizer.init(value, self._roles.get(name))
            for name, value in self._units(self._flat).items()
        }
        self._last_contexts: dict[ParamRole | None, Context] = {}
        self._records = Records(len(configs), config.steps)
        self._pending: list[Tensor] = []
        self._evaluated_at_start = False
        self._step = 0
        self._busy_s = 0.0

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        return self._step

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self._config.steps

    @property
    def live(self) -> tuple[bool, ...]:
        """Which members are neither diverged nor masked."""
        return self._records.live

    @property
    def finished(self) -> bool:
        """Whether all steps are taken, or no member is live."""
        return self._step >= self.steps or not any(self.live)

    def advance(self) -> StepMetrics | None:
        """Takes one optimizer step; metrics at metric steps.

        The very first call evaluates the untrained models instead and returns that as step 0; the
        last one evaluates the trained models as well.
        """
        assert not self.finished, "the run is finished"
        started = self._clock()
        metrics = self._next() if self._evaluated_at_start else self._first()
        self._busy_s += self._clock() - started
        return metrics

    def mask(self, slot: int) -> None:
        """Freezes a member for good; the others are not affected in a single bit."""
        self._records.mask(slot)

    def result(self, slot: int) -> TrialResult | None:
        """A member's result: of a diverged one at once, else at the end; None if it was masked."""
        finished = self._step >= self.steps
        busy_s = self._busy_s / len(self._configs)
        return self._records.result(slot, finished=finished, busy_s=busy_s)

    def results(self) -> tuple[TrialResult | None, ...]:
        """Every member's result, once finished; None for masked ones that had not diverged."""
        assert self.finished, "the run is not finished"
        return tuple(self.result(slot) for slot in range(len(self._configs)))

    def save(self, directory: Path) -> None:
        """Writes a checkpoint; raises FileExistsError if there is one of that name."""
        self._settle()
        params = views(self._flat, self._shapes)
        tensors = {f"params/{name}": value for name, value in params.items()}
        for name, state in self._states.items():
            tensors |= {f"states/{name}/{key}": value for key, value in state.items()}
        tensors |= {f"records/{kind}": value for kind, value in self._records.tensors().items()}
        scalars = {
            "configs": self._identity(),
            "evaluated_at_start": self._evaluated_at_start,
            "step": self._step,
            "busy_s": self._busy_s,
        }
        checkpoints.save(directory, tensors, scalars)

    def load(self, directory: Path, slots: Sequence[int] | None = None) -> None:
        """Takes up a checkpoint; raises CheckpointError if it is not of this very stack.

        `slots` are the places that these members have in the checkpoint of a larger stack they were
        split from: they go on from there, close to but not bit for bit as the whole would have.
        """
        tensors, scalars = checkpoints.load(directory)
        stored = scalars["configs"]
        chosen = list(range(len(stored)) if slots is None else slots)
        if [stored[slot] for slot in chosen] != self._identity():
            raise CheckpointError(f"the checkpoint at {directory} belongs to another stack")
        tensors = {name: tensor[chosen] for name, tensor in tensors.items()}
        self._evaluated_at_start = scalars["evaluated_at_start"]
        self._step = scalars["step"]
        self._busy_s = scalars["busy_s"] * len(chosen) / len(stored)
        flat = concatenate(tensors[f"params/{name}"] for name in self._shapes)
        self._flat = flat.to(self._device)
        self._states = {
            name: {key: tensors[f"states/{name}/{key}"].to(self._device) for key in state}
            for name, state in self._states.items()
        }
        kinds = self._records.tensors()
        self._records.restore({kind: tensors[f"records/{kind}"] for kind in kinds})
        self._pending = []

    def _identity(self) -> list[str]:
        """A hash of each configuration, in order."""
        texts = [canonical_json(to_dict(config)) for config in self._configs]
        return [hashlib.sha256(text.encode()).hexdigest() for text in texts]

    def _clock(self) -> float:
        """Seconds of computing: of all threads on a CPU, of the wall on an accelerator."""
        return time.process_time() if self._device.type == "cpu" else time.perf_counter()

    def _first(self) -> StepMetrics:
        losses = self._evaluate()
        self._records.add_initial(losses)
        self._evaluated_at_start = True
        return StepMetrics(0, {"validation_loss": tuple(losses)})

    def _next(self) -> StepMetrics | None:
        self._step += 1
        lr = self._lr()
        norm, loss = self._update(lr)
        self._pending.append(loss)
        if not is_metric_step(self._step, self.steps):
            return None
        self._settle()
        values = {"train_loss": loss, "grad_norm": norm, "lr": lr}
        metrics = {key: tuple(value.double().tolist()) for key, value in values.items()}
        if self._step in evaluation_steps(self.steps) and any(self.live):
            metrics["validation_loss"] = tuple(self._evaluate())
            self._records.add_validation(self._step, metrics["validation_loss"])
        return StepMetrics(self._step, metrics, self._details())

    @torch.no_grad()
    def _details(self) -> dict[str, tuple[str, ...]]:
        effective_lr = self._optimizer.effective_lr
        if effective_lr is None:
            return {}
        states: Mapping[str, State] = self._states
        if self._optimizer.elementwise:
            states = split_states(states, ALL, self._shapes)
        values = views(self._flat, self._shapes)
        found = quantiles_by_role(effective_lr, states, values, self._roles, self._last_contexts)
        return {"effective_lr": found}

    def _lr(self) -> Tensor:
        hyperparameters = self._hyperparameters
        share = multiplier(self._config.schedule, self._step, self.steps, hyperparameters)
        return hyperparameters["lr"] * share

    def _update(self, lr: Tensor) -> tuple[Tensor, Tensor]:
        """One optimizer step of every member; gradient norms and training losses, `(K,)` each."""
        grad, loss = self._gradients(self._step, self._training_loss)
        norm = self._clip(grad)
        grads, values = self._units(grad), self._units(self._flat)
        contexts, frozen = self._contexts(lr, grads, values), self._frozen()
        admit = partial(_without, frozen=frozen)
        self._last_contexts = contexts
        for name, value in values.items():
            context = contexts[self._roles.get(name)]
            given = grads[name], self._states[name], value, context
            if self._optimizer.elementwise:
                self._states[name] = update_in_place(self._optimizer.update, *given, admit)
            else:
                delta, self._states[name] = self._optimizer.update(*given)
                value.add_(admit(delta))
        self._update_curvature(contexts)
        return norm, loss

    def _update_curvature(self, contexts: Mapping[ParamRole | None, Context]) -> None:
        """The optimizer's second look, at the batch that comes next, where it takes one."""
        curvature = self._optimizer.curvature
        if curvature is None or self._step % curvature.every:
            return
        grad, _ = self._gradients(self._step + 1, self._drawn_loss)
        self._clip(grad)
        grads, values = self._units(grad), self._units(self._flat)
        for name, value in values.items():
            context = contexts[self._roles.get(name)]
            state = self._states[name]
            self._states[name] = curvature.update(grads[name], state, value, context)

    def _clip(self, grad: Tensor) -> Tensor:
        """Clips gradients `(K, P)` in place; their norms before, `(K,)`."""
        norm = norms(grad)
        grad.mul_(clip_factors(norm, self._hyperparameters["grad_clip"])[:, None])
        return norm

    def _units(self, flat: Tensor) -> dict[str, Tensor]:
        """What the optimizer sees as one tensor each, in the memory of `flat`, `(K, P)`."""
        return {ALL: flat} if self._optimizer.elementwise else views(flat, self._shapes)

    def _frozen(self) -> Tensor | None:
        """Which members must not change any more, `(K,)`; None if all may."""
        if all(self.live):
            return None
        return torch.tensor([not live for live in self.live], device=self._device)

    def _contexts(
        self, lr: Tensor, grads: Params, values: Params
    ) -> dict[ParamRole | None, Context]:
        prepare = self._optimizer.prepare
        shared = {} if prepare is None else prepare(grads, self._states, values)
        rates = (lr, self._hyperparameters["lr"], self._decay)
        lr, peak_lr, decay = (rate.to(self._flat.dtype) for rate in rates)
        return {
            role: Context(self._step, lr, peak_lr, decay, role, shared)
            for role in (None, *self._roles.values())
        }

    def _gradients(self, step: int, losses: Losses) -> tuple[Tensor, Tensor]:
        """Gradients of all parameters on a step's batch, `(K, P)`, and cross-entropies, `(K,)`."""
        tokens_KBT = torch.from_numpy(self._batches.batch(step)).to(self._device)
        params = views(self._flat, self._shapes)
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        with self._autocast():
            logits_KMV = forward(leaves, tokens_KBT[..., :-1], self._config.model)
        loss, cross_entropy_K = losses(logits_KMV, tokens_KBT[..., 1:].flatten(1))
        grads = torch.autograd.grad(loss.sum(), list(leaves.values()))
        return concatenate(grads), cross_entropy_K

    def _training_loss(self, logits_KMV: Tensor, target_KM: Tensor) -> tuple[Tensor, Tensor]:
        return training_loss(logits_KMV, target_KM, self._hyperparameters["z_loss"])

    def _drawn_loss(self, logits_KMV: Tensor, target_KM: Tensor) -> tuple[Tensor, Tensor]:
        """The loss on labels that the models themselves predict; the text's are not used."""
        del target_KM
        seeds = [config.seed for config in self._configs]
        drawn_KM = drawn_labels(logits_KMV, seeds, self._step)
        return training_loss(logits_KMV, drawn_KM, torch.zeros_like(self._decay))

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self._config.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, dtype=torch.bfloat16)

    @torch.no_grad()
    def _evaluate(self) -> list[float]:
        """Cross-entropy on the held-out windows, one per member."""
        params, K = self._evaluation_params(), len(self._configs)
        total = torch.zeros(K, dtype=torch.float64, device=self._device)
        for tokens_BT in torch.split(self._validation, self._config.batch_size):
            tokens_KBT = tokens_BT.to(self._device).expand(K, -1, -1)
            with self._autocast():
                logits_KMV = forward(params, tokens_KBT[..., :-1], self._config.model)
            total += cross_entropy(logits_KMV, tokens_KBT[..., 1:].flatten(1)) * len(tokens_BT)
        return (total / len(self._validation)).tolist()

    def _evaluation_params(self) -> Params:
        eval_params = self._optimizer.eval_params
        if eval_params is None:
            return views(self._flat, self._shapes)
        units = self._units(self._flat)
        moved = [eval_params(value, self._states[name]) for name, value in units.items()]
        return views(concatenate(moved), self._shapes)

    def _settle(self) -> None:
        """Reads the training losses since the last time, which an accelerator has to wait for."""
        if not self._pending:
            return
        losses = torch.stack(self._pending).double().tolist()
        first = self._step - len(losses) + 1
        self._pending = []
        for step, values in enumerate(losses, first):
            self._records.add_training(step, values)


def train(
    configs: Sequence[TrainConfig], *, data_dir: Path, device: str = "cpu"
) -> Iterator[StepMetrics]:
    """Trains a stack to its end and yields the metrics on the way."""
    run = StackRun(configs, data_dir=data_dir, device=device)
    while not run.finished:
        metrics = run.advance()
        if metrics is not None:
            yield metrics


def check(configs: Sequence[TrainConfig]) -> None:
    """Raises ValueError unless these can be trained as one stack, here and now."""
    if not configs:
        raise ValueError("a stack needs at least one configuration")
    keys = {stack_key(config) for config in configs}
    if len(keys) > 1:
        raise ValueError(f"configurations of one stack must share a stack key, but got {keys}")
    config = configs[0]
    read = hyperparameters(config.optimizer, config.schedule)
    if config.hyperparameters.keys() != read.keys():
        raise ValueError(
            f"{config.optimizer} under {config.schedule} reads {', '.join(sorted(read))}, "
            f"but got {', '.join(sorted(config.hyperparameters))}"
        )
    version = registered(config.optimizer).version
    if config.optimizer_version != version:
        raise ValueError(
            f"{config.optimizer} is here in version '{version}', "
            f"but the run is of version '{config.optimizer_version}'"
        )
    known = options(config.optimizer)
    if config.options.keys() != known.keys():
        raise ValueError(
            f"{config.optimizer} has the options ({', '.join(sorted(known))}), "
            f"but got ({', '.join(sorted(config.options))})"
        )


def _stacked(configs: Sequence[TrainConfig], device: torch.device) -> dict[str, Tensor]:
    """Every hyperparameter as float64 `(K,)`: corrections like `1 - beta^t` cancel in fp32."""
    return {
        name: torch.tensor(
            [config.hyperparameters[name] for config in configs], dtype=torch.float64, device=device
        )
        for name in configs[0].hyperparameters
    }


def _build(config: TrainConfig, values: Mapping[str, Tensor]) -> Optimizer:
    facts = {
        "heads": config.model.heads,
        "steps": config.steps,
        "tokens_per_batch": config.batch_size * config.model.sequence_length,
    }
    return entry(config.optimizer).construct(values, config.options, facts)


def _decay(configs: Sequence[TrainConfig], values: Mapping[str, Tensor]) -> Tensor:
    """The coefficient of decoupled decay, `(K,)`: each member's by its own convention."""
    if entry(configs[0].optimizer).own_decay:
        return torch.zeros_like(values["lr"])
    weight_decay = values["weight_decay"]
    coupled = [config.decay_convention == "coupled" for config in configs]
    independent = weight_decay / values["lr"]
    return torch.where(torch.tensor(coupled, device=weight_decay.device), weight_decay, independent)


def _without(delta: Tensor, frozen: Tensor | None) -> Tensor:
    """The update with zero for frozen members, whatever it is there."""
    if frozen is None:
        return delta
    return delta.masked_fill(frozen.view(-1, *[1] * (delta.dim() - 1)), 0.0)
