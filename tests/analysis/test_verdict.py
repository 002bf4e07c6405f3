import math

import numpy as np
import pytest

from sweeper.analysis import student
from sweeper.analysis.heldout import held_out, mean_error
from sweeper.analysis.verdict import Judgement, PairedTest, holm, paired_test, verdicts


def judged(first: list[float], second: list[float], margin: float = 0.01) -> Judgement:
    (verdict,) = verdicts([paired_test(np.array(first), np.array(second), margin)], margin)
    return verdict.judgement


def test_the_paired_test_by_hand() -> None:
    # Differences -0.1, -0.2, -0.3: mean -0.2, deviation 0.1; the variance of the mean is
    # 1/3 + 1/2 of that of one, so t = -0.2 / (0.1 root(5/6)) = -2.1909.
    test = paired_test(np.array([3.0, 3.1, 3.2]), np.array([3.1, 3.3, 3.5]), 0.05)
    assert test.seeds == 3
    assert (test.difference, test.deviation) == pytest.approx((-0.2, 0.1))
    error = 0.1 * math.sqrt(5 / 6)
    t = 0.2 / error
    assert test.p_value == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert test.effect == pytest.approx(-2 * (1 - 3 / 7))
    reach = student.t_quantile(0.975, 2) * error
    assert (test.low, test.high) == pytest.approx((-0.2 - reach, -0.2 + reach))
    against_margin = (0.05 - 0.2) / error
    assert test.p_equivalent == pytest.approx(1 - student.t_probability(against_margin, 2))


def test_two_seeds_have_a_test_and_no_effect_size() -> None:
    test = paired_test(np.array([3.0, 3.1]), np.array([4.0, 4.2]))
    assert test.p_value is not None
    assert test.effect is None


def test_exchanging_the_two_turns_the_sign_and_nothing_else() -> None:
    first, second = np.array([3.0, 3.1, 3.3]), np.array([3.2, 3.1, 3.4])
    one, other = paired_test(first, second), paired_test(second, first)
    assert one.difference == pytest.approx(-other.difference)  # type: ignore[operator]
    assert (one.p_value, one.p_equivalent) == pytest.approx((other.p_value, other.p_equivalent))


def test_pairing_takes_out_what_seeds_have_in_common() -> None:
    seeds = np.array([0.0, 0.5, 1.0, 1.5])
    first, second = 3 + seeds, 3.02 + seeds + np.array([0.001, -0.001, 0.001, -0.001])
    assert judged(list(first), list(second)) is Judgement.BETTER
    assert judged(list(first), list(second[::-1])) is Judgement.UNDECIDED


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ([3.1, 3.2, 3.3, 3.4], Judgement.BETTER),
        ([2.9, 3.0, 3.1, 3.2], Judgement.WORSE),
        ([3.001, 3.1, 3.199, 3.301], Judgement.EQUIVALENT),
        ([3.3, 2.9, 3.4, 3.1], Judgement.UNDECIDED),
        ([3.0, 3.1, 3.2, 3.3], Judgement.EQUIVALENT),
    ],
)
def test_the_four_verdicts(second: list[float], expected: Judgement) -> None:
    assert judged([3.0, 3.1, 3.2, 3.3], second) is expected


def test_a_difference_certainly_within_the_margin_is_called_equivalent() -> None:
    first, second = [3.0, 3.1, 3.2, 3.3], [3.0051, 3.1049, 3.2051, 3.3049]
    assert judged(first, second, margin=0.01) is Judgement.EQUIVALENT
    assert judged(first, second, margin=0.001) is Judgement.BETTER


def test_one_seed_decides_nothing() -> None:
    (verdict,) = verdicts([paired_test(np.array([3.0]), np.array([9.0]))])
    assert verdict.judgement is Judgement.UNDECIDED
    assert verdict.sentence == "not distinguishable: a test needs two seeds in common"
    assert verdict.more_seeds is verdict.p_holm is None


def test_the_correction_of_holm_by_hand() -> None:
    # Ascending: 0.01 * 4, 0.02 * 3, 0.03 * 2 (not below the one before), 0.5 * 1.
    assert holm([0.5, 0.01, 0.03, 0.02]) == pytest.approx([0.5, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_more_pairs_ask_for_more_evidence() -> None:
    random = np.random.default_rng(0)
    base = 3 + 0.01 * random.normal(size=5)
    test = paired_test(base, base + np.array([0.02, 0.03, 0.04, 0.02, 0.05]), margin=0.001)
    noise = [
        paired_test(base, base + 0.01 * random.normal(size=5), margin=0.001) for _ in range(60)
    ]
    assert verdicts([test], 0.001)[0].judgement is Judgement.BETTER
    among = verdicts([test, *noise], 0.001)[0]
    assert among.judgement is Judgement.UNDECIDED
    assert among.p_holm is not None
    assert test.p_value is not None
    assert among.p_holm > 30 * test.p_value


def test_the_seeds_advised_would_reach_a_verdict_with_the_power_promised() -> None:
    """Simulated: differences of mean 0.02 and deviation 0.03, margin far below."""
    test = PairedTest(
        seeds=3, difference=0.02, deviation=0.03, p_value=0.5, p_equivalent=1.0, low=0, high=0
    )
    (verdict,) = verdicts([test], 1e-6)
    assert verdict.more_seeds is not None
    needed = 3 + verdict.more_seeds
    assert verdict.sentence == f"not distinguishable: needs about {verdict.more_seeds} more seeds"
    random = np.random.default_rng(1)
    # Held-out losses have something in common, which their own deviation does not show.
    common = random.normal(size=(2000, 1)) / math.sqrt(needed - 1)
    samples = 0.02 + 0.03 * (common + random.normal(size=(2000, needed)))
    t = samples.mean(axis=1) / mean_error(1, needed) / samples.std(axis=1, ddof=1)
    power = (t > student.t_quantile(0.975, needed - 1)).mean()
    assert 0.75 < power < 0.88


def test_equivalence_may_be_the_nearer_verdict() -> None:
    test = PairedTest(
        seeds=3, difference=1e-4, deviation=0.01, p_value=0.9, p_equivalent=0.2, low=0, high=0
    )
    (verdict,) = verdicts([test], 0.01)
    assert verdict.more_seeds is not None
    assert verdict.more_seeds < 20


def test_what_no_number_of_seeds_settles() -> None:
    test = PairedTest(
        seeds=3, difference=1e-6, deviation=1.0, p_value=0.9, p_equivalent=0.9, low=0, high=0
    )
    (verdict,) = verdicts([test], 1e-3)
    assert verdict.more_seeds is None
    assert verdict.sentence == "not distinguishable: needs more than 10000 seeds"


@pytest.mark.parametrize("bend", [0.08, 0.005])
def test_false_verdicts_are_rare_between_equals(bend: float) -> None:
    """Two equal optimizers, 600 times: what they have in common by choosing is in the error.

    With the error of independent losses, a difference would be found in 0.08 to 0.15 of them.
    """
    random, places = np.random.default_rng(2), np.linspace(-4, 0, 9)
    bowl = 3 + bend * (places[:, None] + 2.1) ** 2
    everyone, false = np.ones(5, dtype=bool), 0
    for _ in range(600):
        effects = random.normal(size=5)
        found = [
            held_out(bowl + 0.01 * (effects + random.normal(size=(9, 5))), everyone)
            for _ in range(2)
        ]
        first, second = (own.losses for own in found if own is not None)
        p_value = paired_test(first, second, 1e-9).p_value
        assert p_value is not None
        false += p_value < 0.05
    assert false <= 0.07 * 600
