"""How far an optimizer trains at all."""

from sweeper.analysis.curves import stability_curves
from sweeper.analysis.estimating import estimates
from sweeper.analysis.stability import stability
from tests.analysis.estimated import Losses, found
from tests.analysis.frames import NAN, points


def test_edges_of_what_trains() -> None:
    losses: Losses = {
        1e-4: [NAN, 3.5, 3.4],
        1e-3: [3.0, 3.1, 3.0],
        1e-2: [3.2, 3.2, 3.2],
        1e-1: [3.5, NAN, 3.5],
        1.0: [NAN, NAN, 12.0],
    }
    result = found(losses)
    largest, smallest = result.largest_stable, result.smallest_stable
    assert (largest.value, largest.beyond, largest.reason) == (1e-2, 1.0, None)
    assert (smallest.value, smallest.beyond) == (1e-3, None)
    assert "known to be unstable" in str(smallest.reason)


def test_an_edge_is_where_the_seeds_of_the_grid_have_it() -> None:
    """A seed that only the best value has says nothing of the others; one that diverges does."""
    losses: Losses = {1e-3: [3.0, 3.0, 3.1], 1e-2: [3.2, 3.2], 1e-1: [3.5, NAN], 1.0: [NAN, NAN]}
    result = found(losses).largest_stable
    assert (result.value, result.beyond, result.reason) == (1e-2, 1.0, None)
    losses[1e-2] = [3.2, 3.2, NAN]
    result = found(losses).largest_stable
    assert (result.value, result.beyond, result.reason) == (1e-3, 1.0, None)


def test_values_without_a_common_seed_have_numbers_all_the_same() -> None:
    frame = points({1e-3: [3.1, 3.2], 1e-2: [3.0, 3.1], 1e-1: [3.3, 3.4]})
    frame["seed"] = range(len(frame))
    (curve,) = stability_curves(frame)
    result = estimates(curve, stability(curve), resamples=20)
    assert result.best_value.value == 1e-2
    assert result.heldout_loss.reason is not None
    assert result.largest_stable.value == 1e-1


def test_a_value_not_finished_ends_what_is_known_to_train() -> None:
    result = found({1e-3: [3.0, 3.0], 1e-2: [3.2, None], 1e-1: [NAN, NAN]})
    assert (result.largest_stable.value, result.largest_stable.beyond) == (1e-3, None)
    nothing = found({1e-3: [None, None]})
    assert "not stable at the best" in str(nothing.largest_stable.reason)
