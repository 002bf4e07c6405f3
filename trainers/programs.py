"""What of a pass can be compiled, as it is and compiled."""

import os
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from trainers import losses, model

VARIABLE = "TRAINERS_COMPILE"
"""Environment variable: 1 to compile on any device, 0 on none; else on CUDA devices only."""


@dataclass(frozen=True)
class Programs:
    """The functions of a network that work on large tensors."""

    parts: model.Parts = model.PARTS
    training_loss: Any = losses.training_loss
    cross_entropy: Any = losses.cross_entropy
    compiled: bool = False


PLAIN = Programs()


def compiled(backend: str = "inductor") -> Programs:
    """Programs that the compiler makes at their first use, for every new shape.

    What was compiled for an earlier run in this process is forgotten: the number of programs that
    the compiler keeps of a function is limited, and beyond it functions silently run as they are.
    """
    torch.compiler.reset()
    compile_ = partial(torch.compile, dynamic=False, fullgraph=True, backend=backend)
    return Programs(
        model.Parts(compile_(model.block), compile_(model.head)),
        compile_(losses.training_loss),
        compile_(losses.cross_entropy),
        compiled=True,
    )


def programs_for(device: torch.device, compile: bool | None = None) -> Programs:
    """Compiled ones where that is asked for; unless it is said, where the environment has it."""
    if compile is None:
        usual = "1" if device.type == "cuda" else "0"
        compile = os.environ.get(VARIABLE, usual) == "1"
    return compiled() if compile else PLAIN


def first_line(error: Exception) -> str:
    """An error as a log has it."""
    return f"{type(error).__name__}: {str(error).strip()}".splitlines()[0]
