"""Tables of texts for a page, and how numbers with intervals are written in them. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from api.pages import words
from sweeper.analysis.compare import ComparedVariant
from sweeper.analysis.edges import StableEdge
from sweeper.analysis.estimates import BasinEstimate, Estimate


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A text, what stands small beside it, and why there is none."""

    text: str
    beside: str = ""
    reason: str = ""
    number: bool = True


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading, and its unit or what it means."""

    title: str
    small: str = ""
    number: bool = True


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells in rows; the first one of each row is its heading."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, kw_only=True)
class Fold:
    """A table that is folded away; `id` tells the address whether it is open."""

    id: str
    title: str
    hint: str
    tables: Sequence[Table]
    figure: bool = False


def heading(variant: ComparedVariant) -> tuple[Cell, Cell]:
    """The label and the scale of a variant, which begin its row."""
    plain = variant.architecture == "standard"
    scale = variant.scale if plain else f"{variant.scale} {variant.architecture}"
    return Cell(text=variant.label, number=False), Cell(text=scale, number=False)


def estimate(found: Estimate, written: Callable[[float], str], *, interval: bool = True) -> Cell:
    """A number as it is written, its interval beside it, and the reason where there is none."""
    if found.value is None:
        return Cell(text=words.DASH, reason=found.reason or "")
    beside = ""
    if interval and found.low is not None and found.high is not None:
        # A dash before a minus sign is hard to read.
        between = "to" if found.low < 0 else words.DASH
        beside = f"{written(found.low)} {between} {written(found.high)}"
    reason = (found.reason or "") if interval else ""
    return Cell(text=written(found.value), beside=beside, reason=reason)


def basin_width(basin: BasinEstimate) -> Cell:
    """The width of a basin, at least so much where a side is open."""
    cell = estimate(basin.width, words.short)
    open_side = basin.low_open or basin.high_open
    return Cell(text=f"≥ {cell.text}", beside=cell.beside) if open_side else cell


def stable_edge(edge: StableEdge) -> Cell:
    """The end of the stable values, and the range over seeds."""
    if edge.value is None:
        return Cell(text=words.DASH, reason=edge.reason or "")
    beside = "" if edge.beyond is None else f"unstable by {words.value(edge.beyond)}"
    return Cell(text=words.value(edge.value), beside=beside, reason=edge.reason or "")


def large(number: float | None) -> str:
    """A count or an amount in few digits."""
    if number is None:
        return words.DASH
    return words.count(round(number)) if number < 1e6 else f"{number:.3g}".replace("e+", "e")


def percent(share: float | None) -> str:
    """A share."""
    return "" if share is None else f"{100 * share:.2g} %"


def three(number: float) -> str:
    """Three significant digits."""
    return words.short(number, 3)


def two(number: float) -> str:
    """Two significant digits."""
    return words.short(number).replace("-", "\N{MINUS SIGN}")


def signed(number: float) -> str:
    """A difference in nats."""
    return f"{number:+.4f}".replace("-", "\N{MINUS SIGN}")
