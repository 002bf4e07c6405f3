"""Keeps one child process running, and ends it with its parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
HEALTHY_AFTER_S = 60.0
"""A child that lived this long has earned the short pause again."""
LAST_BYTES = 4096
"""Of the log, to find its last line in."""


class Child:
    """A command that is started again when it ends, until `stop`.

    Its output goes to `log`. It learns of its parent's death from the end of file on the pipe
    whose number it gets as `--parent-fd`. Threads: `start` makes one, which owns the process.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        say: Callable[[str], None],
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._command = list(command)
        self._log = log
        self._say = say
        self._first_pause_s = first_pause_s
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        # Our end stays open as long as we live, and is inherited by nobody.
        self._read_end, self._write_end = os.pipe()
        self._thread = threading.Thread(target=self._keep_running, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start the command."""
        self._thread.start()

    def drain(self) -> None:
        """Ask the child to finish; return at once."""
        with self._lock:
            self._stopping.set()
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()

    def stop(self, grace_s: float) -> None:
        """Drain and wait; what is left after the grace, or at a second Ctrl-C, is killed."""
        self.drain()
        try:
            self._thread.join(grace_s)
        except KeyboardInterrupt:
            self._say("stopping now")
        if self._thread.is_alive():
            self._kill()
            self._thread.join()
        os.close(self._read_end)
        os.close(self._write_end)

    def _kill(self) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):  # It may have ended just now.
            # The child leads a process group of its own, with all that it started.
            os.killpg(self._process.pid, signal.SIGKILL)

    def _keep_running(self) -> None:
        pause_s = self._first_pause_s
        while True:
            started = time.monotonic()
            told = self._run_once()
            if told is None or self._stopping.is_set():
                return
            if time.monotonic() - started > HEALTHY_AFTER_S:
                pause_s = self._first_pause_s
            self._say(f"{told}; again in {pause_s:g} s")
            if self._stopping.wait(pause_s):
                return
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _run_once(self) -> str | None:
        """How it ended, or why it did not start; None if it must not start any more."""
        try:
            process = self._started()
        except OSError as error:  # As without memory or processes left: that may pass.
            return f"the dispatcher cannot be started: {error}"
        if process is None:
            return None
        return f"the dispatcher ended ({_how(process.wait())}){self._why()}"

    def _started(self) -> subprocess.Popen[bytes] | None:
        with self._log.open("ab") as log, self._lock:
            if self._stopping.is_set():
                return None
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [*self._command, "--parent-fd", str(self._read_end)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[self._read_end],
                # Ctrl-C at the terminal is for the parent, which then drains in order.
                start_new_session=True,
            )
            return self._process

    def _why(self) -> str:
        with self._log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LAST_BYTES))
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
        return f": {lines[-1]} (log: {self._log})" if lines else ""


def sweeper_command(*arguments: str) -> list[str]:
    """This very program with other arguments."""
    return [sys.executable, "-m", "sweeper.cli", *arguments]


def stop_with_parent(parent_fd: int) -> None:
    """Terminate this process when the other end of the pipe is closed."""

    def watch() -> None:
        while os.read(parent_fd, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit {code}"
