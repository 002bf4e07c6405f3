"""`python -m trainers`: trains one stack from a terminal, without Ray or a database."""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import torch

from trainers.config import ARCHITECTURES, SCALES, SCHEDULE_HYPERPARAMETERS, TrainConfig
from trainers.data import EMBEDDED, dataset, prepare_embedded
from trainers.loop import StackRun
from trainers.metrics import StepMetrics
from trainers.optimizers import REGISTRY, hyperparameters

BAR_WIDTH = 30

Number = TypeVar("Number", int, float)

DESCRIPTION = """\
Trains one stack of language models that differ in hyperparameters and seeds, and prints how each
ended.

Every hyperparameter takes one value for all members, or one per member; the option with the most
values decides how many members there are. What an optimizer does not read is refused."""

EPILOG = """\
examples:
  python -m trainers --scale nano --optimizer adamw --lr 1e-3 3.16e-3 1e-2 --steps 300
  python -m trainers --optimizer sgd --momentum 0 0.9 0.98 --steps 300 --json
  python -m trainers --optimizer lion --seed 0 1 2 --architecture plain --device cuda

The table's losses are cross-entropy in nats on held-out text. With --json every line is an
object: first the metrics of each metric step, at the end one "result" per member."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is 0, 2 for bad input, or 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        if options.threads < 1:
            raise ValueError(f"threads >= 1 must hold, but got threads={options.threads}")
        torch.set_num_threads(options.threads)
        configs = _configs(options)
        run = StackRun(configs, data_dir=options.data_dir, device=options.device)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"python -m trainers: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    try:
        _train(run, as_json=options.json)
    except KeyboardInterrupt:
        return 130
    _report(run, configs, as_json=options.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    run = parser.add_argument_group("run")
    run.add_argument("--optimizer", default="adamw", metavar="NAME", help=_choices(REGISTRY))
    run.add_argument("--scale", default="nano", metavar="NAME", help=_choices(SCALES))
    run.add_argument("--architecture", default="standard", choices=[*ARCHITECTURES])
    run.add_argument("--schedule", default="warmup_cosine", choices=[*SCHEDULE_HYPERPARAMETERS])
    run.add_argument("--steps", type=int, help="optimizer steps; default: the scale's own")
    run.add_argument("--batch-size", type=int, help="sequences; default: the scale's own")
    run.add_argument("--precision", choices=["fp32", "bf16"], help="default: the scale's own")
    run.add_argument("--seed", type=int, nargs="+", default=[0], metavar="N", dest="seeds")
    run.add_argument("--data", default=EMBEDDED, metavar="NAME", help="a prepared data set")
    machine = parser.add_argument_group("machine and output")
    machine.add_argument("--data-dir", type=Path, default=Path(".sweeper/datasets"), metavar="DIR")
    machine.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    machine.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    machine.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    group = parser.add_argument_group("hyperparameters (one value, or one per member)")
    for name, text in _hyperparameter_help().items():
        flag = "--" + name.replace("_", "-")
        group.add_argument(flag, dest=name, type=float, nargs="+", metavar="X", help=text)
    return parser


def _choices(names: Iterable[str]) -> str:
    return "one of " + ", ".join(names) + " (default %(default)s)"


def _hyperparameter_help() -> dict[str, str]:
    """Every hyperparameter of any optimizer, with what it does."""
    found: dict[str, str] = {}
    for optimizer in REGISTRY:
        for name, description in hyperparameters(optimizer, "warmup_cosine").items():
            found.setdefault(name, f"{description.help}; {description.rule(name)}")
    return found


def _configs(options: argparse.Namespace) -> list[TrainConfig]:
    """One configuration per member; raises ValueError for what cannot be trained."""
    if options.scale not in SCALES:
        raise ValueError(f"unknown scale '{options.scale}'; known: {', '.join(SCALES)}")
    scale, architecture = SCALES[options.scale], ARCHITECTURES[options.architecture]
    members = _members(options, architecture.z_loss)
    prepared = options.data == EMBEDDED
    data = (
        prepare_embedded(options.data_dir) if prepared else dataset(options.data_dir, options.data)
    )
    model = scale.model(data.vocabulary, architecture.qk_norm)
    batch_size = scale.batch_size if options.batch_size is None else options.batch_size
    seeds = _spread("seed", options.seeds, len(members))
    return [
        TrainConfig(
            optimizer=options.optimizer,
            model=model,
            data=data,
            steps=scale.default_steps(model, batch_size)
            if options.steps is None
            else options.steps,
            batch_size=batch_size,
            hyperparameters=values,
            schedule=options.schedule,
            precision=options.precision or scale.precision,
            seed=seed,
            eval_sequences=scale.eval_sequences,
        )
        for values, seed in zip(members, seeds, strict=True)
    ]


def _members(options: argparse.Namespace, z_loss: float) -> list[dict[str, float]]:
    """Each member's hyperparameters, defaults filled in."""
    read = hyperparameters(options.optimizer, options.schedule)
    given = {k: v for k in _hyperparameter_help() if (v := getattr(options, k)) is not None}
    unread = [name for name in given if name not in read]
    if unread:
        raise ValueError(
            f"{options.optimizer} under {options.schedule} does not read {', '.join(unread)}; "
            f"it reads: {', '.join(read)}"
        )
    for name, value in ((name, value) for name, values in given.items() for value in values):
        if not read[name].admits(value):
            raise ValueError(f"`{read[name].rule(name)}` must hold, but got {name}={value:g}")
    defaults = {name: [hyper.default] for name, hyper in read.items()} | {"z_loss": [z_loss]}
    count = max(len(options.seeds), *(len(values) for values in given.values()), 1)
    columns = {name: _spread(name, v, count) for name, v in (defaults | given).items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _spread(name: str, values: Sequence[Number], count: int) -> list[Number]:
    if len(values) == 1:
        return [values[0]] * count
    if len(values) != count:
        raise ValueError(f"{name} has {len(values)} values, but the stack has {count} members")
    return list(values)


def _train(run: StackRun, *, as_json: bool) -> None:
    started = time.monotonic()
    while not run.finished:
        metrics = run.advance()
        if metrics is None:
            continue
        if as_json:
            _print_json({"step": metrics.step} | _finite(metrics))
        elif sys.stderr.isatty() or run.finished:
            _draw_bar(run, time.monotonic() - started)
    if not as_json:
        print(file=sys.stderr)


def _draw_bar(run: StackRun, elapsed_s: float) -> None:
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
        for key, values in metrics.values.items()
    }


def _report(run: StackRun, configs: Sequence[TrainConfig], *, as_json: bool) -> None:
    """One line per member: what it differs in, and how it ended."""
    varied = [
        name
        for name in configs[0].hyperparameters
        if len({config.hyperparameters[name] for config in configs}) > 1
    ]
    columns = [*(varied or ["lr"]), "seed"]
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


if __name__ == "__main__":
    sys.exit(main())
