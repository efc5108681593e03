"""Mean predictions of labelled and unlabelled rows, against direct sums and drawn samples."""

import numpy as np
import pytest

from maskcls.statistics.moments import Labelled, Unlabelled

CELLS = np.array([0, 0, 1, 1, 0, 1])
GROUPS = np.array([0, 0, 0, 1, 2, 2])
FEATURES = np.array([[1.0, 0], [3, 0], [5, 1], [7, 1], [2, 2], [9, 3]])


def test_the_mean_of_each_cell_is_that_of_its_rows() -> None:
    found = Labelled(CELLS, FEATURES, GROUPS, 2)
    expected = np.stack([FEATURES[cell == CELLS].mean(axis=0) for cell in (0, 1)], axis=1)
    np.testing.assert_allclose(found.means(), expected)
    assert found.shares.tolist() == [0.5, 0.5]
    assert found.groups_of_cell.tolist() == [2, 3]


def test_a_resample_counts_all_rows_of_a_group() -> None:
    weights = np.array([[2.0, 0, 1]])
    found = Labelled(CELLS, FEATURES, GROUPS, 2).resampled(weights)[0]
    for cell in (0, 1):
        here = cell == CELLS
        of_row = weights[0][GROUPS[here]]
        np.testing.assert_allclose(found[:, cell], of_row @ FEATURES[here] / of_row.sum())


def test_a_cell_that_a_resample_lacks_keeps_the_mean_of_all() -> None:
    made = Labelled(CELLS, FEATURES, GROUPS, 2)
    found = made.resampled(np.array([[0.0, 3, 0]]))[0]  # group 1 has cell 1 alone
    np.testing.assert_allclose(found[:, 0], made.means()[:, 0])
    np.testing.assert_allclose(found[:, 1], [7, 1])


def test_the_covariance_of_labelled_means_is_that_of_repeated_draws() -> None:
    rng, shares, drawn, told = np.random.default_rng(0), np.array([0.3, 0.7]), [], []
    for _ in range(600):
        cells = np.repeat(np.arange(80) % 4 == 0, 5).astype(np.int64)
        groups = np.repeat(np.arange(80), 5)
        features = (
            rng.normal(size=(80, 2))[groups] + 0.5 * rng.normal(size=(400, 2)) + cells[:, None]
        )
        made = Labelled(cells, features, groups, 2)
        drawn.append(made.means() @ shares)
        told.append(made.covariance(shares))
    # The error of a variance from 600 draws is 6 %; rows taken as independent would give a quarter.
    assert np.diag(np.mean(told, axis=0)) == pytest.approx(np.var(drawn, axis=0), rel=0.2)


def test_unlabelled_rows_of_a_group_are_one_unit_in_any_order() -> None:
    order = np.array([3, 0, 5, 1, 4, 2])
    names = np.array(["b", "b", "b", "a", "c", "c"])[order]
    made = Unlabelled.of(FEATURES[order], names, 9.0)
    assert (made.units, made.counts.tolist()) == (3, [1, 3, 2])
    np.testing.assert_allclose(made.sums, [[7, 1], [9, 1], [11, 5]])
    np.testing.assert_allclose(made.means(), FEATURES.mean(axis=0))


def test_without_groups_the_effect_widens_as_many_equal_rows_would() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(200, 2))
    alone, alike = Unlabelled.of(rows, None, 1.0), Unlabelled.of(rows, None, 4.0)
    assert alike.units == 50
    np.testing.assert_allclose(alike.covariance(), 4 * alone.covariance())
    spread = [np.concatenate(list(one.resampled(500, 0))).std(axis=0) for one in (alone, alike)]
    np.testing.assert_allclose(spread[1], 2 * spread[0])
    assert spread[0] ** 2 == pytest.approx(np.diag(alone.covariance()), rel=0.2)


def test_known_groups_make_the_effect_needless() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(60, 2))
    copied, groups = rows.repeat(7, axis=0), np.arange(60).repeat(7)
    grouped = Unlabelled.of(copied, groups, 7.0)
    np.testing.assert_allclose(
        grouped.covariance(), Unlabelled.of(rows, None, 1.0).covariance(), rtol=1e-10
    )
