"""The check of `.ci/run` that nothing is skipped but for want of a GPU."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REPORT = """<testsuites><testsuite>
<testcase classname="tests.a" name="runs"/>
<testcase classname="tests.b" name="waits"><skipped type="{type}" message="{reason}"/></testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("kind", "reason", "passes"),
    [
        ("pytest.skip", "needs a CUDA device", True),
        ("pytest.xfail", "known", True),
        ("pytest.skip", "no chromium", False),
    ],
)
def test_only_the_want_of_a_gpu_excuses_a_skip(
    kind: str, reason: str, passes: bool, tmp_path: Path
) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT.format(type=kind, reason=reason))
    shown = subprocess.run(
        [sys.executable, ROOT / ".ci" / "no_skips.py", report],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (shown.returncode == 0) == passes
    assert ("tests.b::waits: no chromium" in shown.stderr) != passes


def test_ci_run_is_a_program_that_stops_at_the_first_failure() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in script.read_text()
    subprocess.run(["bash", "-n", script], check=True, timeout=30)
