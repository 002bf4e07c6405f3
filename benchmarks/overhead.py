"""What a trial costs outside training: a thousand trivial ones through the whole path.

Submitted, claimed in stacks, run by Ray, accepted, by a warm service on SQLite. Prints a table, and
JSON on the last line.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from benchmarks.warm_service import finish, service
from sweeper.storage.store import Store
from sweeper.trials import Expansion, PlannedPoint, PlannedTrial, Variant, fingerprint
from trainers.config import DataConfig, ModelConfig, TrainConfig, stack_key
from trainers.data import prepare_embedded
from trainers.optimizers import hyperparameters

MODEL = ModelConfig(width=8, layers=1, heads=1, sequence_length=8, vocabulary=256)


def trivial(count: int, data: DataConfig) -> Expansion:
    """As many runs of one step, as small as a model can be."""
    defaults = {k: v.default for k, v in hyperparameters("sgd", "warmup_cosine").items()}
    configs = [
        TrainConfig(
            optimizer="sgd",
            model=MODEL,
            data=data,
            steps=1,
            batch_size=1,
            hyperparameters=defaults | {"lr": 1e-3 * (1 + n)},
            eval_sequences=1,
        )
        for n in range(count)
    ]
    trials = tuple(
        PlannedTrial(fingerprint=fingerprint(c), stack_key=stack_key(c), config=c) for c in configs
    )
    points = tuple(
        PlannedPoint(variant=0, value=c.hyperparameters["lr"], seed=0, fingerprint=t.fingerprint)
        for c, t in zip(configs, trials, strict=True)
    )
    variant = Variant(label="sgd", optimizer="sgd", scale="trivial", architecture="standard")
    return Expansion(variants=(variant,), points=points, trials=trials)


def measured(store: Store, home: Path, count: int) -> dict[str, float]:
    """Seconds of the parts and of the whole."""
    expansion = trivial(count, prepare_embedded(home / "datasets"))
    started = time.monotonic()
    submission = store.sweeps.submit(
        name="trivial",
        spec={"name": "trivial"},
        parameter="lr",
        axis_scale="log",
        priority=0,
        expansion=expansion,
    )
    submitted = time.monotonic()
    finish(store, submission.sweep_id)
    ended = time.monotonic()
    busy_s = float(store.results.points(submission.sweep_id)["busy_s"].sum())
    return {
        "trials": count,
        "submit_s": submitted - started,
        "wall_s": ended - started,
        "ms_per_trial": 1000 * (ended - started) / count,
        "training_cpu_s": busy_s,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--cpus", type=int, default=os.cpu_count())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with service(home, options.cpus) as store:
            figures = measured(store, home, options.trials)
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):>16}  {value:.4g}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
