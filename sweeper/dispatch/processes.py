"""Telling processes apart: a pid alone names another one after a while, or elsewhere."""

import os
import socket
from functools import cache
from pathlib import Path


@cache
def pid_space() -> str:
    """This boot of this machine, and the namespace of pids; without /proc the name of the host."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def process_start(pid: int) -> float | None:
    """When a process of this host started, in the system's ticks; None if there is none such."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None if Path("/proc/self").exists() or not _exists(pid) else 0.0
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else float(fields[19])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
