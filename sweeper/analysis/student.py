"""Student's t for whole degrees of freedom, in closed form."""

import math
from collections.abc import Sequence
from functools import lru_cache


def t_interval(losses: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided interval of the mean of at least two losses."""
    count = len(losses)
    assert count > 1, count
    mean = math.fsum(losses) / count
    variance = math.fsum((loss - mean) ** 2 for loss in losses) / (count - 1)
    reach = t_quantile(0.5 + confidence / 2, count - 1) * math.sqrt(variance / count)
    return mean - reach, mean + reach


@lru_cache(maxsize=256)
def t_quantile(probability: float, freedom: int) -> float:
    """The t below which a share `probability`, between 1/2 and 1, of the distribution lies."""
    assert 0.5 <= probability < 1, probability
    low, high = 0.0, 1.0
    while _cdf(high, freedom) < probability:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _cdf(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def _cdf(t: float, freedom: int) -> float:
    """Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4."""
    theta = math.atan2(t, math.sqrt(freedom))
    odd = freedom % 2 == 1
    term = math.cos(theta) if odd else 1.0
    series = term if freedom > 1 else 0.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= math.cos(theta) ** 2 * (k - 1) / k
        series += term
    within = math.sin(theta) * series
    return 0.5 + ((theta + within) / math.pi if odd else within / 2)
