"""Pairs of group and class stand for the rows of both."""

import numpy as np

from maskcls.statistics.pairs import Pairs
from maskcls.statistics.rows import Rows

LABELS = np.array([2, 0, 2, 2, 0, 1], np.int8)
GROUPS = np.array([1, 0, 1, 0, 0, 2])
ROWS = Rows(LABELS, np.eye(3)[LABELS], GROUPS, np.arange(6) % 2)


def test_each_pair_that_occurs_has_its_rows() -> None:
    pairs = Pairs(ROWS)
    found = zip(pairs.groups, pairs.classes, pairs.counts, strict=True)
    assert list(found) == [(0, 0, 2.0), (0, 2, 1.0), (1, 2, 2.0), (2, 1, 1.0)]


def test_pairs_are_the_groups_of_the_same_rows() -> None:
    logits = -ROWS.logits
    found = Pairs(ROWS).as_groups(ROWS.with_logits(logits))
    assert found.groups.tolist() == [2, 0, 2, 1, 0, 3]
    assert found.labels.tolist() == LABELS.tolist()
    assert found.logits is logits
    assert found.folds is ROWS.folds


def test_a_row_counts_as_its_group_and_its_class() -> None:
    pairs = Pairs(ROWS)
    of_groups = np.array([[1, 2, 3], [0, 1, 0]])
    of_classes = np.array([0.5, 2.0, 3.0])
    weights = pairs.weights(of_groups, of_classes)
    np.testing.assert_array_equal(weights, [[0.5, 3, 6, 6], [0, 0, 3, 0]])
    rows = pairs.as_groups(ROWS).groups
    expected = of_groups[:, GROUPS] * of_classes[LABELS]
    np.testing.assert_array_equal(weights[:, rows], expected)
    np.testing.assert_array_equal(pairs.weights(of_groups, None)[:, rows], of_groups[:, GROUPS])
