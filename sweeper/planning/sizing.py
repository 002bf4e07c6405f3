"""How many trials a stack should have, and how much of a batch it computes at once: pure.

K is the smallest with which a trial takes hardly longer than with the best one: a small stack is
easier to spread over a machine, and has fewer members to wait for and to lose.
"""

from sweeper.planning.machine import Machine
from sweeper.planning.speeds import Speed
from trainers.memory import fitting_micro_batch, stack_memory

MAX_CPU_STACK = 16
MAX_GPU_STACK = 128
CPU_STACK_PARAMETERS = 4_000_000
"""Parameters of a whole stack on CPU: about 64 MB with gradients and two moments. At `micro`, where
four trials reach it, K = 16 gains less than 1 % over K = 4."""
GPU_MEMORY_SHARE = 0.8
"""The rest is for what the memory model does not see, and for the gaps between tensors."""
SIZE_TOLERANCE = 1.01


def best_size(speed: Speed) -> int:
    """K to train such trials with, if there are enough of them; 0 if not even one fits."""
    cap = stack_cap(speed)
    if cap <= 1:
        return cap
    per_trial = {k: speed.stack_s(k) / k for k in range(1, cap + 1)}
    enough = SIZE_TOLERANCE * min(per_trial.values())
    return next(k for k, seconds in per_trial.items() if seconds <= enough)


def stack_cap(speed: Speed) -> int:
    """The largest K that may be trained as one; 0 if not even one trial fits.

    A training function has no trial axis, so it trains one at a time. On a GPU a stack that reads
    its batches in parts gains nothing over a smaller one: only a single trial does so.
    """
    config, machine = speed.config, speed.machine
    if config.is_function:
        return 1
    limit = speed.size_limit or MAX_GPU_STACK
    if not machine.gpus:
        fitting = CPU_STACK_PARAMETERS // config.model.num_parameters()
        return max(1, min(MAX_CPU_STACK, fitting, limit))
    whole = int(_usable(machine) // stack_memory(config, 1, on_cpu=False).total)
    if whole:
        return min(MAX_GPU_STACK, whole, limit)
    return 1 if micro_batch(speed, 1) else 0


def micro_batch(speed: Speed, size: int) -> int | None:
    """Sequences of each trial to compute at once: as known to fit, else by the memory model.

    0 if not even one fits; None for training functions, which have their own way.
    """
    config, machine = speed.config, speed.machine
    if config.is_function:
        return None
    if not machine.gpus:
        return config.batch_size
    known = (m.micro_batch for m in speed.known if m.size >= size and m.micro_batch)
    return next(known, None) or fitting_micro_batch(config, size, _usable(machine), on_cpu=False)


def _usable(machine: Machine) -> float:
    return GPU_MEMORY_SHARE * machine.gpu_memory_bytes
