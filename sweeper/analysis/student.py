"""Student's t for any positive degrees of freedom."""

import math
from functools import lru_cache


@lru_cache(maxsize=4096)
def t_quantile(probability: float, freedom: float) -> float:
    """The t below which a share `probability`, between 1/2 and 1, of the distribution lies.

    The distribution function is concave there, so Newton's steps from zero never pass the root.
    """
    assert 0.5 <= probability < 1, probability
    t, step = 0.0, math.inf
    while step > 1e-12 * (1 + t):
        step = (probability - t_probability(t, freedom)) / _density(t, freedom)
        t += step
    return t


def t_probability(t: float, freedom: float) -> float:
    """The share of the distribution below t: DLMF 8.17, with x = freedom / (freedom + t^2)."""
    assert freedom > 0, freedom
    if math.isinf(t):
        return float(t > 0)
    tail = 0.5 * _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))
    return 1 - tail if t > 0 else tail


def _density(t: float, freedom: float) -> float:
    log_beta = _log_beta(freedom / 2, 0.5)
    bend = (freedom + 1) / 2 * math.log1p(t * t / freedom)
    return math.exp(-log_beta - bend) / math.sqrt(freedom)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised, for 0 < x <= 1, by the continued fraction DLMF 8.17.22."""
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b)) / a
    # The method of Lentz: numerator and denominator of the fraction as ratios of two steps.
    ratio, upper, lower, k = 1.0, 1.0, 0.0, 1
    while k == 1 or abs(upper * lower - 1) > 1e-15:
        lower = 1 / (1 + _coefficient(k, a, b, x) * lower)
        upper = 1 + _coefficient(k, a, b, x) / upper
        ratio *= upper * lower
        k += 1
    return front / ratio


def _coefficient(k: int, a: float, b: float, x: float) -> float:
    m = k // 2
    if k % 2:
        return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
