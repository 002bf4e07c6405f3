"""A dispatcher in a process of its own: `python -m tests.dispatch.process URL HOME [idle_exit]`."""

import logging
import sys
from pathlib import Path

from sweeper.dispatch.dispatcher import run


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d %(name)s %(message)s")
    url, home, *rest = sys.argv[1:]
    parent_fd = int(rest[1]) if len(rest) > 1 else None
    return run(url, Path(home), cpus=2, idle_exit=rest[:1] == ["idle_exit"], parent_fd=parent_fd)


if __name__ == "__main__":
    sys.exit(main())
