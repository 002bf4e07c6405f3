"""What a GPU does with stacks: utilisation, what stacking gains, and a sweep's worth of stacks.

Needs `trainers` alone (torch 2.10 or later, numpy, safetensors), prints tables, and JSON on the
last line. On a CPU, or with --small, models and counts are tiny: that shows that it works, and its
figures say nothing about a GPU.

1. One run at 150m, batch 256 x 512, and the same model as it is ordinarily written (nn.Module,
   fused AdamW, torch.compile), against the device's own rate in matrix products.
2. Trial-steps per second of stacks of K against K = 1, and against K processes on the device.
3. A sweep's stacks: 9 learning rates x 3 seeds of each of five optimizers at 10m.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_plain import plain_pace
from benchmarks.gpu_runs import (
    config_of,
    random_tokens,
    seconds_per_step,
    side_by_side,
    stack_of,
    wait_for,
)
from trainers.config import TrainConfig
from trainers.data import TRAIN, Batches, open_tokens, prepare_embedded
from trainers.flops import flops_per_token
from trainers.loop import StackRun
from trainers.model import init_params
from trainers.network import Network
from trainers.optimizers import REGISTRY
from trainers.passes import Passes, automatic
from trainers.throughput import matrix_product_rate


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured."""

    scale: str
    vocabulary: int
    stack_scales: tuple[str, ...]
    stack_sizes: tuple[int, ...]
    process_counts: tuple[int, ...]
    sweep_scale: str
    sweep_lrs: int
    sweep_seeds: int
    sweep_optimizers: tuple[str, ...]
    sweep_steps: int
    seconds: float


WHOLE = Size(
    scale="150m",
    vocabulary=32_128,
    stack_scales=("nano", "micro", "10m", "35m", "85m"),
    stack_sizes=(1, 2, 4, 8, 16, 32, 64),
    process_counts=(2, 4, 8),
    sweep_scale="10m",
    sweep_lrs=9,
    sweep_seeds=3,
    sweep_optimizers=("sgd", "adamw", "adafactor", "lion", "signum"),
    sweep_steps=200,
    seconds=5.0,
)
SMALL = Size(
    scale="nano",
    vocabulary=256,
    stack_scales=("nano",),
    stack_sizes=(1, 2, 4),
    process_counts=(2,),
    sweep_scale="nano",
    sweep_lrs=3,
    sweep_seeds=2,
    sweep_optimizers=("sgd", "adamw"),
    sweep_steps=20,
    seconds=1.0,
)


def utilisation(size: Size, data_dir: Path, device: str) -> dict[str, Any]:
    """One run and the ordinary way, in shares of the device's rate in matrix products."""
    data = random_tokens(data_dir, size.vocabulary, 2**23 if size.vocabulary > 256 else 2**16)
    config = config_of(size.scale, data)
    threads = torch.get_num_threads()
    rate = matrix_product_rate(torch.device(device), config.precision, threads)
    run = stack_of([config], data_dir, device)
    ours_s = seconds_per_step(run.advance, device, size.seconds)
    compiled, micro_batch = run.compiled, run.micro_batch
    del run
    batches = Batches(
        open_tokens(data_dir, data, TRAIN),
        [config.seed],
        batch_size=config.batch_size,
        window=config.model.sequence_length,
    )
    tokens = [torch.from_numpy(batches.batch(step)[0]) for step in (1, 2)]
    first = first_loss(config, tokens[0], device)
    plain = plain_pace(
        config,
        tokens,
        device=device,
        micro_batch=micro_batch,
        compile=compiled,
        seconds=size.seconds,
    )
    flops = flops_per_token(config.model) * config.batch_size * config.model.sequence_length
    return {
        "scale": size.scale,
        "batch": [config.batch_size, config.model.sequence_length],
        "precision": config.precision,
        "compiled": compiled,
        "rate_tflops": rate / 1e12,
        "flops_per_step": flops,
        "first_losses": (first, plain.first_loss),
        "ours": row(micro_batch, ours_s, flops / rate),
        "plain": row(plain.micro_batch, plain.step_s, flops / rate),
        "plain_over_ours": plain.step_s / ours_s,
    }


def row(micro_batch: int, step_s: float, ideal_s: float) -> dict[str, Any]:
    """A way in the table; `ideal_s` is what the device's own rate would allow."""
    return {"micro_batch": micro_batch, "step_s": step_s, "mfu": ideal_s / step_s}


def first_loss(config: TrainConfig, tokens: torch.Tensor, device: str) -> float:
    """Of the untrained model on a batch: the ordinary one must have the same."""
    network = Network(config.model, config.precision, torch.device(device))
    params = init_params(config.model, [config.seed], device)
    passes = Passes(network, automatic(config, 1, torch.device(device)))
    return passes.evaluate(params, tokens)[0]


def stacks(size: Size, data_dir: Path, device: str) -> list[dict[str, Any]]:
    """Trial-steps per second by scale and K; what does not fit has none."""
    random_tokens(data_dir, 256, 2**22)
    found = []
    for scale in size.stack_scales:
        paces = {k: stack_pace(scale, k, data_dir, device, size) for k in size.stack_sizes}
        alone = paces[1]["trial_steps_per_s"]
        for k, pace in paces.items():
            shared = None
            if k in size.process_counts:
                shared = side_by_side(scale, k, data_dir, device, size.seconds)
            found.append({"scale": scale, "k": k, **pace, "gain": None, "over_processes": None})
            if pace["trial_steps_per_s"] is not None:
                found[-1]["gain"] = pace["trial_steps_per_s"] / alone
                if shared:
                    found[-1]["over_processes"] = pace["trial_steps_per_s"] / shared
    return found


def stack_pace(scale: str, k: int, data_dir: Path, device: str, size: Size) -> dict[str, Any]:
    """One stack, or nothing where memory runs out."""
    data = random_tokens(data_dir, 256, 0)
    try:
        run = stack_of([config_of(scale, data, seed=seed) for seed in range(k)], data_dir, device)
        step_s = seconds_per_step(run.advance, device, size.seconds)
    except torch.OutOfMemoryError:
        return {"trial_steps_per_s": None, "micro_batch": None}
    return {"trial_steps_per_s": k / step_s, "micro_batch": run.micro_batch}


def sweep(size: Size, data_dir: Path, device: str) -> dict[str, Any]:
    """All trials of every optimizer in one stack each, to their end."""
    data = prepare_embedded(data_dir)
    started, busy_s, waited_s, rows = time.perf_counter(), 0.0, 0.0, []
    for optimizer in size.sweep_optimizers:
        began = time.perf_counter()
        runs = trained(sweep_configs(size, data, optimizer), data_dir, device)
        results = [result for run in runs for result in run.results() if result is not None]
        busy_s += sum(result.busy_s for result in results)
        waited_s += sum(run.waited_s for run in runs)
        wall_s = time.perf_counter() - began
        finite = [r.final_loss for r in results if r.final_loss is not None]
        rows.append(
            {
                "optimizer": optimizer,
                "stacks": [len(run.live) for run in runs],
                "micro_batch": runs[0].micro_batch,
                "wall_s": wall_s,
                "trial_steps_per_s": len(results) * size.sweep_steps / wall_s,
                "diverged": len(results) - len(finite),
                "best_loss": min(finite, default=None),
            }
        )
    wall_s = time.perf_counter() - started
    return {
        "scale": size.sweep_scale,
        "steps": size.sweep_steps,
        "wall_s": wall_s,
        "inside_steps_share": busy_s / wall_s,
        "waiting_for_data_share": waited_s / wall_s,
        "optimizers": rows,
    }


def sweep_configs(size: Size, data: Any, optimizer: str) -> list[TrainConfig]:
    """Learning rates a third of a decade apart around the optimizer's centre, with every seed."""
    base = config_of(size.sweep_scale, data, optimizer, steps=size.sweep_steps)
    exponents = [(n - size.sweep_lrs // 2) / 3 for n in range(size.sweep_lrs)]
    lrs = [REGISTRY[optimizer].lr * 10**exponent for exponent in exponents]
    return [
        replace(base, seed=seed, hyperparameters={**base.hyperparameters, "lr": lr})
        for lr, seed in product(lrs, range(size.sweep_seeds))
    ]


def trained(configs: Sequence[TrainConfig], data_dir: Path, device: str) -> list[StackRun]:
    """The stack, trained; in halves where memory runs out."""
    try:
        run = StackRun(configs, data_dir=data_dir, device=device)
        while not run.finished:
            run.advance()
        wait_for(device)
        return [run]
    except torch.OutOfMemoryError:
        if len(configs) == 1:
            raise
    middle = len(configs) // 2
    return [
        run
        for part in (configs[:middle], configs[middle:])
        for run in trained(part, data_dir, device)
    ]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of equal keys, as text."""
    lines = [[*rows[0]], *([cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True))
        for line in lines
    )


def cell(value: object) -> str:
    """A value in a table."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="tiny; always so on a CPU")
    parser.add_argument("--parts", nargs="+", type=int, choices=[1, 2, 3], default=[1, 2, 3])
    parser.add_argument("--scales", nargs="+", metavar="SCALE", help="of part 2 (default: five)")
    parser.add_argument("--json", type=Path, help="write the JSON to a file as well")
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    small = given.small or device == "cpu"
    size = SMALL if small else WHOLE
    if given.scales:
        size = replace(size, stack_scales=tuple(given.scales))
    if device == "cpu":
        torch.set_num_threads(1)
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    found: dict[str, Any] = {"torch": torch.__version__, "device": name, "small": small}
    print(f"{name}, torch {torch.__version__}{', in small' if small else ''}")
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        if 1 in given.parts:
            found["utilisation"] = one = utilisation(size, data_dir, device)
            ways = ("ours", "plain")
            print(f"\n1. {size.scale}, of {one['rate_tflops']:.4g} TFLOP/s in {one['precision']}")
            print(table([{"way": way, **one[way]} for way in ways]))
            print(f"first losses: {one['first_losses'][0]:.4f}, {one['first_losses'][1]:.4f}")
        if 2 in given.parts:
            found["stacks"] = stacks(size, data_dir, device)
            print(f"\n2. stacks\n{table(found['stacks'])}")
        if 3 in given.parts:
            found["sweep"] = three = sweep(size, data_dir, device)
            print(f"\n3. a sweep at {size.sweep_scale}\n{table(three['optimizers'])}")
            shares = three["inside_steps_share"], three["waiting_for_data_share"]
            print(f"inside steps {shares[0]:.1%}, of it waiting for data {shares[1]:.1%}")
    text = json.dumps(found)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
