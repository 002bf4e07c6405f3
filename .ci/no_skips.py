"""A plugin of pytest that lets nothing be skipped but tests marked `gpu`: `pytest -p no_skips`.

What is skipped otherwise, or expected to fail, is reported as a failure with its reason.
"""

from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge a test by its marker, whatever it says."""
    del call
    report = yield
    if report.skipped and item.get_closest_marker("gpu") is None:
        # The mark of an expected failure, which would still be counted as one.
        vars(report).pop("wasxfail", None)
        _refuse(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judge a module that skips itself, before any of its tests is known."""
    del collector
    report = yield
    if report.skipped:
        _refuse(report)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    report.outcome = "failed"
    report.longrepr = f"only tests marked `gpu` may be skipped: {report.longrepr}"
