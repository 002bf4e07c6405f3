"""`export --paper`: a directory with everything about a sweep that a paper needs."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.cli.output import UsageError, say
from sweeper.client import Client

if TYPE_CHECKING:
    from sweeper.report import bundle


def write_paper(client: Client, sweep_id: str, folder: Path) -> None:
    """Write the directory, whole or not at all; it replaces one that was written before."""
    from sweeper.report import bundle

    if folder.exists() and not (folder / bundle.SUMS).is_file() and _has_content(folder):
        raise UsageError(f"{folder} exists and is none that this command has written")
    content = bundle.files(_material(client, sweep_id))
    try:
        _replace(folder, content)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}") from None
    say(f"wrote {folder}: {len(content)} files")


def _material(client: Client, sweep_id: str) -> "bundle.Material":
    from sweeper.report import bundle

    return bundle.Material(
        sweep=client.sweep(sweep_id),
        results=client.results(sweep_id),
        curves=client.curves(sweep_id),
        stability=client.stability(sweep_id),
        figure_json=client.figure_json(sweep_id),
        report=client.report_html(sweep_id),
        pictures=_pictures(client, sweep_id),
        sources={one["name"]: one["source"] for one in client.optimizers()},
    )


def _pictures(client: Client, sweep_id: str) -> Mapping[str, bytes]:
    """None, and a line that says why, without what draws them: the rest is still of use."""
    from sweeper.plots.images import NoPictures, pictures

    try:
        return pictures(client.figure(sweep_id))
    except NoPictures as error:
        say(f"no pictures: {error}")
        return {}


def _has_content(folder: Path) -> bool:
    return not folder.is_dir() or any(folder.iterdir())


def _replace(folder: Path, content: Mapping[str, bytes]) -> None:
    """Into a folder beside it first, which then takes its name."""
    parent = folder.absolute().parent
    with tempfile.TemporaryDirectory(dir=parent, prefix=".paper-") as scratch:
        fresh, old = Path(scratch) / "new", Path(scratch) / "old"
        for path, data in content.items():
            target = fresh / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
