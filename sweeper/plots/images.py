"""Figures as pictures for print: SVG, PDF and PNG, drawn by a Chromium through kaleido."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import plotly.graph_objects as go

FORMATS = ("svg", "pdf", "png")
WIDTH = 900
PNG_SCALE = 3
"""Three dots per pixel: 300 dpi at a width of 9 inches."""

_DATE = re.compile(rb"D:\d{14}")
_MARK = re.compile(rb'id="clip([0-9a-f]{6})')
_TRACE_MARK = re.compile(rb"\btrace[0-9a-f]{6}\b")


class NoPictures(Exception):
    """What is missing to draw pictures, in one line."""


def pictures(fig: go.Figure) -> dict[str, bytes]:
    """The figure in every format, on white, of its own height; equal figures give equal bytes.

    Raises `NoPictures` without kaleido or without a Chromium.
    """
    try:
        import kaleido
        from kaleido import errors
    except ImportError:
        raise NoPictures(
            "pictures need `pip install 'sweeper[paper]'` and a Chromium: kaleido is not installed"
        ) from None
    drawn = go.Figure(fig).update_layout(paper_bgcolor="#ffffff").to_dict()
    try:
        return {form: _CLEANED[form](_picture(kaleido, drawn, form)) for form in FORMATS}
    except (errors.ChromeNotFoundError, errors.BrowserFailedError, errors.BrowserClosedError):
        raise NoPictures(
            "pictures need a Chromium that starts: on PATH, or where BROWSER_PATH says"
        ) from None


def _picture(kaleido: Any, drawn: Mapping[str, Any], form: str) -> bytes:
    scale = PNG_SCALE if form == "png" else 1
    height = drawn["layout"]["height"]
    size = {"format": form, "width": WIDTH, "height": height, "scale": scale}
    # Without this, kaleido fetches MathJax from a server.
    content: bytes = kaleido.calc_fig_sync(drawn, opts=size, kopts={"mathjax": False})
    return content


def _without_dates(pdf: bytes) -> bytes:
    """Of the same length, so that the places of its parts stay true."""
    return _DATE.sub(b"D:20000101000000", pdf)


def _without_marks(svg: bytes) -> bytes:
    """plotly.js marks the ids of a drawing, and the class of each line, with six random digits."""
    found = _MARK.search(svg)
    same = svg if found is None else svg.replace(found[1], b"000000")
    return _TRACE_MARK.sub(b"trace", same)


_CLEANED: Mapping[str, Callable[[bytes], bytes]] = {
    "svg": _without_marks,
    "pdf": _without_dates,
    "png": lambda png: png,
}
