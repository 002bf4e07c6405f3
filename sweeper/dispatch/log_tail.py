"""The last lines of a worker's log, for who looks into a failure."""

import logging
from collections import deque

LOG_LINES = 50


class LogTail(logging.Handler):
    """The last lines of this process's log."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self._lines.append(self.format(record))

    def text(self) -> str:
        """All lines kept."""
        return "\n".join(self._lines)
