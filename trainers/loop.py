"""The training loop: one stack of trials, step by step. Knows no database and no scheduler."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from trainers import checkpoints, read_ahead
from trainers.assembly import (
    check,
    decay_coefficients,
    identities,
    members_of,
    stacked_hyperparameters,
)
from trainers.checkpoints import CheckpointError
from trainers.config import TrainConfig
from trainers.curvature import drawn_labels
from trainers.data import TRAIN, VALIDATION, Batches, open_tokens, validation_windows
from trainers.metrics import StepMetrics, TrialResult, evaluation_steps, is_metric_step
from trainers.model import init_params, param_roles
from trainers.network import Labels, Network
from trainers.optimizers.base import Context
from trainers.parallel import ALONE, Ranks
from trainers.passes import Passes, automatic
from trainers.programs import programs_for
from trainers.records import Records
from trainers.schedules import multiplier
from trainers.stacked import concatenate
from trainers.throughput import Throughput
from trainers.updating import StackOptimizer, clip, frozen_members


class StackRun:
    """A stack in training: `advance` until `finished`, then `results`.

    Slots are the places of `configs`, for good. A member that diverged or was masked keeps its
    slot and its weights, and nothing it holds reaches another one. Every number depends on the
    configurations, the device, torch's thread count and `micro_batch` alone, so a run that is
    saved and loaded goes on bit for bit on a CPU. Not thread-safe. Flushes denormal floats to zero
    in the whole process.

    `micro_batch` is how many sequences of each trial are computed at once: unless it is given, a
    whole batch on a CPU, and elsewhere what is expected to fit. `compile` says whether programs are
    compiled: unless it is given, as `programs_for` has it. `ranks` are the processes that compute
    this stack together: see `ParallelRun`. All of these move losses by rounding only.
    """

    can_be_saved = True

    def __init__(
        self,
        configs: Sequence[TrainConfig],
        *,
        data_dir: Path,
        device: str = "cpu",
        micro_batch: int | None = None,
        compile: bool | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        check(configs)
        if micro_batch is not None and micro_batch < 1:
            raise ValueError(f"micro_batch >= 1 must hold, but got micro_batch={micro_batch}")
        # Averages of rarely used rows decay into denormals, which cost a CPU a hundred cycles each.
        torch.set_flush_denormal(True)
        self._configs = tuple(configs)
        self._config = config = configs[0]
        self._device, self._ranks = torch.device(device), ranks
        self._hyperparameters = stacked_hyperparameters(configs, self._device)
        self._decay = decay_coefficients(configs, self._hyperparameters)
        programs = programs_for(self._device, compile)
        self._network = Network(config.model, config.precision, self._device, programs)

        window, seeds = config.model.sequence_length, [c.seed for c in configs]
        train = open_tokens(data_dir, config.data, TRAIN)
        held_out = open_tokens(data_dir, config.data, VALIDATION)
        batches = Batches(train, seeds, batch_size=config.batch_size, window=window)
        self._read = read_ahead.reader(batches.batch, self._device)
        self._validation = torch.from_numpy(
            validation_windows(held_out, config.eval_sequences, window).astype("int64")
        )

        self._flat = concatenate(init_params(config.model, seeds, str(self._device)).values())
        # No method of this object: a cycle would hold its memory until the collector comes by.
        construct = partial(members_of, config, self._hyperparameters, programs.compiled)
        self._optimizer = StackOptimizer(
            construct, self._network.shapes, param_roles(config.model), self._flat
        )
        at_once = micro_batch or automatic(config, len(configs), self._device)
        self._passes = Passes(self._network, min(at_once, config.batch_size))
        self._records = Records(len(configs), config.steps)
        self._throughput = Throughput(config, self._device, devices=ranks.count)
        self._pending: list[Tensor] = []
        self._evaluated_at_start = False
        self._step = 0
        self._busy_s = 0.0
        self._waited_s = 0.0

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
    def micro_batch(self) -> int:
        """Sequences of each trial that are computed at once; fewer after memory ran out."""
        return self._passes.micro_batch

    @property
    def compiled(self) -> bool:
        """Whether its programs are compiled; not any more if that failed."""
        return self._passes.network.programs.compiled

    @property
    def waited_s(self) -> float:
        """Seconds that this process has waited for batches of the training text."""
        return self._waited_s

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
        params = self._network.params(self._flat)
        tensors = {f"params/{name}": value for name, value in params.items()}
        for name, state in self._optimizer.states.items():
            tensors |= {f"states/{name}/{key}": value for key, value in state.items()}
        tensors |= {f"records/{kind}": value for kind, value in self._records.tensors().items()}
        scalars = {
            "configs": identities(self._configs),
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
        if [stored[slot] for slot in chosen] != identities(self._configs):
            raise CheckpointError(f"the checkpoint at {directory} belongs to another stack")
        tensors = {name: tensor[chosen] for name, tensor in tensors.items()}
        self._evaluated_at_start = scalars["evaluated_at_start"]
        self._step = scalars["step"]
        self._busy_s = scalars["busy_s"] * len(chosen) / len(stored)
        # Into the memory that is there: a device has no room for a second stack.
        for name, value in self._network.params(self._flat).items():
            value.copy_(tensors[f"params/{name}"])
        for name, state in self._optimizer.states.items():
            for key, tensor in state.items():
                tensor.copy_(tensors[f"states/{name}/{key}"])
        kinds = self._records.tensors()
        self._records.restore({kind: tensors[f"records/{kind}"] for kind in kinds})
        self._pending = []

    def close(self) -> None:
        """Nothing: it holds memory alone."""

    def _clock(self) -> float:
        """Seconds of computing: of all threads on a CPU, of the wall on an accelerator."""
        return time.process_time() if self._device.type == "cpu" else time.perf_counter()

    def _first(self) -> StepMetrics:
        losses = self._evaluate()
        self._records.add_initial(losses)
        self._evaluated_at_start = True
        return StepMetrics(0, {"validation_loss": tuple(losses)})

    def _next(self) -> StepMetrics | None:
        self._throughput.begin()
        self._step += 1
        lr = self._lr()
        norm, loss = self._update(lr)
        self._pending.append(loss)
        measured = {"train_loss": loss, "grad_norm": norm, "lr": lr}
        metrics = self._metrics(measured) if is_metric_step(self._step, self.steps) else None
        self._update_curvature()
        return metrics

    def _metrics(self, measured: Mapping[str, Tensor]) -> StepMetrics:
        """What was measured and what the step was like, before a second look at it."""
        self._settle()
        pace = self._throughput.of_each_trial()
        speed = {key: (value,) * len(self._configs) for key, value in pace.items()}
        measured = {**measured, **self._optimizer.shares(self._flat)}
        metrics = {key: tuple(value.double().tolist()) for key, value in measured.items()}
        if self._step in evaluation_steps(self.steps) and any(self.live):
            metrics["validation_loss"] = tuple(self._evaluate())
            self._records.add_validation(self._step, metrics["validation_loss"])
        return StepMetrics(self._step, metrics, self._optimizer.details(self._flat), speed)

    def _lr(self) -> Tensor:
        hyperparameters = self._hyperparameters
        share = multiplier(self._config.schedule, self._step, self.steps, hyperparameters)
        return hyperparameters["lr"] * share

    def _update(self, lr: Tensor) -> tuple[Tensor, Tensor]:
        """One optimizer step of every member; gradient norms and training losses, `(K,)` each."""
        grad, loss = self._gradients(self._step)
        norm = clip(grad, self._hyperparameters["grad_clip"])
        frozen = frozen_members(self.live, self._device)
        self._optimizer.update(self._flat, grad, self._context(lr), frozen)
        return norm, loss

    def _update_curvature(self) -> None:
        """The optimizer's second look, at the batch that comes next, where it takes one."""
        if not self._optimizer.looks_again(self._step):
            return
        grad, _ = self._gradients(self._step + 1, self._drawn_labels)
        clip(grad, self._hyperparameters["grad_clip"])
        self._optimizer.look_again(self._flat, grad)

    def _context(self, lr: Tensor) -> Context:
        """What updates may know of this step, whatever the parameter."""
        rates = (lr, self._hyperparameters["lr"], self._decay)
        lr, peak_lr, decay = (rate.to(self._flat.dtype) for rate in rates)
        return Context(self._step, lr, peak_lr, decay, None, {})

    def _gradients(self, step: int, labels: Labels | None = None) -> tuple[Tensor, Tensor]:
        """Gradients of all parameters on a step's batch, `(K, P)`, and cross-entropies, `(K,)`."""
        started = time.perf_counter()
        tokens_KBT = torch.from_numpy(self._read(step))
        self._waited_s += time.perf_counter() - started
        z_loss = self._hyperparameters["z_loss"]
        if labels is not None:
            z_loss = torch.zeros_like(z_loss)
        return self._ranks.gradients(self._passes, self._flat, tokens_KBT, z_loss, labels)

    def _drawn_labels(self, logits_KMV: Tensor, row: int) -> Tensor:
        """Labels that the models themselves predict; the text's are not used."""
        seeds = [config.seed for config in self._configs]
        return drawn_labels(logits_KMV, seeds, self._step, row)

    def _evaluate(self) -> list[float]:
        """Cross-entropy on the held-out windows, one per member."""
        params = self._optimizer.evaluation_params(self._flat)
        return self._ranks.evaluate(self._passes, params, self._validation)

    def _settle(self) -> None:
        """Reads the training losses since the last time, which an accelerator has to wait for."""
        if not self._pending:
            return
        losses = torch.stack(self._pending).double().tolist()
        self._throughput.settled()
        first = self._step - len(losses) + 1
        self._pending = []
        for step, values in enumerate(losses, first):
            self._records.add_training(step, values)
