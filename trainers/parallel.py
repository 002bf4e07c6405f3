"""One stack on several devices of a machine: each computes a part of every batch.

Each rank, a process with a device of its own, holds the whole stack. Gradients are added up over
all ranks before they are clipped, so all of them make the same update, and decide the same.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as distributed
from torch import Tensor

from trainers.model import Params
from trainers.network import Labels
from trainers.passes import Passes

BACKENDS: Mapping[str, str] = {"cpu": "gloo", "cuda": "nccl"}


@dataclass(frozen=True)
class Ranks:
    """Which of `count` processes this one is; with more than one, all must make the same calls."""

    rank: int
    count: int

    def part(self, items: int) -> slice:
        """This rank's of so many items: in order, as even as can be, none where there are few."""
        return slice(items * self.rank // self.count, items * (self.rank + 1) // self.count)

    def gradients(
        self,
        passes: Passes,
        flat_KP: Tensor,
        tokens_KBT: Tensor,
        z_loss_K: Tensor,
        labels: Labels | None = None,
    ) -> tuple[Tensor, Tensor]:
        """`Passes.gradients` of the whole batch, of which this rank computes a part.

        The sum over ranks is in fp32, and differs from that of one device by its rounding.
        """
        if self.count == 1:
            return passes.gradients(flat_KP, tokens_KBT, z_loss_K, labels)
        batch = tokens_KBT.shape[1]
        part = self.part(batch)
        first_row = part.start * (tokens_KBT.shape[2] - 1)
        own = None if labels is None else lambda logits, row: labels(logits, first_row + row)
        grad_KP, entropy_K = passes.gradients(flat_KP, tokens_KBT[:, part], z_loss_K, own)
        share = (part.stop - part.start) / batch
        return _summed(grad_KP.mul_(share)), _summed(entropy_K * share)

    def evaluate(self, passes: Passes, params: Params, windows: Tensor) -> list[float]:
        """`Passes.evaluate` of all windows, of which this rank computes a part."""
        if self.count == 1:
            return passes.evaluate(params, windows)
        own = windows[self.part(len(windows))]
        first = next(iter(params.values()))
        total_K = torch.zeros(len(first), dtype=torch.float64, device=first.device)
        if len(own):
            total_K += torch.tensor(passes.evaluate(params, own)).to(total_K) * len(own)
        return (_summed(total_K) / len(windows)).tolist()


ALONE = Ranks(0, 1)


def join(ranks: Ranks, device: torch.device, rendezvous: str) -> None:
    """Connects this process with the other ranks, over loopback and what joins the devices.

    `rendezvous` is the path of a file that does not exist yet, the same for all.
    """
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        os.environ.setdefault(variable, loopback)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with _said_to_stderr():
        distributed.init_process_group(
            BACKENDS[device.type],
            init_method=f"file://{rendezvous}",
            rank=ranks.rank,
            world_size=ranks.count,
        )


def leave() -> None:
    """Disconnects this process, whatever has become of the others."""
    if not distributed.is_initialized():
        return
    if distributed.get_backend() == BACKENDS["cuda"]:
        # Else it would wait for sums that a rank which has ended never sends its part of.
        world = distributed.group.WORLD
        assert world is not None, "it is initialized"
        world.abort()
    distributed.destroy_process_group()


@contextmanager
def _said_to_stderr() -> Iterator[None]:
    """PyTorch 2.10 says on standard output, where results are read, that gloo is connected."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _summed(tensor: Tensor) -> Tensor:
    """The sum over all ranks, in the memory of the tensor; the same bits on each."""
    distributed.all_reduce(tensor)
    return tensor
