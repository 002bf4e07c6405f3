"""`export --paper`: a directory with everything about a sweep that a paper needs."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sweeper.cli.output import UsageError, say
from sweeper.client import Client, Json

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

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

    sweep = client.sweep(sweep_id)
    return bundle.Material(
        sweep=sweep,
        results=client.results(sweep_id),
        curves=client.curves(sweep_id),
        stability=client.stability(sweep_id),
        figures=_figures(client, sweep),
        report=client.report_html(sweep_id),
        sources={one["name"]: one["source"] for one in client.optimizers()},
    )


def _figures(client: Client, sweep: Json) -> Mapping[str, bytes]:
    """The figure, and the heat maps of a sweep of two axes, by the names of their files."""
    from sweeper import plots

    names = ("stability", "heatmap") if sweep["spec"].get("second_axis") else ("stability",)
    drawn = {name: client.figure_json(sweep["id"], figure=name) for name in names}
    pictures = _pictures({name: plots.from_json(text) for name, text in drawn.items()})
    return {f"{name}.json": text.encode() for name, text in drawn.items()} | pictures


def _pictures(figures: "Mapping[str, Figure]") -> dict[str, bytes]:
    """None, and a line that says why, without what draws them: the rest is still of use."""
    from sweeper.plots.images import NoPictures, pictures

    try:
        return {
            f"{name}.{form}": picture
            for name, figure in figures.items()
            for form, picture in pictures(figure).items()
        }
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
