"""What an update costs: every optimizer on ten million parameters, alone and in a stack of eight.

Beside it a public implementation of the same rule, where there is one: a class of torch.optim, or
of the package pytorch-optimizer if that is installed (`pip install -c constraints.txt .[bench]`).
It is timed with the same decay as ours and, as decay that is no part of the fused pass costs
torch.optim a copy of the model, without any; and as its fused kernel.

Times are of the processor, in one thread. All that is compared takes turns, one update each, with
cold caches, as a backward pass would leave them: the lowest time counts, and for those with a
`precondition_frequency` the mean of one whole period after their start. Memory is what an update
holds at most in tensors beyond parameters, gradients and the state before it. It is counted in what
training keeps of the largest parameter of one trial: its value and its state.
Prints a table, and JSON on the last line.
"""

import argparse
import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.live import Live
from trainers.effective_lr import split_states
from trainers.model import param_specs
from trainers.optimizers import REGISTRY, entry
from trainers.optimizers.base import Context, Optimizer, State
from trainers.scales import SCALES
from trainers.stacked import views
from trainers.updating import ALL, StackOptimizer

DECAY = 1e-3
COLD = 2**27
"""Bytes that are written before an update: several times a cache."""


@dataclass(frozen=True)
class Peer:
    """A class that does what an optimizer of the registry does, or nearly."""

    module: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    fused: bool = False
    hidden_only: bool = False
    """Whether it takes the hidden matrices alone."""


PEERS: Mapping[str, Peer] = {
    "sgd": Peer("torch.optim", "SGD", {"momentum": 0.98, "foreach": True}, fused=True),
    "adamw": Peer("torch.optim", "AdamW", {"foreach": True}, fused=True),
    "adagrad": Peer("torch.optim", "Adagrad", {"foreach": True}, fused=True),
    "adafactor_classic": Peer("torch.optim", "Adafactor", {"foreach": True}),
    "nadamw": Peer("torch.optim", "NAdam", {"foreach": True, "decoupled_weight_decay": True}),
    "muon": Peer("torch.optim", "Muon", hidden_only=True),
    "lion": Peer("pytorch_optimizer", "Lion", {"foreach": True}),
    "ademamix": Peer("pytorch_optimizer", "AdEMAMix"),
    "shampoo": Peer(
        "pytorch_optimizer", "Shampoo", {"momentum": 0.9, "preconditioning_compute_steps": 10}
    ),
    "soap": Peer("pytorch_optimizer", "SOAP", {"precondition_frequency": 10}),
}
"""NAdam has a schedule of momentum; Muon iterates in bf16. Shampoo takes roots by SVD and is not
grafted, and every side of every tensor has a preconditioner, as have ours but for norm scales."""


class Stack:
    """An optimizer in front of K models, as the training loop keeps them."""

    def __init__(self, name: str, scale: str, count: int) -> None:
        chosen = entry(name)
        model = SCALES[scale].model(256)
        specs = param_specs(model)
        facts = {"heads": model.heads, "steps": 1000, "tokens_per_batch": 1000}
        values = {n: torch.full((count,), h.default) for n, h in chosen.hyperparameters.items()}
        options = {n: o.default for n, o in chosen.options.items()}

        def construct(members: slice) -> Optimizer:
            own = {n: value[members] for n, value in values.items()}
            return chosen.construct(own, options, facts)

        shapes = {n: spec.shape for n, spec in specs.items()}
        roles = {n: spec.role for n, spec in specs.items()}
        self.size = sum(torch.Size(shape).numel() for shape in shapes.values())
        self._weights = torch.randn(count, self.size) * 0.02
        self._grad = torch.randn(count, self.size)
        self._optimizer = StackOptimizer(construct, shapes, roles, self._weights)
        rate, decay = torch.full((count,), 1e-3), torch.full((count,), DECAY)
        self._context = Context(0, rate, rate, decay, None, {})
        self.unit = max(
            sum(t[0].nbytes for t in (value, *self._states(shapes)[n].values()))
            for n, value in views(self._weights, shapes).items()
        )

    def _states(self, shapes: Mapping[str, tuple[int, ...]]) -> Mapping[str, State]:
        """What the optimizer keeps of each parameter."""
        states = self._optimizer.states
        return split_states(states, ALL, shapes) if self._optimizer.rule.elementwise else states

    def tensors_of_states(self) -> Iterator[Tensor]:
        """What an update may replace by new tensors."""
        for state in self._optimizer.states.values():
            yield from state.values()

    def skip(self, steps: int) -> None:
        """Counts steps that are not taken."""
        self._context = replace(self._context, step=self._context.step + steps)

    def update(self) -> None:
        """One step of all members."""
        self.skip(1)
        self._optimizer.update(self._weights, self._grad, self._context, None)


def step_of(peer: Peer, scale: str, **how: Any) -> Callable[[], Any]:
    """An update by a peer, of parameters of the same shapes."""
    specs = [
        spec
        for spec in param_specs(SCALES[scale].model(256)).values()
        if not peer.hidden_only
        or (len(spec.shape) == 2 and spec.role.value not in ("embedding", "last_layer"))
    ]
    params = [torch.nn.Parameter(torch.randn(spec.shape) * 0.02) for spec in specs]
    for param in params:
        param.grad = torch.randn_like(param)
    options = {**peer.options, **how}
    if "fused" in how:
        del options["foreach"]
    kind = getattr(importlib.import_module(peer.module), peer.name)
    step: Callable[[], Any] = kind(params, lr=1e-3, **options).step
    return step


def seconds(updates: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """The times of each, which take turns with cold caches."""
    times: dict[str, list[float]] = {name: [] for name in updates}
    elsewhere = torch.zeros(COLD, dtype=torch.uint8)
    for _ in range(repeats):
        for name, update in updates.items():
            elsewhere.add_(1)
            started = time.process_time()
            update()
            times[name].append(time.process_time() - started)
    return times


def measure(name: str, scale: str, repeats: int) -> dict[str, Any]:
    """One row of the table; times in milliseconds."""
    alone, stacked = Stack(name, scale, 1), Stack(name, scale, 8)
    updates = {"ms": alone.update, "ms_8": stacked.update, **_by_peer(name, scale)}
    for update in updates.values():
        update()
    period = entry(name).options.get("precondition_frequency")
    if period is not None:
        # Ours compute roots at every step of the first period.
        for stack in (alone, stacked):
            stack.skip(2 * period.default)
        times = {k: sum(t) / len(t) for k, t in seconds(updates, period.default).items()}
    else:
        times = {k: min(t) for k, t in seconds(updates, repeats).items()}
    row: dict[str, Any] = {"optimizer": name, "parameters": alone.size}
    row |= {key: 1e3 * time_s for key, time_s in times.items()}
    row["ratio_8"] = row["ms_8"] / row["ms"]
    for key in ("peer", "undecayed", "fused"):
        if f"{key}_ms" in row:
            row[f"ratio_{key}"] = row["ms"] / row[f"{key}_ms"]
    for key, stack in (("peak_bytes", alone), ("peak_bytes_8", stacked)):
        with Live(stack.tensors_of_states()) as live:
            for _ in range(1 if period is None else period.default):
                stack.update()
        row[key] = live.peak
    row["largest_parameter_bytes"] = alone.unit
    return row


def _by_peer(name: str, scale: str) -> dict[str, Callable[[], Any]]:
    peer = PEERS.get(name)
    if peer is None or importlib.util.find_spec(peer.module) is None:
        return {}
    updates = {
        "peer_ms": step_of(peer, scale, weight_decay=DECAY),
        "undecayed_ms": step_of(peer, scale, weight_decay=0.0),
    }
    if peer.fused:
        updates["fused_ms"] = step_of(peer, scale, weight_decay=DECAY, fused=True)
    return updates


def show(row: Mapping[str, Any]) -> str:
    """One line of the table."""
    unit = row["largest_parameter_bytes"]
    extra = f"{row['peak_bytes'] / unit:6.2f} {row['peak_bytes_8'] / unit:6.2f}"
    ours = f"{row['ms']:9.1f} {row['ms_8']:9.1f} {row['ratio_8']:6.2f} {extra}"
    if "peer_ms" not in row:
        return f"{row['optimizer']:>20} {ours}"
    ratios = " ".join(
        f"{row[key]:9.2f}" if key in row else " " * 9
        for key in ("ratio_peer", "ratio_undecayed", "ratio_fused")
    )
    peer = PEERS[row["optimizer"]].name
    return f"{row['optimizer']:>20} {ours}   {peer:>10} {row['peer_ms']:8.1f} {ratios}"


def main() -> None:
    """Measures the optimizers named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("optimizers", nargs="*", default=[*REGISTRY])
    parser.add_argument("--scale", default="10m", help="model whose parameters are updated")
    parser.add_argument("--repeats", type=int, default=10)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # As in the loop.
    print(f"torch {torch.__version__}, scale {chosen.scale}, one thread, processor time")
    print(
        f"{'optimizer':>20} {'K=1 ms':>9} {'K=8 ms':>9} {'8/1':>6} {'extra':>6} {'at 8':>6}   "
        "      peer       ms     ratio  no decay     fused"
    )
    rows = []
    for name in chosen.optimizers:
        rows.append(measure(name, chosen.scale, chosen.repeats))
        print(show(rows[-1]), flush=True)
    json.dump(rows, sys.stdout)
    print()


if __name__ == "__main__":
    main()
