"""Scripts and styles, from this package and from the installed plotly; no other origin is asked.

Every address holds a hash or a version, so a browser may keep what it got for ever.
"""

import hashlib
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parent / "static"
FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@router.get("/static/{release}/{name}")
def static_file(release: str, name: str) -> Response:
    """One of the files of this release, by name."""
    if release == _plotly_release() and name == "plotly.js":
        return Response(_plotly_js(), media_type="text/javascript", headers=FOR_EVER)
    if release != _release() or name not in _files():
        raise HTTPException(404, "no such file")
    media_type = _MEDIA_TYPES[Path(name).suffix]
    return Response(_files()[name], media_type=media_type, headers=FOR_EVER)


def address(name: str) -> str:
    """The address of a file of the package; KeyError for one that does not exist."""
    if name == "plotly.js":
        return f"/static/{_plotly_release()}/plotly.js"
    if name not in _files():
        raise KeyError(name)
    return f"/static/{_release()}/{name}"


@cache
def _files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir())}


@cache
def _release() -> str:
    """A hash over all files, since modules import one another by relative address."""
    parts = (name.encode() + b"\0" + content for name, content in _files().items())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _plotly_release() -> str:
    return f"plotly-{version('plotly')}"


@cache
def _plotly_js() -> bytes:
    """The script inside of the installed package, found without importing it."""
    spec = find_spec("plotly")
    assert spec is not None  # noqa: S101 - a dependency of the package
    assert spec.origin is not None  # noqa: S101
    return (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_bytes()
