"""BCa intervals are scipy's; degenerate statistics have none, or one of no width."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from maskcls.statistics.intervals import Interval, bca, interval_of
from maskcls.statistics.resampling import draws, estimate, replicates, without_blocks

VALUES = np.random.default_rng(5).lognormal(0, 1, 40)


def mean(weights: np.ndarray) -> np.ndarray:
    return np.asarray(weights @ VALUES / weights.sum(axis=1))


def deviation(weights: np.ndarray) -> np.ndarray:
    total = weights.sum(axis=1)
    square = weights @ VALUES**2 / total - (weights @ VALUES / total) ** 2
    return np.asarray(np.sqrt(np.maximum(square, 0)))


@pytest.mark.parametrize(("ours", "theirs"), [(mean, np.mean), (deviation, np.std)])
def test_it_is_scipys_interval(ours, theirs) -> None:  # type: ignore[no-untyped-def]
    (found,) = interval_of(ours, len(VALUES), 20_000, by_t=False)
    want = bootstrap(
        (VALUES,), theirs, n_resamples=20_000, rng=np.random.default_rng(1), method="BCa"
    ).confidence_interval
    width = want.high - want.low
    assert found.low == pytest.approx(want.low, abs=0.02 * width)
    assert found.high == pytest.approx(want.high, abs=0.02 * width)
    assert found.level == 0.95
    # Skewed values: a symmetric interval would not do.
    assert found.high - ours(np.ones((1, 40)))[0] > 1.2 * (ours(np.ones((1, 40)))[0] - found.low)


def test_few_groups_make_it_wider() -> None:
    few = VALUES[:8]

    def mean_of_few(weights: np.ndarray) -> np.ndarray:
        return np.asarray(weights @ few / 8)

    (wide,), (narrow,) = interval_of(mean_of_few, 8), interval_of(mean_of_few, 8, by_t=False)
    assert wide.low < narrow.low
    assert wide.high > narrow.high
    (many,), (plain,) = interval_of(mean, 40), interval_of(mean, 40, by_t=False)
    more = (wide.high - wide.low) / (narrow.high - narrow.low)
    assert more > 1.1 > (many.high - many.low) / (plain.high - plain.low) * 0.9


def test_a_lower_level_is_a_narrower_interval() -> None:
    (wide,), (narrow,) = interval_of(mean, 40), interval_of(mean, 40, level=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high
    assert narrow.level == 0.5


def test_several_values_have_an_interval_each() -> None:
    both = interval_of(lambda w: np.stack([mean(w), deviation(w)], axis=1), 40)
    assert both == [*interval_of(mean, 40), *interval_of(deviation, 40)]


def test_the_same_seed_gives_the_same_interval() -> None:
    assert interval_of(mean, 40) == interval_of(mean, 40)
    assert interval_of(mean, 40) != interval_of(mean, 40, seed=1)


def test_a_value_that_never_differs_has_an_interval_of_no_width() -> None:
    (found,) = interval_of(lambda w: np.full(len(w), 0.75), 30)
    assert found == Interval(0.95, 0.75, 0.75)


def test_a_share_of_few_groups_may_be_lower_than_any_resample() -> None:
    right = np.array([1.0] * 11 + [0.6])  # of twelve groups one is not all right

    def share(weights: np.ndarray) -> np.ndarray:
        return np.asarray(weights @ right / weights.sum(axis=1))

    (plain,), (found,) = interval_of(share, 12), interval_of(share, 12, shares=True)
    assert plain.high <= found.high <= 1
    # One more such group in four would be nothing unusual.
    assert found.low < plain.low - 0.05
    assert found.low > 0
    # A difference of shares is none.
    (first, second) = interval_of(
        lambda w: np.stack([share(w), share(w) - 0.5], axis=1), 12, shares=[True, False]
    )
    assert first == found
    assert (second.low, second.high) == pytest.approx((plain.low - 0.5, plain.high - 0.5))


def test_with_many_groups_a_share_has_nearly_the_same_interval() -> None:
    right = np.random.default_rng(3).random(400) < 0.7

    def share(weights: np.ndarray) -> np.ndarray:
        return np.asarray(weights @ right / weights.sum(axis=1))

    (plain,), (found,) = interval_of(share, 400), interval_of(share, 400, shares=True)
    assert found.low <= plain.low
    assert plain.high <= found.high
    assert found.high - found.low < 1.1 * (plain.high - plain.low)


@pytest.mark.parametrize("value", [0.0, 0.75, 1.0])
def test_a_share_that_never_differs_has_an_interval_of_no_width(value: float) -> None:
    (found,) = interval_of(lambda w: np.full(len(w), value), 30, shares=True)
    assert found == Interval(0.95, value, value)


def test_of_one_group_nothing_is_known() -> None:
    (found,) = interval_of(lambda w: w.sum(axis=1), 1)
    assert np.isnan([found.low, found.high]).all()


def test_resamples_without_a_value_are_left_out() -> None:
    def of_the_first_two(weights: np.ndarray) -> np.ndarray:
        # A class of two of five groups: some resamples have neither.
        total = weights[:, 0] + weights[:, 1]
        nothing = np.full(len(weights), np.nan)
        return np.asarray(np.divide(weights[:, 0], total, out=nothing, where=total > 0))

    drawn = replicates(of_the_first_two, 5)
    assert 0.02 < np.isnan(drawn).mean() < 0.2
    (found,) = interval_of(of_the_first_two, 5)
    assert 0 <= found.low < 0.5 < found.high <= 1


def test_a_value_that_is_never_defined_has_no_interval() -> None:
    (found,) = interval_of(lambda w: np.full(len(w), np.nan), 5)
    assert np.isnan([found.low, found.high]).all()


def test_extreme_skewness_gives_places_in_order() -> None:
    drawn = np.random.default_rng(0).normal(0, 1, (500, 1))
    left_out = np.array([[1.0]] + [[0.0]] * 3)  # one group that decides
    (found,) = bca(np.array([0.0]), drawn, left_out, level=0.9999)
    assert found.low < 0 < found.high


def test_all_groups_drawn_once_is_the_estimate() -> None:
    assert estimate(mean, 40) == pytest.approx(VALUES.mean())
    assert without_blocks(mean, 40).mean() == pytest.approx(VALUES.mean())
    assert np.concatenate(list(draws(40, 10))).shape == (10, 40)
