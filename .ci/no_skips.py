"""Fails if a test was skipped for any reason but the absence of a GPU.

Usage: no_skips.py REPORT.xml, a JUnit report of pytest.
"""

import sys
from collections.abc import Iterator
from xml.etree import ElementTree

ALLOWED = "needs a CUDA device"
"""The reason that tests marked `gpu` give."""


def skipped(report: str) -> Iterator[str]:
    """Each test that was skipped and should not have been, with its reason."""
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - our own file
        for skip in case.iter("skipped"):
            reason = skip.get("message", "")
            if ALLOWED not in reason and skip.get("type") != "pytest.xfail":
                yield f"{case.get('classname')}::{case.get('name')}: {reason}"


def main() -> None:
    """Check the report named on the command line."""
    found = list(skipped(sys.argv[1]))
    if found:
        sys.exit("skipped tests:\n  " + "\n  ".join(found))


if __name__ == "__main__":
    main()
