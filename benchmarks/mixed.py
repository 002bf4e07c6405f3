"""What stacks of mixed optimizers could bring: forward and backward of several stacks as one.

Members of a stack share an optimizer. Forward and backward know nothing of it, so stacks of
different optimizers could be one there and part for the update. What that brings at most is the
time of `m` stacks of K trials against that of one stack of m * K, update left out; this measures
it for every K that a sweep makes, at `nano` and `micro`, on what there is: a GPU, or a core.

The two take turns, and the lowest time of each counts. Prints a line each, and JSON at the end.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable

import torch

from trainers.model import init_params
from trainers.network import Network
from trainers.scales import SCALES
from trainers.stacked import concatenate

VOCABULARY = 256
STACKS = 5
"""Optimizers of the demo."""
SIZES = (1, 2, 4, 7)
TURNS = 4


def step(scale: str, K: int, device: torch.device) -> Callable[[], None]:
    """Forward and backward of K models on a batch each."""
    size = SCALES[scale]
    model = size.model(VOCABULARY)
    network = Network(model, size.precision, device)
    flat = concatenate(init_params(model, range(K), str(device)).values())
    tokens = torch.randint(VOCABULARY, (K, size.batch_size, model.sequence_length), device=device)
    z_loss = torch.full((K,), 1e-4, dtype=torch.float64, device=device)

    def run() -> None:
        network.gradients(flat, tokens, z_loss, micro_batch=size.batch_size)

    return run


def seconds(run: Callable[[], None], repeats: int, device: torch.device) -> float:
    """Of the processor on a CPU, of the wall on a GPU."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    started = clock()
    for _ in range(repeats):
        run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - started


def gain(scale: str, K: int, device: torch.device) -> float:
    """Time of the stacks one after the other over that of all as one."""
    apart, mixed = step(scale, K, device), step(scale, STACKS * K, device)
    for run in (apart, mixed):
        seconds(run, 2, device)
    pairs = [(seconds(apart, STACKS, device), seconds(mixed, 1, device)) for _ in range(TURNS)]
    return min(pair[0] for pair in pairs) / min(pair[1] for pair in pairs)


def main() -> None:
    """Measures every K at both scales."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scales", nargs="+", default=["nano", "micro"])
    chosen = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    found = {}
    for scale, K in itertools.product(chosen.scales, SIZES):
        found[f"{scale} K={K}"] = value = round(gain(scale, K, device), 3)
        print(f"{scale:5} K={K}: {STACKS} stacks take {value:.2f} times as long as one", flush=True)
    print(json.dumps({"torch": torch.__version__, "device": device.type, "gain": found}))


if __name__ == "__main__":
    main()
