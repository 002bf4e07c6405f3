import pytest

from sweeper.analysis.scaling import power_law, speed_up


def test_an_exact_law_is_found_whatever_its_unit() -> None:
    sizes = [3e6, 2e7, 1.5e8, 1.2e9]
    law = power_law(sizes, [1.7 + 400 * size**-0.34 for size in sizes])
    assert law is not None
    assert (law.scale, law.exponent, law.floor) == pytest.approx((400, 0.34, 1.7), rel=1e-4)
    assert law.error < 1e-8
    assert law.points == 4


def test_the_order_does_not_matter() -> None:
    x, losses = [1.0, 2.0, 4.0, 8.0], [3.5, 3.4, 3.33, 3.3]
    one, other = power_law(x, losses), power_law(x[::-1], losses[::-1])
    assert one is not None
    assert other is not None
    assert one.exponent == pytest.approx(other.exponent, rel=1e-6)


@pytest.mark.parametrize(
    ("x", "losses"),
    [
        ([1.0, 2.0], [3.0, 2.0]),
        ([1.0, 2.0, 2.0], [3.0, 2.0, 2.1]),
        ([1.0, 2.0, 4.0], [3.0, 3.1, 3.2]),
        ([1.0, 2.0, 4.0], [3.0, 3.0, 3.0]),
    ],
    ids=["two points", "two sizes", "losses that rise", "losses that stand still"],
)
def test_no_law(x: list[float], losses: list[float]) -> None:
    assert power_law(x, losses) is None


def test_tokens_that_a_loss_is_worth() -> None:
    law = power_law([1.0, 2.0, 4.0], [3 + 0.5 * d**-0.5 for d in (1.0, 2.0, 4.0)])
    assert law is not None
    # The loss of 4 units of tokens, reached with 2.
    assert speed_up(law, 2.0, 3.25) == pytest.approx(2.0, rel=1e-6)
    assert law.inverse(3.25) == pytest.approx(4.0, rel=1e-6)
    assert speed_up(law, 2.0, 2.9) is None
