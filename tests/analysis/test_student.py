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


def test_interval_of_three_losses() -> None:
    low, high = student.t_interval([3.0, 3.1, 3.2])
    # standard deviation 0.1, so 4.3027 * 0.1 / sqrt(3) on either side of 3.1
    assert low == pytest.approx(3.1 - 0.248416, abs=1e-5)
    assert high == pytest.approx(3.1 + 0.248416, abs=1e-5)
