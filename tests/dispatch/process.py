"""A dispatcher in a process of its own: `python -m tests.dispatch.process URL HOME [idle_exit]`."""

import logging
import os
import sys
from pathlib import Path

from sweeper.dispatch.dispatcher import Places, run


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d %(name)s %(message)s")
    url, home, *rest = sys.argv[1:]
    parent_fd = int(rest[1]) if len(rest) > 1 else None
    keeps = os.environ.get("SWEEPER_KEEP_CHECKPOINTS") == "1"
    places = Places(Path(home), os.environ.get("SWEEPER_CHECKPOINTS"), keeps)
    devices = int(os.environ.get("SWEEPER_DEVICES", "1"))
    return run(
        url,
        places,
        devices=devices,
        address=os.environ.get("SWEEPER_RAY_ADDRESS"),
        cpus=2,
        idle_exit=rest[:1] == ["idle_exit"],
        parent_fd=parent_fd,
    )


if __name__ == "__main__":
    sys.exit(main())
