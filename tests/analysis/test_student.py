import math

import pytest

from sweeper.analysis import student


@pytest.mark.parametrize(
    ("freedom", "expected"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622), (10, 2.2281), (30, 2.0423)],
)
def test_quantiles_equal_the_published_table(freedom: int, expected: float) -> None:
    assert student.t_quantile(0.975, freedom) == pytest.approx(expected, abs=5e-5)


def test_median_is_zero() -> None:
    assert student.t_quantile(0.5, 3) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("t", "freedom", "expected"),
    # one degree: 1/2 + arctan(t) / pi; two: 1/2 + t / (2 root(2 + t^2))
    [(1.0, 1, 0.75), (-1.0, 1, 0.25), (2.0, 2, 0.5 + 1 / math.sqrt(6)), (0.0, 7, 0.5)],
)
def test_probability_in_closed_form(t: float, freedom: int, expected: float) -> None:
    assert student.t_probability(t, freedom) == pytest.approx(expected, abs=1e-14)


def test_probability_far_out() -> None:
    assert student.t_probability(math.inf, 3) == 1.0
    assert student.t_probability(-math.inf, 3) == 0.0
    assert student.t_probability(-1e6, 4) == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize("freedom", [1.0, 1.4, 2.5, 7.3, 400.0])
@pytest.mark.parametrize("probability", [0.6, 0.975, 0.99999])
def test_the_quantile_inverts_the_probability(probability: float, freedom: float) -> None:
    t = student.t_quantile(probability, freedom)
    assert student.t_probability(t, freedom) == pytest.approx(probability, abs=1e-12)


def test_quantiles_between_whole_degrees_lie_between() -> None:
    quantiles = [student.t_quantile(0.975, freedom) for freedom in (2, 2.5, 3)]
    assert quantiles == sorted(quantiles, reverse=True)
