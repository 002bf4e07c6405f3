"""Running the real command."""

import os
import subprocess
import sys
from pathlib import Path

TIMEOUT_S = 120


def environment() -> dict[str, str]:
    """This process's environment without our settings, for one thread and plain output."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SWEEPER_", "RAY_"))}
    return kept | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "120", "TERM": "dumb"}


def run_sweeper(
    *arguments: str, cwd: Path, stdin: str | None = None, timeout_s: float = TIMEOUT_S
) -> "subprocess.CompletedProcess[str]":
    """The command with these arguments, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sweeper.cli", *arguments],
        cwd=cwd,
        env=environment(),
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def only_line(shown: "subprocess.CompletedProcess[str]") -> str:
    """The one line on stderr of a command that printed nothing else."""
    assert shown.stdout == ""
    lines = shown.stderr.splitlines()
    assert len(lines) == 1, shown.stderr
    return lines[0]
