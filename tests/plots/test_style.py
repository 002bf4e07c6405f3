import pytest

from sweeper.plots import style


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.16e-3, "3.16e-3"),
        (1e-15, "1e-15"),
        (0.95, "0.95"),
        (10.0, "10"),
        (0.0, "0"),
        (2e5, "2e5"),
    ],
)
def test_short(value: float, text: str) -> None:
    assert style.short(value) == text


@pytest.mark.parametrize(("value", "text"), [(1.0, "1e0"), (31.6, "3.16e1"), (0.0, "0")])
def test_exponential(value: float, text: str) -> None:
    assert style.exponential(value) == text


def test_escape_leaves_no_markup() -> None:
    assert style.escape("<a href='x'>&") == "&lt;a href='x'&gt;&amp;"


def test_ticks_are_round_and_within() -> None:
    assert style.ticks(2.31, 3.49) == (2.4, 2.6, 2.8, 3.0, 3.2, 3.4)


def test_ticks_of_tiny_numbers_differ() -> None:
    assert style.ticks(1e-15, 9e-15) == (2e-15, 4e-15, 6e-15, 8e-15)


def test_series_differ_in_more_than_colour() -> None:
    looks = [style.series_style(style.THEMES["light"], i) for i in range(5)]
    assert len({look.symbol for look in looks}) == len({look.dash for look in looks}) == 5


def test_unknown_theme() -> None:
    with pytest.raises(ValueError, match="unknown theme 'sepia'; known: light, dark"):
        style.theme_named("sepia")
