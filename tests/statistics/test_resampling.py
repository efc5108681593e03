"""Resamples draw whole groups, the same ones for the same seed; a jackknife leaves out blocks."""

import numpy as np
import pytest

from maskcls.statistics import resampling
from maskcls.statistics.resampling import draws, estimate, replicates, without_blocks


def total(weights: np.ndarray) -> np.ndarray:
    return weights.sum(axis=1)


def test_as_many_groups_are_drawn_as_there_are_each_time() -> None:
    found = np.concatenate(list(draws(30, 100)))
    assert found.shape == (100, 30)
    assert set(found.sum(axis=1)) == {30.0}
    # Each is drawn once on average, with the variance of a binomial.
    assert found.mean(axis=0) == pytest.approx(np.ones(30), abs=0.5)
    assert found.var() == pytest.approx(1 - 1 / 30, abs=0.1)


def test_the_seed_says_which_are_drawn() -> None:
    first, again, other = (np.concatenate(list(draws(9, 70, seed))) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_blocks_need_not_be_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "_WEIGHTS_AT_ONCE", 90)
    sizes = [len(block) for block in draws(30, 100)]
    assert sizes == [3] * 33 + [1]
    assert replicates(total, 30, 100).tolist() == [30.0] * 100


def test_the_estimate_is_of_each_group_once() -> None:
    assert estimate(total, 7) == 7


def test_a_jackknife_leaves_out_each_group_once() -> None:
    left = without_blocks(lambda w: w, 8)
    assert (left.sum(axis=0) == 7).all()
    assert left.shape == (8, 8)


def test_of_many_groups_blocks_are_left_out() -> None:
    left = without_blocks(lambda w: w, 1_203)
    assert len(left) == 500
    assert (left.sum(axis=0) == 499).all()
    assert set((left == 0).sum(axis=1)) == {2, 3}
