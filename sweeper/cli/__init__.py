"""The command `sweeper`: stdout carries data, stderr progress and errors.

Exit codes: 0 done, 1 something broke, 2 the request or the setting is wrong, 3 no such thing,
4 the sweep ended with failures or is paused, or a trial came out differently, 5 the service cannot
be reached.
"""

import sys


def main() -> None:
    """Run the command line of this process and exit."""
    from sweeper.cli.root import run

    sys.exit(run())
