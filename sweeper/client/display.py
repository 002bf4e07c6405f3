"""How a sweep looks to a person: in a notebook, and at a terminal while one waits for it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape

from sweeper.client.connection import Json

Look = Callable[[Json], None]


class Sweep(Json):
    """A sweep as the service answers it, a plain dictionary, which a notebook shows as a line."""

    def _repr_html_(self) -> str:
        points, ended = self["points"], ended_points(self)
        best = self["best"]
        parts = [
            f"<b>{escape(self['name'])}</b> {escape(self['state'].replace('_', ' '))}",
            f'<progress value="{ended}" max="{points["total"]}"></progress>',
            f"{ended} of {points['total']} points",
        ]
        parts += [f"{points[key]} {key}" for key in ("diverged", "failed") if points[key]]
        if best is not None:
            parts.append(f"best {best['loss']:.4g}: {escape(best['label'])} at {best['value']:g}")
        return f"<div>{', '.join(parts)}</div>"


def ended_points(sweep: Json) -> int:
    """Points of a sweep that nothing will happen to any more."""
    points = sweep["points"]
    return int(points["done"] + points["failed"] + points["cancelled"])


@contextmanager
def progress_shown() -> Iterator[Look]:
    """What to call with every look at a sweep; it shows a bar where somebody watches.

    In a notebook that is a line which changes in place and needs no widgets, at a terminal a bar on
    stderr, and elsewhere nothing.
    """
    if _in_notebook():
        yield _notebook_line()
    elif sys.stderr.isatty():
        with _terminal_bar() as look:
            yield look
    else:
        yield lambda _: None


def _in_notebook() -> bool:
    """Whether a kernel runs this: it alone can change what it has displayed."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def _notebook_line() -> Look:
    from IPython.display import display

    handle = display(display_id=True)

    def look(sweep: Json) -> None:
        handle.update(Sweep(sweep))

    return look


@contextmanager
def _terminal_bar() -> Iterator[Look]:
    from rich.console import Console
    from rich.markup import escape as unmarked
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")

        def look(sweep: Json) -> None:
            total, ended = sweep["points"]["total"], ended_points(sweep)
            shown = f"{sweep['name']}: {sweep['state']}, {ended} of {total} points"
            bar.update(task, total=total, completed=ended, description=unmarked(shown))

        yield look
