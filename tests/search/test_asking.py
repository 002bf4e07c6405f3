"""Optuna's samplers, asked anew each time."""

import math

import pytest

from sweeper.search.asking import RANDOM_FIRST, Candidate, Range, ask, missing
from sweeper.spec import SamplerName

SPACE = {
    "lr": Range(low=1e-5, high=1.0, scale="log"),
    "momentum": Range(low=0.0, high=0.999, scale="one_minus_log"),
    "rho": Range(low=0.01, high=0.2, scale="linear"),
}


def _loss(values: dict[str, float]) -> float:
    """A bowl whose bottom is at lr 1e-2 and momentum 0.9."""
    return 2.0 + (math.log10(values["lr"]) + 2) ** 2 + (math.log10(1 - values["momentum"]) + 1) ** 2


def _searched(sampler: SamplerName, count: int) -> list[Candidate]:
    known: list[Candidate] = []
    for number in range(count):
        values = ask(SPACE, known, sampler=sampler, seed=0)
        known.append(Candidate(number=number, values=values, loss=_loss(values)))
    return known


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_a_search_ends_up_near_the_bottom(sampler: SamplerName) -> None:
    found = _searched(sampler, 30)
    losses = [each.loss for each in found if each.loss is not None]
    guessed, best = min(losses[:RANDOM_FIRST]), min(losses)
    assert best < guessed
    assert best < 2.1


def test_asking_is_a_function_of_what_is_known() -> None:
    known = _searched("tpe", 12)
    assert ask(SPACE, known, sampler="tpe", seed=0) == ask(SPACE, known, sampler="tpe", seed=0)
    assert ask(SPACE, known, sampler="tpe", seed=0) != ask(SPACE, known, sampler="tpe", seed=7)


def test_the_order_of_writing_changes_nothing() -> None:
    known = _searched("tpe", 12)
    backwards = dict(reversed(SPACE.items()))
    for so_far in ([], known):
        one = ask(SPACE, so_far, sampler="tpe", seed=0)
        assert one == ask(backwards, so_far, sampler="tpe", seed=0)


def test_searches_of_neighbouring_seeds_have_no_candidate_in_common() -> None:
    def asked(seed: int) -> set[float]:
        known: list[Candidate] = []
        for number in range(6):
            values = ask(SPACE, known, sampler="tpe", seed=seed)
            known.append(Candidate(number=number, values=values, loss=3.0))
        return {each.values["lr"] for each in known}

    first, second, last = asked(0), asked(1), asked(2**32 - 1)
    assert not first & second
    assert len(last) == 6


def test_values_stay_in_their_ranges_and_are_short() -> None:
    for each in _searched("tpe", 40):
        for name, value in each.values.items():
            assert SPACE[name].low <= value <= SPACE[name].high
        assert each.values["lr"] == float(f"{each.values['lr']:.2e}")


def test_candidates_asked_for_at_once_differ() -> None:
    known = _searched("tpe", 20)
    for number in range(20, 24):
        values = ask(SPACE, known, sampler="tpe", seed=0)
        known.append(Candidate(number=number, values=values, loss=None))
    assert len({tuple(each.values.values()) for each in known[20:]}) == 4


def test_failed_candidates_say_nothing() -> None:
    values = {"lr": 1e-2, "momentum": 0.9, "rho": 0.1}
    failed = [
        Candidate(number=number, values=values, loss=None, failed=True) for number in range(3)
    ]
    assert ask(SPACE, failed, sampler="tpe", seed=0)


def test_scipy_is_there_for_the_tests() -> None:
    assert missing("gp") is None
    assert missing("tpe") is None
