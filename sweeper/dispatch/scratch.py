"""Folders of one process for what it needs for a while."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

from sweeper.dispatch.processes import process_start

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def scratch_folder(prefix: str) -> Path:
    """A new folder of this process; those of processes that were killed are removed."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*-*"):
        pid = path.name.removeprefix(prefix).split("-")[0]
        if pid.isdigit() and process_start(int(pid)) is None:
            shutil.rmtree(path, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-"))
