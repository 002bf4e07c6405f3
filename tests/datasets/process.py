"""`python -m tests.datasets.process PLAN FOLDER WORKERS`: prepares slowly enough to be killed."""

import sys
import time
from pathlib import Path

from sweeper.datasets.prepare import prepare
from tests.datasets.builders import plan


def main() -> None:
    """Says after every batch how many shards there are."""
    source, folder, workers = sys.argv[1:]
    for step in prepare(plan("x", [source]), Path(folder), workers=int(workers)):
        print(step.shards, flush=True)  # noqa: T201
        time.sleep(0.01)


if __name__ == "__main__":
    main()
