"""Figures as pictures, drawn by a real Chromium; one clear word without it."""

import subprocess
import sys

import plotly.graph_objects as go
import pytest

from sweeper.plots.images import FORMATS, NoPictures, pictures

STARTS = {"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG"}
FIGURE = go.Figure(go.Scatter(x=[1, 2], y=[3, 4], name="one"), {"height": 640})


@pytest.mark.browser
def test_every_format_is_drawn_with_the_same_bytes_each_time() -> None:
    found = pictures(FIGURE)
    assert tuple(found) == FORMATS
    for form, start in STARTS.items():
        assert found[form].startswith(start)
    assert b'viewBox="0 0 900 640"' in found["svg"]
    assert pictures(FIGURE) == found
    assert FIGURE.layout.paper_bgcolor is None


@pytest.mark.parametrize("path", ["/nonexistent", "/bin/false"])
def test_without_a_chromium_there_is_one_line(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER_PATH", path)
    with pytest.raises(NoPictures, match="Chromium that starts") as caught:
        pictures(FIGURE)
    assert "\n" not in str(caught.value)


def test_without_kaleido_there_is_one_line() -> None:
    script = (
        "import sys; sys.modules['kaleido'] = None\n"
        "import plotly.graph_objects as go\n"
        "from sweeper.plots.images import NoPictures, pictures\n"
        "try:\n    pictures(go.Figure())\nexcept NoPictures as error:\n    print(error)\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert "pip install 'sweeper[paper]'" in shown.stdout
    assert shown.stdout.count("\n") == 1
