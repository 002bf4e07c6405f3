"""What there is to train on."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What there is to train on, and what the stacks that hold it still need."""

    cpus: int
    gpus: int = 0
    gpu_memory_bytes: int = 0
    device: str = ""
    """Name of its CPU or GPU; empty where it has several kinds of them, or none has been told."""
    threads: int = 0
    """CPU threads that a stack can have at most, which are of one node; 0: as many as there are."""
    running: tuple[float, ...] = ()
    """Seconds that each running or claimed stack has left, by estimate."""

    @property
    def slots(self) -> int:
        """Stacks that train side by side at most."""
        return self.gpus or self.cpus
