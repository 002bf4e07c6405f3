"""What the devices here are called, and how much memory GPUs have."""

import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path

LONGEST_NAME = 128
CPUINFO = Path("/proc/cpuinfo")


@cache
def cpu_name() -> str:
    """The model of this host's CPU, or at least its architecture."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return (next(models, "") or platform.processor() or platform.machine())[:LONGEST_NAME]


def gpus() -> tuple[tuple[str, int], ...]:
    """Name and bytes of memory of every GPU of this host, as its driver tells; none without one."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)  # noqa: S603
    if answer.returncode:  # As where its driver is not there.
        return ()
    rows = (line.rpartition(",") for line in answer.stdout.splitlines() if line.strip())
    return tuple((name.strip()[:LONGEST_NAME], int(memory) * 2**20) for name, _, memory in rows)


def several(name: str, count: int) -> str:
    """What so many devices of a name are called, which are not as fast as one."""
    return name if count == 1 else f"{count} x {name}"[:LONGEST_NAME]
