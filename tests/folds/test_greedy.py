"""Folds of groups without strata: each group once, even, the same in whatever order groups come."""

import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.folds import greedy
from maskcls.folds.class_counts import ClassCounts
from maskcls.folds.greedy import assign_evenly, hold_out_evenly

few = settings(deadline=None, max_examples=60)
# Images of each of three classes in a group.
groups = st.tuples(st.integers(0, 9), st.integers(0, 4), st.integers(0, 2)).filter(any)
many_groups = st.lists(groups, min_size=7, max_size=60) | st.builds(
    lambda kinds, times: kinds * times, st.lists(groups, min_size=1, max_size=3), st.integers(7, 60)
)
seeds = st.integers(0, 2**32)


def names_of(num: int) -> "pd.Series[str]":
    return pd.Series([f"g{number:05d}" for number in range(num)], dtype="str")


def counts_of(dense: "list[tuple[int, ...]] | np.ndarray") -> ClassCounts:
    """dense: images of each class in each group [G, K]."""
    table = np.array(dense)
    group, label = (np.repeat(places, table[table > 0]) for places in np.nonzero(table))
    return ClassCounts.of(group, label, *table.shape)


def unlike(labels: "list[int] | np.ndarray", num_classes: int) -> ClassCounts:
    """One image a group."""
    return ClassCounts.of(np.arange(len(labels)), labels, len(labels), num_classes)


def shares(folds: np.ndarray, dense: "list[tuple[int, ...]] | np.ndarray", num: int) -> np.ndarray:
    """Images of each class in each fold [F, K]."""
    found = np.zeros((num, np.array(dense).shape[1]), int)
    np.add.at(found, folds, np.array(dense))
    return found


@few
@given(many_groups, st.integers(2, 7), seeds)
def test_folds_are_even_within_the_largest_group_and_none_is_empty(
    dense: list[tuple[int, ...]], count: int, seed: int
) -> None:
    folds = assign_evenly(names_of(len(dense)), counts_of(dense), count, seed)
    assert folds.dtype == np.int16
    assert folds.shape == (len(dense),)
    assert set(folds.tolist()) == set(range(count))
    sizes = shares(folds, dense, count).sum(axis=1)
    assert sizes.max() - sizes.min() <= max(map(sum, dense))


@few
@given(many_groups, st.integers(2, 7), seeds, st.randoms(use_true_random=False))
def test_order_of_groups_changes_nothing(
    dense: list[tuple[int, ...]], count: int, seed: int, order: random.Random
) -> None:
    places = list(range(len(dense)))
    order.shuffle(places)
    names, table = names_of(len(dense)), np.array(dense)
    shuffled, mine = names.iloc[places], counts_of(table[places])
    folds = assign_evenly(names, counts_of(table), count, seed)
    assert assign_evenly(shuffled, mine, count, seed).tolist() == folds[places].tolist()
    held_out = hold_out_evenly(names, counts_of(table), 0.3, seed)
    assert hold_out_evenly(shuffled, mine, 0.3, seed).tolist() == held_out[places].tolist()


@few
@given(st.lists(st.integers(0, 4), min_size=7, max_size=300), st.integers(2, 7), seeds)
def test_images_that_are_their_own_groups_are_dealt_within_one(
    labels: list[int], count: int, seed: int
) -> None:
    folds = assign_evenly(names_of(len(labels)), unlike(labels, 5), count, seed)
    table = np.zeros((5, count), int)
    np.add.at(table, (labels, folds), 1)
    assert (np.ptp(table, axis=1) <= 1).all()
    assert np.ptp(table.sum(axis=0)) <= 1


def test_four_classes_of_thirty_give_five_folds_six_of_each() -> None:
    labels = np.arange(120) // 30
    folds = assign_evenly(names_of(120), unlike(labels, 4), 5, 0)
    assert pd.crosstab(labels, folds).to_numpy().tolist() == [[6] * 5] * 4


def test_folds_of_uneven_groups_are_even() -> None:
    for seed in range(40):
        sizes = np.random.default_rng(seed).integers(2, 7, 30)
        dense = np.zeros((30, 4), int)
        dense[np.arange(30), np.arange(30) % 4] = sizes
        folds = assign_evenly(names_of(30), counts_of(dense), 3, seed)
        images = np.bincount(folds, sizes)
        assert images.max() <= 1.2 * images.min()


def test_classes_are_as_even_as_sizes_where_groups_mix_them() -> None:
    rng = np.random.default_rng(0)
    dense = rng.multinomial(10, [0.7, 0.2, 0.08, 0.02], size=400)
    found = shares(assign_evenly(names_of(400), counts_of(dense), 5, 0), dense, 5)
    # With folds drawn by chance the mean is 0.09.
    assert np.abs(found / found.mean(axis=0) - 1).mean() < 0.04
    assert (found.sum(axis=1) == 800).all()


def test_a_rare_class_is_spread_before_common_ones() -> None:
    dense = [(50, 0)] * 20 + [(50, 1)] * 5
    for seed in range(10):
        folds = assign_evenly(names_of(25), counts_of(dense), 5, seed)
        assert shares(folds, dense, 5).tolist() == [[250, 1]] * 5


def test_many_equal_groups_at_once_are_placed_as_one_after_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(1)
    kinds = rng.integers(0, 4, (12, 3)) + np.eye(3, dtype=int)[rng.integers(0, 3, 12)]
    dense = kinds[rng.choice(12, 900, p=rng.dirichlet(np.full(12, 0.5)))]
    weights = np.array([0.2, 0.8])
    monkeypatch.setattr(greedy, "_MOVED_GROUPS", 0)

    def drawn() -> list[list[int]]:
        sides = greedy._place(names_of(900), counts_of(dense), weights, np.random.PCG64(0))
        folds = assign_evenly(names_of(900), counts_of(dense), 5, 0)
        return [*shares(sides, dense, 2).tolist(), *shares(folds, dense, 5).tolist()]

    at_once = drawn()
    monkeypatch.setattr(greedy._Sides, "_level", lambda sides, *_: np.zeros(len(sides._sizes), int))
    one_by_one = drawn()
    # Which of equal groups is where differs, how many there are does not.
    assert at_once == one_by_one


def test_moving_makes_folds_more_even(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    sizes = rng.lognormal(5, 1.3, 60).astype(int) + 1
    dense = np.array([rng.multinomial(n, rng.dirichlet(np.full(5, 0.5))) for n in sizes])

    def uneven() -> float:
        found = shares(assign_evenly(names_of(60), counts_of(dense), 5, 0), dense, 5)
        return float(np.square(found / found.mean(axis=0) - 1).sum())

    moved = uneven()
    monkeypatch.setattr(greedy, "_SWEEPS", 0)
    assert moved < uneven()


def test_seeds_draw_different_folds_even_where_no_two_groups_are_alike() -> None:
    dense = [(number, 80 - number) for number in range(1, 60)]
    drawn = [assign_evenly(names_of(59), counts_of(dense), 5, seed) for seed in range(10)]
    # Which groups are together: other numbers for the same folds would be no other split.
    together = {tuple((folds[:, None] == folds[None, :]).ravel().tolist()) for folds in drawn}
    assert len(together) == 10
    again = assign_evenly(names_of(59), counts_of(dense), 5, 3)
    assert again.tolist() == drawn[3].tolist()


def test_folds_do_not_change_between_versions() -> None:
    # Written down once; a change here changes every run of a task without strata.
    dense = [(3, 0), (1, 1), (0, 2), (5, 0), (1, 0), (1, 0), (1, 0), (0, 1), (2, 2), (0, 1), (1, 0)]
    folds = assign_evenly(names_of(11), counts_of(dense), 3, 7)
    assert folds.tolist() == [1, 1, 2, 2, 0, 1, 0, 0, 0, 1, 0]
    held_out = hold_out_evenly(names_of(11), counts_of(dense), 0.3, 7)
    assert held_out.tolist() == [0, 0, -1, -1, -1, 0, -1, -1, -1, 0, -1]


def sides_of(sizes: list[int], of_class: list[int], largest: int) -> greedy._Sides:
    """Sides with so many images, and so many of the one class that is placed next."""
    sides = greedy._Sides(np.ones(len(sizes)), counts_of([(1, 0), (0, largest)]))
    sides._sizes[:], sides._filled[0] = sizes, of_class
    return sides


def test_a_group_does_not_go_where_its_class_is_missing_if_that_side_is_full() -> None:
    assert sides_of([8, 5], [9, 9], 4).place([0], [1]) == 1
    assert sides_of([8, 5], [0, 9], 4).place([0], [1]) == 0
    assert sides_of([9, 5], [0, 9], 4).place([0], [1]) == 1


def test_many_groups_do_not_go_there_either() -> None:
    sides = sides_of([10, 10], [50, 0], 4)
    placed = sides.place_all([0], [1], 41)
    assert np.bincount(placed).tolist() == [19, 22] or np.bincount(placed).tolist() == [18, 23]
    assert np.ptp(sides._sizes) <= 4
    assert sides._filled[0].tolist() == (np.array([50, 0]) + np.bincount(placed)).tolist()


def test_a_group_does_not_leave_a_side_that_would_be_too_small() -> None:
    sides = sides_of([8, 5, 4], [9, 0, 9], 4)
    assert sides.move(2, [0], [1]) == 2
    assert sides._sizes.tolist() == [8, 5, 4]
    assert sides._filled[0].tolist() == [9, 0, 9]
    assert sides_of([7, 5, 4], [9, 0, 9], 4).move(2, [0], [1]) == 1


@pytest.mark.parametrize("sweeps", [0, 10])
def test_of_classes_that_pull_apart_the_folds_stay_even(
    sweeps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By classes alone, the folds' sizes would differ by 1.2 times the largest group.
    monkeypatch.setattr(greedy, "_SWEEPS", sweeps)
    five = [(0, 6, 1, 7, 0), (0, 1, 0, 7, 8), (0, 7, 0, 11, 1), (4, 0, 3, 0, 0), (2, 0, 7, 11, 0)]
    sizes = shares(assign_evenly(names_of(5), counts_of(five), 5, 0), five, 5).sum(axis=1)
    assert set(sizes.tolist()) == {sum(group) for group in five}
    more = [
        (3, 1, 1, 0, 1, 0), (11, 1, 1, 0, 0, 1), (8, 0, 0, 0, 0, 1), (7, 0, 0, 1, 1, 0),
        (12, 0, 0, 0, 1, 0), (2, 1, 1, 1, 0, 0), (6, 1, 1, 1, 1, 1), (2, 1, 1, 0, 1, 0),
        (6, 1, 0, 0, 0, 0), (1, 1, 0, 1, 1, 0), (9, 0, 0, 1, 1, 1),
    ]  # fmt: skip
    sizes = shares(assign_evenly(names_of(11), counts_of(more), 4, 0), more, 4).sum(axis=1)
    assert np.ptp(sizes) <= 14


# ---- holdout -------------------------------------------------------------------------------------


@few
@given(many_groups, st.floats(0.05, 0.95), seeds)
def test_the_share_held_out_is_right_within_the_largest_group(
    dense: list[tuple[int, ...]], share: float, seed: int
) -> None:
    folds = hold_out_evenly(names_of(len(dense)), counts_of(dense), share, seed)
    assert set(folds.tolist()) <= {0, -1}
    sizes = np.array(dense).sum(axis=1)
    assert abs(sizes[folds == 0].sum() - share * sizes.sum()) <= sizes.max() + 1e-6


@few
@given(st.lists(st.integers(0, 4), min_size=5, max_size=300), st.floats(0.05, 0.95), seeds)
def test_images_without_groups_are_held_out_class_by_class(
    labels: list[int], share: float, seed: int
) -> None:
    folds = hold_out_evenly(names_of(len(labels)), unlike(labels, 5), share, seed)
    for label in range(5):
        mine = np.array(labels) == label
        assert abs((folds[mine] == 0).sum() - share * mine.sum()) <= 1.5
