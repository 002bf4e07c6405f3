"""Numbers, times and states as pages write them."""

from datetime import UTC, datetime
from typing import NamedTuple

from sweeper.trials import SweepState, TrialState

DASH = "\N{EN DASH}"


class Sign(NamedTuple):
    """A state as a shape and a word: colour is never the only difference."""

    icon: str
    word: str


SIGNS = {
    "queued": Sign("\N{WHITE CIRCLE}", "queued"),
    "pending": Sign("\N{WHITE CIRCLE}", "queued"),
    "running": Sign("\N{CIRCLE WITH RIGHT HALF BLACK}", "running"),
    "paused": Sign("\N{PARALLEL TO}", "paused"),
    "done": Sign("\N{CHECK MARK}", "done"),
    "done_with_failures": Sign("\N{WARNING SIGN}", "done with failures"),
    "failed": Sign("\N{WARNING SIGN}", "failed"),
    "cancelled": Sign("\N{MULTIPLICATION SIGN}", "cancelled"),
    "diverged": Sign("\N{UPWARDS ARROW}", "diverged"),
}


def sign(state: SweepState | TrialState | str) -> Sign:
    """Shape and word of a state. U+FE0E keeps it a text character where fonts have an emoji."""
    found = SIGNS[str(state)]
    return Sign(f"{found.icon}\N{VARIATION SELECTOR-15}", found.word)


def value(number: float | None) -> str:
    """A hyperparameter's value as the study writes it: 3.16e-3, 0.95, 10."""
    if number is None:
        return DASH
    if number == 0 or 0.01 <= abs(number) < 10_000:
        return f"{number:.6g}"
    mantissa, exponent = f"{number:.6e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def setting(chosen: float | bool) -> str:
    """A value, or the position of a switch."""
    return ("off", "on")[chosen] if isinstance(chosen, bool) else value(chosen)


def state_size(bytes_per_parameter: float | None) -> str:
    """What an optimizer keeps."""
    if bytes_per_parameter is None:
        return "state not measured"
    return f"{bytes_per_parameter:g} bytes of state per parameter"


def loss(number: float | None) -> str:
    """A loss in nats, four decimals so that columns line up."""
    return DASH if number is None else f"{number:.4f}"


def short(number: float | None, digits: int = 2) -> str:
    """A width or a sensitivity."""
    return DASH if number is None else f"{number:.{digits}f}"


def duration(seconds: float | None) -> str:
    """A length of time in its two largest units; below a second, one digit of it."""
    if seconds is None:
        return DASH
    if seconds < 1:
        return f"{seconds:.1g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def moment(when: datetime) -> str:
    """A time of day in UTC, for people."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def count(number: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def rounded(number: float | None) -> str:
    """An interpolated value: three significant digits, as many as a grid has."""
    return DASH if number is None else value(float(f"{number:.2e}"))


def sign_icon(state: str) -> str:
    """The shape of a state alone, beside its word for screen readers."""
    return sign(state).icon
