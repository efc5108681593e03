"""Sums by group are those of the rows, each as often as its group counts."""

import numpy as np
import pytest

from maskcls.statistics.sums import ClassSums, GroupSums, PredictedSums, f1, macro_f1
from tests.statistics.drawn import EVERY_METRIC, drawn


def test_sums_of_groups_are_those_of_the_rows() -> None:
    rows = drawn(EVERY_METRIC, 15)
    weights = np.random.default_rng(2).poisson(1.0, (4, 15))
    guess = rows.logits.argmax(axis=1)
    found = PredictedSums(rows.labels, guess, rows.groups, 4).at(weights)
    for b, w in enumerate(weights):
        often = w[rows.groups]
        right = rows.labels == guess
        assert found.hits[b].tolist() == np.bincount(rows.labels[right], often[right], 4).tolist()
        assert found.labels[b].tolist() == np.bincount(rows.labels, often, 4).tolist()
        assert found.predicted[b].tolist() == np.bincount(guess, often, 4).tolist()


def test_columns_have_their_own_bins_and_values() -> None:
    groups = np.array([0, 1, 1, 2])
    bins, values = np.array([0, 1, -1, 1]), np.array([1.0, 2.0, 4.0, 8.0])
    sums = GroupSums(groups, [(bins, values), (None, values), (None, None)])
    first, second, third = sums.at(np.array([[1, 2, 3]]))
    assert first.tolist() == [[1.0, 28.0]]
    assert second.tolist() == [[37.0]]
    assert third.tolist() == [[8.0]]


def test_classes_without_rows_have_an_f1_of_0_and_are_skipped_or_not() -> None:
    labels, guess, groups = np.array([0, 0, 1]), np.array([0, 0, 0]), np.array([0, 1, 1])
    sums = PredictedSums(labels, guess, groups, 4).at(np.array([[1, 1], [1, 0]]))
    assert f1(sums) == pytest.approx(np.array([[0.8, 0, 0, 0], [1, 0, 0, 0]]))
    assert macro_f1(sums, "skip").tolist() == pytest.approx([0.4, 1.0])
    assert macro_f1(sums, "zero").tolist() == pytest.approx([0.2, 0.25])


def test_nothing_at_all_has_no_macro_f1_unless_absent_classes_count_as_0() -> None:
    nothing = ClassSums(np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((1, 3)))
    assert np.isnan(macro_f1(nothing, "skip")).all()
    assert macro_f1(nothing, "zero").tolist() == [0.0]
