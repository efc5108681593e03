"""Paired differences: identity, direction, exactness of p, Holm."""

import numpy as np
import pytest
from scipy.stats import binomtest, kstest

from maskcls.core.metrics import macro_f1
from maskcls.statistics import areas, paired
from maskcls.statistics.measures import measure_of
from maskcls.statistics.paired import _swapped, holm, mean_interval, paired_difference, score_maker
from maskcls.statistics.resampling import estimate
from tests.statistics.made_up_runs import made_up_sides
from tests.tasks import FRUIT, SKIN


def test_a_run_does_not_differ_from_itself():
    a, _ = made_up_sides(0, 40)
    found = paired_difference(FRUIT, a, a)
    assert (found.difference, found.interval.low, found.interval.high) == (0, 0, 0)
    assert found.p == found.p_trained == 1
    assert not found.is_claimed


def test_the_difference_is_of_the_whole_confusion_matrices():
    a, b = made_up_sides(1, 30)
    values = []
    for (rows,) in (a, b):
        counts = np.zeros((4, 4), np.int64)
        np.add.at(counts, (rows.labels, rows.logits.argmax(axis=1)), 1)
        values.append(macro_f1(counts, "skip"))
    assert paired_difference(FRUIT, a, b).difference == pytest.approx(values[1] - values[0])


@pytest.mark.parametrize("metric", ["macro_f1", "log_loss", "accuracy", "balanced_accuracy"])
def test_better_is_positive_whichever_way_the_metric_points(metric):
    a, b = made_up_sides(2, 300, (0, 1))
    found = paired_difference(FRUIT, a, b, metric)
    assert found.interval.low > 0
    assert found.p < 0.01
    assert found.is_claimed
    back = paired_difference(FRUIT, b, a, metric)
    assert back.difference == pytest.approx(-found.difference)
    assert back.is_claimed


def test_area_under_the_curve_of_two_classes():
    a, b = made_up_sides(3, 200, (0, 1), num_classes=2)
    found = paired_difference(SKIN, a, b, resamples=300)
    assert found.difference > 0.03
    assert found.is_claimed


def test_a_metric_that_is_not_defined_claims_nothing():
    a, b = made_up_sides(3, 20, num_classes=2)
    one = [[rows.where(rows.labels == 1) for rows in side] for side in (a, b)]
    found = paired_difference(SKIN, *one, resamples=100)
    assert np.isnan([found.difference, found.interval.low, found.interval.high, found.p]).all()
    assert not found.is_claimed


def test_p_of_exchangeable_runs_is_uniform():
    found = [
        paired_difference(FRUIT, *made_up_sides(seed, 40), resamples=199, seed=seed).p_trained
        for seed in range(150)
    ]
    assert kstest(found, "uniform").pvalue > 0.01


def test_other_seeds_of_noisy_networks_are_not_claimed_more_often_than_allowed():
    claims = sum(
        paired_difference(FRUIT, *made_up_sides(seed, 60, training=0.5), resamples=400).is_claimed
        for seed in range(100)
    )
    assert binomtest(claims, 100, 0.05, alternative="greater").pvalue > 0.01


def test_without_their_noise_they_would_be():
    p = [
        paired_difference(FRUIT, *made_up_sides(seed, 60, training=0.5), resamples=400).p_trained
        for seed in range(100)
    ]
    assert np.mean(np.array(p) < 0.05) > 0.15


def test_seeds_measure_the_noise_and_narrow_the_interval():
    a, b = made_up_sides(5, 200, training=0.5, seeds=3)
    one, three = paired_difference(FRUIT, a[:1], b[:1]), paired_difference(FRUIT, a, b)
    assert (one.noise_from, three.noise_from) == ("folds", "seeds")
    assert (one.seeds, three.seeds) == ((1, 1), (3, 3))
    width = [found.interval.high - found.interval.low for found in (one, three)]
    assert width[1] < width[0]
    assert three.noise > 0


def test_one_seed_against_several_has_their_noise():
    a, b = made_up_sides(5, 100, training=0.5, seeds=3)
    both, fewer = paired_difference(FRUIT, a, b), paired_difference(FRUIT, a[:1], b)
    assert fewer.noise_from == "seeds"
    assert fewer.noise > both.noise


def test_one_fold_and_one_seed_measure_no_noise():
    a, b = made_up_sides(6, 40, folds=1)
    found = paired_difference(FRUIT, a, b)
    assert (found.noise, found.noise_from) == (0, None)


def test_one_group_is_no_reason_to_claim():
    a, b = made_up_sides(7, 1, (0, 3))
    assert not paired_difference(FRUIT, a, b).is_claimed


def test_other_rows_are_refused():
    a, _ = made_up_sides(8, 20)
    _, b = made_up_sides(9, 20)
    with pytest.raises(ValueError, match="same rows"):
        paired_difference(FRUIT, a, b)


def test_the_same_seed_gives_the_same_numbers():
    a, b = made_up_sides(10, 40, training=0.3)
    assert paired_difference(FRUIT, a, b) == paired_difference(FRUIT, a, b)


def test_holm_as_in_the_paper():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.6]) == [1, 1]
    assert holm([]) == []
    found = holm([0.01, float("nan"), 0.02])
    assert found[0] == 0.02
    assert np.isnan(found[1])


def test_holm_as_in_stambo():
    # stambo 0.1.6, holm_bonferroni_correction.
    assert holm([0.01, 0.04, 0.03, 0.005, 0.6]) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.6])


@pytest.mark.parametrize(("task", "classes"), [(SKIN, 2), (FRUIT, 4)], ids=["two", "four"])
def test_p_of_area_is_the_same_by_placement_values_and_by_ranking(task, classes, monkeypatch):
    """Also where B's logits are on another scale, so that its rows do not mix with A's."""
    a, b = made_up_sides(3, 60, (0, 0.3), num_classes=classes)
    moved = b[0].logits * 2
    moved[:, -1] += 3
    b = [b[0].with_logits(moved)]
    found = []
    for most in (0, 10**9):
        monkeypatch.setattr(areas, "_EXACT", most)
        swaps = _swapped(score_maker(task, "auc"), a, b, 100, 0)
        found.append((swaps, paired_difference(task, a, b, "auc", resamples=100)))
    (one, by_placement), (two, by_rank) = found
    assert np.abs(one - two).max() < 1e-12
    assert by_placement.difference == pytest.approx(by_rank.difference, abs=1e-12)
    assert by_placement.p_trained == by_rank.p_trained


@pytest.mark.parametrize("most", [5_000, 50])
def test_the_interval_of_a_mean_is_around_it(monkeypatch: pytest.MonkeyPatch, most: int):
    monkeypatch.setattr(paired, "_MOST_UNITS", most)
    (one,), _ = made_up_sides(1, 200, (0, 1))
    again, _ = made_up_sides(1, 200, (0, 1), seeds=3)
    found, mean = mean_interval(FRUIT, [one]), mean_interval(FRUIT, again)
    value = float(estimate(measure_of(FRUIT, one), 200))
    assert found.low < value < found.high
    assert mean.low < mean.high
