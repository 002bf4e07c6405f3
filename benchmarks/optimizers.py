"""What an update costs: every optimizer on ten million parameters, alone and in a stack of eight.

Beside it the class of torch.optim with the same rule or the nearest one, with and without its fused
kernel, where there is one. Times are of the processor, in one thread, the lowest of some updates;
memory is what an update holds at most beyond parameters, gradients and the state before it. Prints
a table, and JSON on the last line.
"""

import argparse
import json
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from trainers.config import SCALES
from trainers.model import param_specs
from trainers.optimizers import REGISTRY, entry
from trainers.optimizers.base import Context, Optimizer, ParamRole, State
from trainers.pieces import update_in_place
from trainers.stacked import views

PEERS: Mapping[str, str] = {
    "sgd": "SGD",
    "adamw": "AdamW",
    "adagrad": "Adagrad",
    "adafactor_classic": "Adafactor",
    "nadamw": "NAdam",
    "muon": "Muon",
}
"""The same rule, but NAdam's momentum schedule; Muon gets the hidden matrices only."""
FUSED = ("SGD", "AdamW", "Adagrad")


class Stack:
    """An optimizer in front of K models, as the training loop keeps them."""

    def __init__(self, name: str, scale: str, count: int) -> None:
        chosen = entry(name)
        model = SCALES[scale].model(256)
        specs = param_specs(model)
        facts = {"heads": model.heads, "steps": 1000, "tokens_per_batch": 1000}
        values = {n: torch.full((count,), h.default) for n, h in chosen.hyperparameters.items()}
        options = {n: o.default for n, o in chosen.options.items()}
        self._optimizer: Optimizer = chosen.construct(values, options, facts)
        shapes = {n: spec.shape for n, spec in specs.items()}
        self._roles: dict[str, ParamRole | None] = {n: spec.role for n, spec in specs.items()}
        size = sum(torch.Size(shape).numel() for shape in shapes.values())
        weights, grad = torch.randn(count, size) * 0.02, torch.randn(count, size)
        if self._optimizer.elementwise:
            self._values, self._grads = {"all": weights}, {"all": grad}
        else:
            self._values, self._grads = views(weights, shapes), views(grad, shapes)
        self._states: dict[str, State] = {
            n: self._optimizer.init(v, self._roles.get(n)) for n, v in self._values.items()
        }
        self._rate = torch.full((count,), 1e-3)
        self._step = 0
        self.size = size
        self.largest = 4 * max(torch.Size(shape).numel() for shape in shapes.values())

    def update(self) -> None:
        """One step of all members."""
        self._step += 1
        prepare = self._optimizer.prepare
        shared = {} if prepare is None else prepare(self._grads, self._states, self._values)
        for name, value in self._values.items():
            role = self._roles.get(name)
            context = Context(self._step, self._rate, self._rate, self._rate, role, shared)
            given = self._grads[name], self._states[name], value, context
            if self._optimizer.elementwise:
                update = self._optimizer.update
                self._states[name] = update_in_place(update, *given, admit=lambda delta: delta)
            else:
                delta, self._states[name] = self._optimizer.update(*given)
                value.add_(delta)


def peer(name: str, scale: str, **how: bool) -> Callable[[], Any]:
    """A step of the class of torch.optim, over parameters of the same shapes."""
    specs = param_specs(SCALES[scale].model(256)).values()
    kind = getattr(torch.optim, PEERS[name])
    hidden = [
        spec
        for spec in specs
        if len(spec.shape) == 2 and spec.role.value not in ("embedding", "last_layer")
    ]
    params = [
        torch.nn.Parameter(torch.randn(spec.shape) * 0.02)
        for spec in (hidden if PEERS[name] == "Muon" else specs)
    ]
    for param in params:
        param.grad = torch.randn_like(param)
    more = {"momentum": 0.98} if PEERS[name] == "SGD" else {}
    step: Callable[[], Any] = kind(params, lr=1e-3, **more, **how).step
    return step


def lowest_s(update: Callable[[], Any], repeats: int) -> float:
    """Seconds of the fastest update, after one to warm up."""
    update()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        update()
        times.append(time.process_time() - started)
    return min(times)


def mean_s(update: Callable[[], Any], repeats: int) -> float:
    """Seconds of an update over a whole period, for those that do more at times."""
    update()
    started = time.process_time()
    for _ in range(repeats):
        update()
    return (time.process_time() - started) / repeats


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of the storages made while it is on and not yet freed, and their highest number."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Runs an operation and follows what it makes."""
        result = func(*args, **(kwargs or {}))
        given = {t.untyped_storage().data_ptr() for t in args if isinstance(t, Tensor)}
        for made in result if isinstance(result, tuple | list) else [result]:
            if isinstance(made, Tensor) and made.untyped_storage().data_ptr() not in given:
                self._follow(made.untyped_storage())
        return result

    def _follow(self, storage: Any) -> None:
        place, size = storage.data_ptr(), storage.nbytes()
        if place in self._known or size == 0:
            return
        self._known.add(place)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, place, size)

    def _free(self, place: int, size: int) -> None:
        self._known.discard(place)
        self.now -= size


def measure(name: str, scale: str, repeats: int) -> dict[str, Any]:
    """One row of the table; times in milliseconds."""
    alone, stacked = Stack(name, scale, 1), Stack(name, scale, 8)
    periodic = "precondition_frequency" in entry(name).options
    clock = mean_s if periodic else lowest_s
    count = 10 * -(-repeats // 10) if periodic else repeats
    row: dict[str, Any] = {"optimizer": name, "parameters": alone.size}
    row["ms"] = 1e3 * clock(alone.update, count)
    row["ms_8"] = 1e3 * clock(stacked.update, count)
    row["ratio_8"] = row["ms_8"] / row["ms"]
    with Live() as live:
        alone.update()
    row["peak_bytes"], row["largest_tensor_bytes"] = live.peak, alone.largest
    if name in PEERS:
        row["peer"] = PEERS[name]
        row["peer_ms"] = 1e3 * lowest_s(peer(name, scale, **_foreach(name)), repeats)
        row["ratio"] = row["ms"] / row["peer_ms"]
        if PEERS[name] in FUSED:
            row["fused_ms"] = 1e3 * lowest_s(peer(name, scale, fused=True), repeats)
            row["ratio_fused"] = row["ms"] / row["fused_ms"]
    return row


def _foreach(name: str) -> dict[str, bool]:
    return {} if PEERS[name] == "Muon" else {"foreach": True}


def show(row: Mapping[str, Any]) -> str:
    """One line of the table."""
    peer_ms = (
        f"{row['peer']:>10} {row['peer_ms']:8.1f} {row['ratio']:6.2f}" if "peer" in row else ""
    )
    fused = f" {row['ratio_fused']:6.2f}" if "ratio_fused" in row else ""
    extra = row["peak_bytes"] / row["largest_tensor_bytes"]
    return (
        f"{row['optimizer']:>20} {row['ms']:9.1f} {row['ms_8']:9.1f} {row['ratio_8']:6.2f} "
        f"{extra:7.1f}   {peer_ms}{fused}"
    )


def main() -> None:
    """Measures the optimizers named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("optimizers", nargs="*", default=[*REGISTRY])
    parser.add_argument("--scale", default="10m", help="model whose parameters are updated")
    parser.add_argument("--repeats", type=int, default=10)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, scale {chosen.scale}, one thread, processor time")
    print(
        f"{'optimizer':>20} {'K=1 ms':>9} {'K=8 ms':>9} {'8/1':>6} {'extra':>7}   "
        "torch.optim       ms  ratio  fused"
    )
    rows = []
    for name in chosen.optimizers:
        rows.append(measure(name, chosen.scale, chosen.repeats))
        print(show(rows[-1]), flush=True)
    json.dump(rows, sys.stdout)
    print()


if __name__ == "__main__":
    main()
