"""What runs in a Ray worker: one stack, from its checkpoint to its results.

The worker has no access to the database. Its process is used for many stacks, so everything that a
stack sets in it is set anew by the next one.
"""

import logging
import os
import socket
import time
import traceback
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from ray import tune
from ray.exceptions import RayError

from sweeper.dispatch.checkpointing import Checkpointing
from sweeper.dispatch.control import Verdict, ask
from sweeper.dispatch.devices import cpu_name, several
from sweeper.dispatch.failpoints import hit
from sweeper.dispatch.log_tail import LogTail
from sweeper.dispatch.messages import (
    Pace,
    Progress,
    Report,
    Row,
    Work,
    measured,
    work_from_json,
)
from sweeper.dispatch.objects import StoreUnreachable
from sweeper.dispatch.processes import pid_space
from sweeper.dispatch.scratch import FULL_DISK
from sweeper.dispatch.stopwatch import Stopwatch
from sweeper.dispatch.watchdog import Watchdog, hung_file
from sweeper.failures import Failure, FailureKind
from sweeper.storage.records import MetricKind
from trainers import provenance
from trainers.checkpoints import CheckpointError
from trainers.config import from_dict
from trainers.metrics import StepMetrics
from trainers.optimizers import plugins
from trainers.ranks import RankLost
from trainers.runs import Run, reset_process, start
from trainers.token_files import DataError

LOGGERS = ("sweeper", "trainers")
REPORT_KEY = "report"

_log = logging.getLogger(__name__)


def train_stack(config: Mapping[str, Any]) -> None:
    """Train the stack in `config["spec"]`: the function that Ray Tune calls."""
    work = work_from_json(config["spec"])
    log = LogTail()
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger().addHandler(log)
    try:
        _Session(work, log).train()
    finally:
        logging.getLogger().removeHandler(log)


class _Session:
    """One attempt at one stack: what it still has to say, and when it last spoke and saved."""

    def __init__(self, work: Work, log: LogTail) -> None:
        self._work = work
        self._log = log
        self._rows: list[Row] = []
        self._told: set[int] = {slot for slot, live in enumerate(work.live) if not live}
        self._report = Report(
            stack_id=work.stack_id,
            attempt=work.attempt,
            progress=Progress.STARTED,
            step=0,
            steps=work.configs[0]["steps"],
            host=socket.gethostname(),
            pid=os.getpid(),
            pid_space=pid_space(),
            provenance=_provenance(work),
        )
        self._stopwatch = Stopwatch(work.configs[0]["eval_sequences"])
        self._reported_at = self._saved_at = time.monotonic()

    def train(self) -> None:
        """From the checkpoint to the end; every way it can end is in the last report."""
        try:
            self._send(Progress.STARTED)
            if (back := self._verdict().back) is not None:
                self._report = replace(self._report, reason=back)
                self._send(Progress.RETURNED)
                return
            work = self._work
            hung = hung_file(Path(work.hung_dir), work.stack_id, work.attempt)
            with (
                Watchdog(hung, work.timing.progress_limit_s) as watchdog,
                Checkpointing(work, watchdog.alive) as checkpoints,
                closing(self._start()) as run,
            ):
                self._resume(run, checkpoints)
                self._loop(run, watchdog, checkpoints)
        except Exception as error:
            _log.exception("stack %d failed", self._work.stack_id)
            if isinstance(error, torch.OutOfMemoryError):
                pace = Pace(device=_device_name(self._work), step_s=None)
                self._report = replace(self._report, pace=pace)
            self._send(Progress.FAILED, failure=_failure(error, self._log.text()))
            if isinstance(error, torch.OutOfMemoryError | RankLost):
                raise  # Ray then replaces this process, whose devices may be in any state.

    def _start(self) -> Run:
        work = self._work
        reset_process(work.threads)
        if work.plugin is not None:
            plugins.take(work.plugin)
        configs = [from_dict(plain) for plain in work.configs]
        return start(
            configs,
            data_dir=Path(work.data_dir),
            device=work.device,
            micro_batch=work.micro_batch,
            devices=work.devices,
        )

    def _resume(self, run: Run, checkpoints: Checkpointing) -> None:
        work = self._work
        if work.checkpoint is not None:
            checkpoints.load(run, work.checkpoint, work.checkpoint_slots)
        _log.info(
            "stack %d, attempt %d: %d trials from step %d of %d",
            *(work.stack_id, work.attempt, sum(work.live), run.step, run.steps),
        )
        resumed = dict(self._report.provenance) | {"resumed_at": run.step}
        self._report = replace(self._report, step=run.step, provenance=resumed)
        for slot in self._told:
            if run.live[slot]:
                run.mask(slot)

    def _loop(self, run: Run, watchdog: Watchdog, checkpoints: Checkpointing) -> None:
        self._stopwatch.start(run.step)
        while not run.finished:
            live = run.live
            hit("worker_step", step=run.step, seed=self._seeds())
            started = time.monotonic()
            metrics = run.advance()
            self._stopwatch.note(metrics, time.monotonic() - started)
            watchdog.alive()
            self._keep(run, metrics, live)
            if self._is_due(self._reported_at, self._work.timing.report_s):
                verdict = self._speak(run, checkpoints)
                if verdict.back is not None:
                    return
        self._save_last(run, checkpoints)
        self._note(checkpoints)
        self._note_pace(run)
        self._send(Progress.FINISHED, run)

    def _save_last(self, run: Run, checkpoints: Checkpointing) -> None:
        """The results go with the next report; till they are accepted, a checkpoint holds them."""
        if self._work.keeps and any(run.live):
            kept = {"checkpoint": checkpoints.keep(run)}
            self._report = replace(self._report, provenance=dict(self._report.provenance) | kept)
        elif self._is_due(self._saved_at, self._work.timing.report_s):
            checkpoints.save_at_once(run)

    def _seeds(self) -> tuple[int, ...]:
        return tuple(config["seed"] for config in self._work.configs)

    def _speak(self, run: Run, checkpoints: Checkpointing) -> Verdict:
        """Heed the dispatcher, save if that is due, report."""
        verdict = self._verdict()
        for slot in verdict.masked:
            self._told.add(slot)
            if run.live[slot]:
                run.mask(slot)
        if run.finished:
            return Verdict()
        if verdict.back is not None:
            checkpoints.save_at_once(run)
            self._note_pace(run)
        elif self._is_due(self._saved_at, self._work.timing.checkpoint_s) and checkpoints.save(run):
            self._saved_at = time.monotonic()
            self._note_pace(run)
        self._note(checkpoints)
        if verdict.back is None:
            self._send(Progress.RUNNING, run)
        else:
            self._report = replace(self._report, reason=verdict.back)
            self._send(Progress.RETURNED, run)
        return verdict

    def _verdict(self) -> Verdict:
        return ask(self._work.control, self._work.stack_id, self._work.attempt)

    def _keep(self, run: Run, metrics: StepMetrics | None, live: tuple[bool, ...]) -> None:
        if metrics is None:
            return
        self._rows += [
            measured(slot, key, metrics.step, value)
            for key, values in {**metrics.values, **metrics.speed}.items()
            for slot, value in enumerate(values)
            if live[slot]
        ]
        self._rows += [
            Row(slot, key, metrics.step, None, MetricKind.JSON, text)
            for key, texts in metrics.details.items()
            for slot, text in enumerate(texts)
            if live[slot]
        ]
        if run.live != live:
            self._reported_at = 0.0  # A member's end is news: report it now.

    def _note(self, checkpoints: Checkpointing) -> None:
        checkpoints.look()
        if (newest := checkpoints.newest) is not None:
            path, step = newest.path, newest.step
            self._report = replace(self._report, checkpoint=path, checkpoint_step=step)

    def _note_pace(self, run: Run) -> None:
        device = self._work.device
        peak_bytes = torch.cuda.max_memory_allocated() if device == "cuda" else None
        pace = self._stopwatch.pace(_device_name(self._work), run.micro_batch, peak_bytes)
        self._report = replace(self._report, pace=pace)

    def _send(
        self, progress: Progress, run: Run | None = None, failure: Failure | None = None
    ) -> None:
        results = {} if run is None else self._news(run)
        report = replace(
            self._report,
            progress=progress,
            step=self._report.step if run is None else run.step,
            rows=tuple(self._rows),
            results=results,
            failure=failure,
        )
        tune.report({REPORT_KEY: report.to_json()})
        self._told |= set(results)
        self._rows = []
        self._report = replace(report, rows=(), results={}, failure=None, pace=None)
        self._reported_at = time.monotonic()

    def _news(self, run: Run) -> dict[int, dict[str, Any]]:
        """Results that are known by now and not told yet."""
        known = {slot: run.result(slot) for slot in range(len(run.live)) if slot not in self._told}
        return {slot: asdict(result) for slot, result in known.items() if result is not None}

    @staticmethod
    def _is_due(since: float, interval_s: float) -> bool:
        return time.monotonic() - since >= interval_s


def _provenance(work: Work) -> dict[str, Any]:
    """What all members share; the writer adds what is a member's own."""
    stack = {"devices": work.devices, "threads": work.threads, "stack_size": len(work.configs)}
    return provenance.of_process() | provenance.of_device(work.device) | stack


def _device_name(work: Work) -> str:
    name = torch.cuda.get_device_name() if work.device == "cuda" else cpu_name()
    return several(name, work.devices)


def _failure(error: Exception, log_tail: str) -> Failure:
    return Failure(
        kind=_kind(error),
        message=f"{type(error).__name__}: {error}",
        traceback="".join(traceback.format_exception(error)),
        log_tail=log_tail,
    )


def _kind(error: Exception) -> FailureKind:
    if isinstance(error, torch.OutOfMemoryError):
        return FailureKind.OOM_GPU
    if isinstance(error, StoreUnreachable):
        return FailureKind.STORE_UNREACHABLE
    if isinstance(error, CheckpointError):
        return FailureKind.CHECKPOINT_CORRUPT
    if isinstance(error, DataError):
        return FailureKind.DATA_CORRUPT
    if isinstance(error, RayError | RankLost):
        return FailureKind.WORKER_LOST
    if isinstance(error, MemoryError):
        return FailureKind.OOM_HOST
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        return FailureKind.DISK_FULL
    return FailureKind.USER_ERROR
