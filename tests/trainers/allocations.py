"""What torch really allocates."""

from collections.abc import Sequence
from pathlib import Path

from torch.profiler import ProfilerActivity, profile

from trainers.config import TrainConfig
from trainers.loop import StackRun


def peak_bytes(configs: Sequence[TrainConfig], data_dir: Path, *, steps: int = 2) -> int:
    """The most that was allocated at once on the CPU over an evaluation and some steps."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run = StackRun(configs, data_dir=data_dir)
        for _ in range(steps + 1):
            run.advance()
    result = profiler.profiler
    assert result is not None
    events = [e for e in result.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
