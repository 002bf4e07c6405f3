"""What `python -m trainers` shows of a run: how far it is, and how its members ended."""

import json
import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import median

from trainers.config import TrainConfig
from trainers.devices import ParallelRun
from trainers.loop import StackRun
from trainers.metrics import SPEEDS, StepMetrics
from trainers.runs import Run

BAR_WIDTH = 30


def train(run: Run, *, as_json: bool) -> None:
    """Trains a run to its end, and shows how far it is."""
    started = time.monotonic()
    speeds = []
    while not run.finished:
        metrics = run.advance()
        if metrics is None:
            continue
        speeds.append(metrics.speed)
        if as_json:
            _print_json({"step": metrics.step} | _finite(metrics))
        elif sys.stderr.isatty() or run.finished:
            _draw_bar(run, time.monotonic() - started)
    if not as_json:
        print(_waiting(run, time.monotonic() - started) + _pace(speeds), file=sys.stderr)


def _waiting(run: Run, elapsed_s: float) -> str:
    """How much of the time went by waiting for data; of a training function it is not known."""
    if not isinstance(run, StackRun | ParallelRun):
        return ""
    return f" {run.waited_s / elapsed_s:.1%} of it waiting for data"


def _pace(speeds: Iterable[Mapping[str, Sequence[float]]]) -> str:
    """How fast all members together trained, at the median of what was measured."""
    known = [speed for speed in speeds if speed]
    if not known:
        return ""
    tokens, flops, mfu = (median(sum(speed[key]) for speed in known) for key in SPEEDS)
    return f"\n{tokens:,.0f} tokens/s, {flops / 1e12:.3g} TFLOP/s, MFU {mfu:.1%}"


def _draw_bar(run: Run, elapsed_s: float) -> None:
    done = BAR_WIDTH * run.step // run.steps
    left_s = elapsed_s * (run.steps - run.step) / max(1, run.step)
    print(
        f"\r[{'#' * done}{'.' * (BAR_WIDTH - done)}] step {run.step}/{run.steps}"
        f"  {sum(run.live)} of {len(run.live)} alive  {elapsed_s:.0f} s, {left_s:.0f} s left ",
        end="",
        file=sys.stderr,
        flush=True,
    )


def _finite(metrics: StepMetrics) -> dict[str, list[float | None]]:
    """JSON has no NaN: what is not a number is null."""
    return {
        key: [value if math.isfinite(value) else None for value in values]
        for key, values in {**metrics.values, **metrics.speed}.items()
    }


def report(run: Run, configs: Sequence[TrainConfig], *, as_json: bool) -> None:
    """One line per member: what it differs in, and how it ended."""
    varied = [
        name
        for name in configs[0].hyperparameters
        if len({config.hyperparameters[name] for config in configs}) > 1
    ]
    columns = [*(varied or {"lr"} & configs[0].hyperparameters.keys()), "seed"]
    lines = [[*columns, "outcome", "final", "best", "train", "initial"]]
    for slot, (config, result) in enumerate(zip(configs, run.results(), strict=True)):
        assert result is not None, "nothing masks a member here"
        if as_json:
            member = {"slot": slot, "seed": config.seed, **config.hyperparameters}
            _print_json({"result": asdict(result), "member": member})
            continue
        outcome = result.outcome
        if result.diverged_at_step is not None:
            outcome = f"diverged at {result.diverged_at_step}"  # type: ignore[assignment]
        losses = (result.final_loss, result.best_loss, result.train_loss, result.initial_loss)
        values = [f"{config.hyperparameters[name]:g}" for name in columns[:-1]]
        lines.append([*values, str(config.seed), outcome, *(_loss(loss) for loss in losses)])
    if not as_json:
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def _loss(loss: float | None) -> str:
    return "-" if loss is None else f"{loss:.4f}"


def _print_json(value: object) -> None:
    print(json.dumps(value, allow_nan=False), flush=True)
