"""`.ci/run`, and its check that nothing is skipped but tests marked `gpu`."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXCUSED = {
    "test_runs": "def test(): pass",
    "test_marked": "@pytest.mark.gpu\ndef test(): pytest.skip('no device')",
    "test_marked_xfail": "@pytest.mark.gpu\n@pytest.mark.xfail\ndef test(): assert False",
}
REFUSED = {
    "test_says_so": "def test(): pytest.skip('gpu: needs a CUDA device')",
    "test_condition": "@pytest.mark.skipif(True, reason='no gpu')\ndef test(): pass",
    "test_fixture": "@pytest.fixture\ndef gpu(): pytest.skip('')\ndef test(gpu): pass",
    "test_xfail": "@pytest.mark.xfail(reason='gpu')\ndef test(): assert False",
    "test_module": "pytest.skip('no gpu', allow_module_level=True)",
}


def test_only_the_marker_of_a_gpu_excuses_a_skip(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = gpu: needs a CUDA device\n")
    for name, test in (EXCUSED | REFUSED).items():
        (tmp_path / f"{name}.py").write_text(f"import pytest\n{test}\n")
    plugins = ["-p", "no_skips", "-p", "no:cacheprovider"]
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "--continue-on-collection-errors", "-rfE"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / ".ci"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert shown.returncode == 1, shown.stderr
    assert {*re.findall(r"^(?:FAILED|ERROR) (\w+)\.py", shown.stdout, re.M)} == REFUSED.keys()
    assert "1 passed, 1 skipped, 1 xfailed" in shown.stdout


def test_ci_run_lets_nothing_else_be_skipped() -> None:
    assert (ROOT / ".ci" / "run").read_text().count("-p no_skips") == 2


def test_ci_run_is_a_program_that_stops_at_the_first_failure() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in script.read_text()
    subprocess.run(["bash", "-n", script], check=True, timeout=30)
