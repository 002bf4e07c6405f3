"""Where a result comes from: code, packages, machine. Collected once by a process."""

import os
import platform
import socket
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from trainers.config import TRAINER_VERSION

CODE = "sweeper"
PACKAGES = ("torch", "numpy", "safetensors", "ray", "optuna", "pandas", "sqlalchemy")
"""Those that train, dispatch, and keep results; the ones that are not installed are left out."""

GIT_LIMIT_S = 5.0


@cache
def of_process() -> dict[str, Any]:
    """What is the same for all that this process trains, as plain JSON values.

    `git` is there only if this very file is tracked by a checkout: `revision`, and whether tracked
    files have been changed since (`dirty`).
    """
    found: dict[str, Any] = {
        "code": _version(CODE),
        "trainer": TRAINER_VERSION,
        "python": platform.python_version(),
        "packages": {name: known for name in PACKAGES if (known := _version(name))},
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
    git = _git(Path(__file__))
    return found if git is None else found | {"git": git}


def has_device(device: str) -> bool:
    """Whether this machine has a `cpu` or `cuda` device to train on."""
    return device == "cpu" or (device == "cuda" and torch.cuda.is_available())


def of_device(device: str) -> dict[str, str]:
    """The device by name, and its class: what decides whether equal bits can be expected.

    On a CPU that is the processor with the widest instructions torch uses there.
    """
    if device == "cuda":
        name = torch.cuda.get_device_name()
        return {"device": name, "device_class": f"{name}, CUDA {torch.version.cuda}"}
    capability = torch.backends.cpu.get_cpu_capability()
    return {"device": "cpu", "device_class": f"{_processor()}, {capability}"}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git(file: Path) -> dict[str, Any] | None:
    """The checkout that tracks the file. One that merely surrounds an installation says nothing."""
    if _run_git(file, "ls-files", "--error-unmatch", file.name) is None:
        return None
    revision = _run_git(file, "rev-parse", "HEAD")
    changes = _run_git(file, "status", "--porcelain", "--untracked-files=no")
    if revision is None or changes is None:
        return None
    return {"revision": revision, "dirty": bool(changes)}


def _run_git(file: Path, *arguments: str) -> str | None:
    """What git answers; None where it is not installed, fails, or takes its time."""
    command = ["git", "--no-optional-locks", "-C", str(file.parent), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - no argument comes from outside
            command, capture_output=True, text=True, timeout=GIT_LIMIT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@cache
def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
