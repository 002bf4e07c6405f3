"""`python -m trainers`: trains one stack from a terminal, without Ray or a database."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from trainers.config import (
    SCHEDULE_HYPERPARAMETERS,
    DecayConvention,
    Option,
    ScheduleName,
    TrainConfig,
    under_convention,
)
from trainers.data import EMBEDDED, dataset, prepare_embedded
from trainers.functions import STAND_INS, TrainingFunction
from trainers.optimizers import hyperparameters, names, options, registered
from trainers.ranks import RankLost
from trainers.runs import start
from trainers.scales import ARCHITECTURES, SCALES
from trainers.terminal import report, train

Number = TypeVar("Number", int, float)

DESCRIPTION = """\
Trains one stack of language models that differ in hyperparameters and seeds, and prints how each
ended.

Every hyperparameter takes one value for all members, or one per member; the option with the most
values decides how many members there are. An option is the whole stack's. What an optimizer does
not read is refused."""

EPILOG = """\
examples:
  python -m trainers --scale nano --optimizer adamw --lr 1e-3 3.16e-3 1e-2 --steps 300
  python -m trainers --optimizer sgd --momentum 0 0.9 0.98 --steps 300 --json
  python -m trainers --optimizer lion --seed 0 1 2 --architecture plain --device cuda

The table's losses are cross-entropy in nats on held-out text. With --json every line is an
object: first the metrics of each metric step, at the end one "result" per member. tokens_per_s,
flops_per_s (of the model) and mfu (these over what the device reaches in matrix products of the
run's precision) are each member's share: they add up to the device's."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code is 0, 2 for bad input, or 130 after Ctrl-C."""
    try:
        parser = _parser()
    # Options come from plug-ins too: one may be unreadable, or have a name of ours.
    except (ValueError, argparse.ArgumentError) as error:
        return _refused(error)
    given = parser.parse_args(arguments)
    try:
        if given.threads < 1:
            raise ValueError(f"threads >= 1 must hold, but got threads={given.threads}")
        torch.set_num_threads(given.threads)
        configs = _configs(given)
        run = start(
            configs,
            data_dir=given.data_dir,
            device=given.device,
            micro_batch=given.micro_batch,
            devices=given.devices,
        )
    except (ValueError, OSError, RuntimeError) as error:
        return _refused(error)
    try:
        train(run, as_json=given.json)
    except KeyboardInterrupt:
        return 130
    except RankLost as error:
        print(f"python -m trainers: {error}", file=sys.stderr)
        return 1
    finally:
        run.close()
    report(run, configs, as_json=given.json)
    return 0


def _refused(error: Exception) -> int:
    print(f"python -m trainers: {str(error).splitlines()[0]}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    run = parser.add_argument_group("run")
    run.add_argument("--optimizer", default="adamw", metavar="NAME", help=_choices(names()))
    run.add_argument("--scale", default="nano", metavar="NAME", help=_choices(SCALES))
    run.add_argument("--architecture", default="standard", choices=[*ARCHITECTURES])
    run.add_argument(
        "--schedule", choices=[*SCHEDULE_HYPERPARAMETERS], help="default: the optimizer's own"
    )
    run.add_argument(
        "--decay-convention",
        choices=["independent", "coupled"],
        help="whether weights shrink by weight_decay per step at peak (default), or by lr times it",
    )
    run.add_argument("--steps", type=int, help="optimizer steps; default: the scale's own")
    run.add_argument("--batch-size", type=int, help="sequences; default: the scale's own")
    run.add_argument("--precision", choices=["fp32", "bf16"], help="default: the scale's own")
    run.add_argument("--seed", type=int, nargs="+", default=[0], metavar="N", dest="seeds")
    run.add_argument("--data", default=EMBEDDED, metavar="NAME", help="a prepared data set")
    machine = parser.add_argument_group("machine and output")
    machine.add_argument("--data-dir", type=Path, default=Path(".sweeper/datasets"), metavar="DIR")
    machine.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    machine.add_argument(
        "--micro-batch",
        type=int,
        metavar="N",
        help="sequences of each member computed at once; default: all on a CPU, else what fits",
    )
    machine.add_argument(
        "--devices",
        type=int,
        default=1,
        metavar="N",
        help="GPUs of this machine, or processes on its CPU, that share every batch (default 1)",
    )
    machine.add_argument(
        "--threads", type=int, default=1, help="CPU threads per device (default 1)"
    )
    machine.add_argument("--json", action="store_true", help="JSON lines instead of a table")
    group = parser.add_argument_group("hyperparameters (one value, or one per member)")
    for name, text in _hyperparameter_help().items():
        flag = "--" + name.replace("_", "-")
        group.add_argument(flag, dest=name, type=float, nargs="+", metavar="X", help=text)
    group = parser.add_argument_group("options of single optimizers (one value for all members)")
    for name, option in _known_options().items():
        flag, text = "--" + name.replace("_", "-"), f"{option.help}; {option.rule(name)}"
        group.add_argument(flag, dest=name, type=_switch if option.is_switch else int, help=text)
    return parser


def _switch(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"must be true or false, but got {text!r}")
    return text == "true"


def _choices(names: Iterable[str]) -> str:
    return "one of " + ", ".join(names) + " (default %(default)s)"


def _hyperparameter_help() -> dict[str, str]:
    """Every hyperparameter of any optimizer, with what it does."""
    found: dict[str, str] = {}
    for optimizer in names():
        for name, description in hyperparameters(optimizer, "warmup_cosine").items():
            found.setdefault(name, f"{description.help}; {description.rule(name)}")
    return found


def _known_options() -> dict[str, Option]:
    """Every option of any optimizer."""
    found: dict[str, Option] = {}
    for optimizer in names():
        found = options(optimizer) | found
    return found


def _configs(arguments: argparse.Namespace) -> list[TrainConfig]:
    """One configuration per member; raises ValueError for what cannot be trained."""
    if arguments.scale not in SCALES:
        raise ValueError(f"unknown scale '{arguments.scale}'; known: {', '.join(SCALES)}")
    scale, architecture = SCALES[arguments.scale], ARCHITECTURES[arguments.architecture]
    own = registered(arguments.optimizer)
    schedule: ScheduleName = arguments.schedule or own.schedule
    if isinstance(own, TrainingFunction):
        _refuse_unread(arguments, own)
    members = _members(arguments, schedule, architecture.z_loss)
    chosen = _options(arguments)
    own_decay = isinstance(own, TrainingFunction) or own.own_decay
    decay: DecayConvention = "own" if own_decay else "independent"
    if own_decay and arguments.decay_convention:
        raise ValueError(f"{arguments.optimizer} has a rule of its own for weight decay")
    prepared = arguments.data == EMBEDDED
    data = (
        prepare_embedded(arguments.data_dir)
        if prepared
        else dataset(arguments.data_dir, arguments.data)
    )
    model = scale.model(data.vocabulary, architecture.qk_norm)
    batch_size = scale.batch_size if arguments.batch_size is None else arguments.batch_size
    seeds = _spread("seed", arguments.seeds, len(members))
    configs = [
        TrainConfig(
            optimizer=arguments.optimizer,
            model=model,
            data=data,
            steps=scale.default_steps(model, batch_size)
            if arguments.steps is None
            else arguments.steps,
            batch_size=batch_size,
            hyperparameters=values,
            options=chosen,
            decay_convention=arguments.decay_convention or decay,
            optimizer_version=own.version,
            schedule=schedule,
            precision=arguments.precision or scale.precision,
            seed=seed,
            eval_sequences=scale.eval_sequences,
        )
        for values, seed in zip(members, seeds, strict=True)
    ]
    return [*map(own.effective, configs)] if isinstance(own, TrainingFunction) else configs


def _refuse_unread(arguments: argparse.Namespace, function: TrainingFunction) -> None:
    """Raises ValueError for what is said of a run and the function does not ask for."""
    unread = [name for name in ("schedule", *STAND_INS) if name not in function.reads]
    for name in unread:
        if getattr(arguments, name, None) not in (None, EMBEDDED):
            known = ", ".join(sorted(function.reads))
            raise ValueError(f"{arguments.optimizer} does not read {name}; it reads: {known}")


def _options(arguments: argparse.Namespace) -> dict[str, int | str | bool]:
    """The optimizer's options, defaults filled in."""
    known = options(arguments.optimizer)
    given = {k: v for k in _known_options() if (v := getattr(arguments, k)) is not None}
    for name, value in given.items():
        if name not in known:
            having = ", ".join(known) or "none"
            raise ValueError(f"{arguments.optimizer} has no option {name}; it has: {having}")
        if not known[name].admits(value):
            raise ValueError(f"`{known[name].rule(name)}` must hold, but got {name}={value:g}")
    return {name: option.default for name, option in known.items()} | given


def _members(
    arguments: argparse.Namespace, schedule: ScheduleName, z_loss: float
) -> list[dict[str, float]]:
    """Each member's hyperparameters, defaults filled in."""
    read = hyperparameters(arguments.optimizer, schedule)
    given = {k: v for k in _hyperparameter_help() if (v := getattr(arguments, k)) is not None}
    unread = [name for name in given if name not in read]
    if unread:
        under = "" if schedule == "own" else f" under {schedule}"
        raise ValueError(
            f"{arguments.optimizer}{under} does not read {', '.join(unread)}; "
            f"it reads: {', '.join(read)}"
        )
    for name, value in ((name, value) for name, values in given.items() for value in values):
        rule = under_convention(name, read[name], arguments.decay_convention)
        if not rule.admits(value):
            raise ValueError(f"`{rule.rule(name)}` must hold, but got {name}={value:g}")
    defaults = {name: [hyper.default] for name, hyper in read.items()}
    if "z_loss" in read.keys() - registered(arguments.optimizer).hyperparameters.keys():
        defaults["z_loss"] = [z_loss]
    count = max(len(arguments.seeds), *(len(values) for values in given.values()), 1)
    columns = {name: _spread(name, v, count) for name, v in (defaults | given).items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _spread(name: str, values: Sequence[Number], count: int) -> list[Number]:
    if len(values) == 1:
        return [values[0]] * count
    if len(values) != count:
        raise ValueError(f"{name} has {len(values)} values, but the stack has {count} members")
    return list(values)


if __name__ == "__main__":
    sys.exit(main())
