"""An epoch's rows: a setting moves what it is about, and leaves everything else where it was."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from sklearn.utils.class_weight import compute_sample_weight

from maskcls.config.schema import Rows
from maskcls.config.values import AgeRanges, Factors
from maskcls.sampling.epoch import Epoch, draw_epoch
from maskcls.sampling.training_rows import RowCopies, TrainingLabels, training_rows
from tests.sampling.people import EVERYBODY, labelled_of, some_people
from tests.tasks import FRUIT, MASK

few = settings(deadline=None, max_examples=30)
numbers = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 20), st.integers(0, 300))
OPTIONS = {
    "drop_ages": Rows(drop_ages=AgeRanges(((27, 29), (57, 59)))),
    "mask_images": Rows(mask_images=2),
    "oversample": Rows(oversample=Factors((("60+", 8), ("3", 2)))),
    "sampler": Rows(sampler="weighted"),
    "mask_images and oversample": Rows(mask_images=1, oversample=Factors((("60+", 3),))),
    "everything": Rows(drop_ages=AgeRanges(((57, 59),)), mask_images=3, sampler="weighted"),
}


def draw(
    labelled: TrainingLabels,
    settings: Rows,
    numbers: tuple[int, int, int] = (7, 0, 0),
    candidates: np.ndarray | None = None,
) -> Epoch:
    """An epoch of all rows, or of those that train in a fold; numbers: seed, fold, epoch."""
    if candidates is None:
        candidates = np.arange(len(labelled.classes))
    training = training_rows(candidates, labelled, settings, MASK)
    return draw_epoch(training, labelled, settings, MASK, numbers)


def first_copies(epoch: Epoch) -> list[int]:
    """Rows in their order, without what is there again."""
    found: list[int] = epoch.rows[epoch.copies == 0].tolist()
    return found


# ---- what an epoch holds -------------------------------------------------------------------------


@few
@given(some_people, numbers)
def test_without_settings_an_epoch_is_all_rows_once(
    people: list[tuple[int, int]], numbers: tuple[int, int, int]
) -> None:
    labelled = labelled_of(people)
    epoch = draw(labelled, Rows(), numbers)
    assert sorted(epoch.rows.tolist()) == list(range(len(labelled.classes)))
    assert not epoch.copies.any()
    assert len(epoch) == len(epoch.rows)


@few
@given(some_people, numbers, st.sampled_from(sorted(OPTIONS)), st.data())
def test_held_out_rows_never_train(
    people: list[tuple[int, int]], numbers: tuple[int, int, int], option: str, data: st.DataObject
) -> None:
    labelled = labelled_of([*people, (0, 45)])  # the last one is of no dropped age
    held_out = data.draw(st.sets(st.integers(0, len(people) - 1)))
    train = np.flatnonzero(~np.isin(labelled.group, list(held_out)))
    epoch = draw(labelled, OPTIONS[option], numbers, train)
    assert len(epoch)
    assert not set(labelled.group[epoch.rows].tolist()) & held_out


@few
@given(some_people, numbers)
def test_each_copy_of_a_row_is_there_once(
    people: list[tuple[int, int]], numbers: tuple[int, int, int]
) -> None:
    labelled = labelled_of(people)
    rows = OPTIONS["oversample"]
    training = training_rows(np.arange(len(labelled.classes)), labelled, rows, MASK)
    epoch = draw_epoch(training, labelled, rows, MASK, numbers)
    pairs = sorted(zip(epoch.rows.tolist(), epoch.copies.tolist(), strict=True))
    assert pairs == [
        (row, copy)
        for row, copies in zip(training.rows.tolist(), training.copies.tolist(), strict=True)
        for copy in range(copies)
    ]


# ---- order ---------------------------------------------------------------------------------------


@few
@given(some_people, numbers, st.sampled_from(sorted(OPTIONS)))
def test_a_setting_leaves_the_other_rows_in_their_order(
    people: list[tuple[int, int]], numbers: tuple[int, int, int], option: str
) -> None:
    labelled = labelled_of([*people, (0, 45)])
    plain = draw(labelled, Rows(), numbers).rows.tolist()
    kept = first_copies(draw(labelled, OPTIONS[option], numbers))
    assert kept == [row for row in plain if row in set(kept)]


@few
@given(some_people, numbers, st.data())
def test_other_folds_people_leave_the_rest_in_their_order(
    people: list[tuple[int, int]], numbers: tuple[int, int, int], data: st.DataObject
) -> None:
    labelled = labelled_of(people)
    everything = np.arange(len(labelled.classes))
    some = data.draw(st.sets(st.sampled_from(everything.tolist()), min_size=1))
    plain = draw(labelled, Rows(), numbers).rows.tolist()
    fewer = draw(labelled, Rows(), numbers, np.array(sorted(some)))
    assert fewer.rows.tolist() == [row for row in plain if row in some]


@few
@given(some_people, numbers, st.integers(1, 30), st.sampled_from(["mask_images", "oversample"]))
def test_more_rows_behind_the_table_leave_its_rows_in_their_order(
    people: list[tuple[int, int]], numbers: tuple[int, int, int], num_more: int, option: str
) -> None:
    # Extra people and eval images are numbered behind the table's rows.
    for rows in (Rows(), OPTIONS[option]):
        plain = draw(labelled_of(people), rows, numbers)
        more = draw(labelled_of(people, num_more), rows, numbers)
        own = more.rows < 7 * len(people)
        assert more.rows[own].tolist() == plain.rows.tolist()
        assert more.copies[own].tolist() == plain.copies.tolist()


def test_the_copies_have_an_order_of_their_own() -> None:
    labelled = labelled_of([(0, 60)] * 40)
    epoch = draw(labelled, Rows(oversample=Factors((("60+", 3),))))
    orders = [epoch.rows[epoch.copies == copy].tolist() for copy in range(3)]
    assert len({tuple(order) for order in orders}) == 3
    # They lie among one another, not one pass after the other.
    for copy in range(3):
        places = np.flatnonzero(epoch.copies == copy) / len(epoch)
        assert abs(places.mean() - 0.5) < 0.1


@pytest.mark.parametrize("other", [(8, 0, 0), (7, 1, 0), (7, 0, 1)])
def test_seed_fold_and_epoch_each_change_the_order(other: tuple[int, int, int]) -> None:
    labelled = labelled_of(EVERYBODY)
    for rows in (Rows(), *OPTIONS.values()):
        one, two = draw(labelled, rows), draw(labelled, rows, other)
        assert one.rows.tolist() == draw(labelled, rows).rows.tolist()
        assert one.rows.tolist() != two.rows.tolist()


def test_every_place_is_equally_likely_for_a_row() -> None:
    labelled = labelled_of([(0, 45)])
    places = np.array(
        [np.argsort(draw(labelled, Rows(), (7, 0, e)).rows, kind="stable") for e in range(700)]
    )
    for row in range(7):
        assert chisquare(np.bincount(places[:, row], minlength=7)).pvalue > 1e-4


# ---- images with the mask worn -------------------------------------------------------------------


@few
@given(some_people, numbers, st.integers(1, 5), st.data())
def test_a_person_shows_at_most_so_many_worn_images_and_all_others(
    people: list[tuple[int, int]], numbers: tuple[int, int, int], most: int, data: st.DataObject
) -> None:
    labelled = labelled_of(people, num_unknown=9)
    lost = data.draw(st.sets(st.integers(0, 7 * len(people) - 1), max_size=7 * len(people) - 1))
    train = np.setdiff1d(np.arange(len(labelled.classes)), list(lost))
    epoch = draw(labelled, Rows(mask_images=most), numbers, train)
    mask = MASK.codes_of(labelled.classes)["mask"]
    for person in range(len(people)):
        there, left = (rows[labelled.group[rows] == person] for rows in (train, epoch.rows))
        assert (mask[left] == 0).sum() == min(most, (mask[there] == 0).sum())
        others = there[mask[there] != 0]
        assert sorted(left[mask[left] != 0].tolist()) == others.tolist()
    # The people of the eval images are unknown, so they are not limited.
    unknown = np.flatnonzero(labelled.group < 0)
    assert np.isin(unknown, epoch.rows).all()


def test_each_worn_image_is_shown_equally_often() -> None:
    labelled = labelled_of([(0, 45), (1, 20)])
    epochs = [draw(labelled, Rows(mask_images=2), (7, 0, e)).rows for e in range(500)]
    counts = np.bincount(np.concatenate(epochs), minlength=14).reshape(2, 7)
    for one in counts:
        assert one[:5].sum() == 1000
        assert one[5:].tolist() == [500, 500]
        # Two of five without replacement: less spread than the test's independent draws.
        assert chisquare(one[:5]).pvalue > 1e-3


def test_what_counts_as_worn_is_the_label_that_trains() -> None:
    labelled = labelled_of([(0, 20)])
    swapped = labelled.classes.copy()
    swapped[[0, 5]] = swapped[[5, 0]]  # mask1 is incorrect, incorrect_mask is worn
    corrected = replace(labelled, classes=swapped)
    seen = np.concatenate(
        [draw(corrected, Rows(mask_images=1), (7, 0, e)).rows for e in range(100)]
    )
    counts = np.bincount(seen, minlength=7)
    assert counts[[0, 6]].tolist() == [100, 100]
    assert counts[5] > 0
    assert counts[1:6].sum() == 100


# ---- weighted sampler ----------------------------------------------------------------------------


def test_the_sampler_draws_each_class_equally_often() -> None:
    # Very unequal classes; 200 epochs of 112 rows, 9 classes of the 18.
    labelled = labelled_of([(0, 20)] * 10 + [(0, 45)] * 5 + [(1, 60)])
    epochs = [draw(labelled, Rows(sampler="weighted"), (7, 2, e)).rows for e in range(200)]
    assert {len(rows) for rows in epochs} == {len(labelled.classes)}
    drawn = np.concatenate(epochs)
    there = np.unique(labelled.classes)
    counts = np.bincount(labelled.classes[drawn], minlength=18)
    assert np.flatnonzero(counts).tolist() == there.tolist()
    assert chisquare(counts[there]).pvalue > 1e-3


def test_the_sampler_draws_rows_as_scikit_learns_balanced_weights_say() -> None:
    labelled = labelled_of([(0, 20)] * 3 + [(0, 45)] * 2 + [(1, 60)])
    epochs = [draw(labelled, Rows(sampler="weighted"), (11, 0, e)).rows for e in range(500)]
    counts = np.bincount(np.concatenate(epochs), minlength=len(labelled.classes))
    weight = compute_sample_weight("balanced", labelled.classes)
    expected = weight / weight.sum() * counts.sum()
    assert chisquare(counts, expected).pvalue > 1e-3


@few
@given(some_people, numbers)
def test_what_the_sampler_draws_again_is_a_copy_with_its_number(
    people: list[tuple[int, int]], numbers: tuple[int, int, int]
) -> None:
    labelled = labelled_of(people)
    epoch = draw(labelled, Rows(sampler="weighted"), numbers)
    assert len(epoch) == len(labelled.classes)
    for row in np.unique(epoch.rows):
        copies = sorted(epoch.copies[epoch.rows == row].tolist())
        assert copies == list(range(len(copies)))


def test_the_sampler_draws_as_many_rows_as_are_left() -> None:
    labelled = labelled_of(EVERYBODY)
    sampler = Rows(sampler="weighted", mask_images=1, drop_ages=AgeRanges(((57, 59),)))
    left = draw(labelled, replace(sampler, sampler="none")).rows
    epoch = draw(labelled, sampler)
    assert len(epoch) == len(left) == 10 * 3
    assert set(epoch.rows.tolist()) <= set(left.tolist())


# ---- another task --------------------------------------------------------------------------------


@few
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), numbers)
def test_an_epoch_of_another_task_is_all_of_its_rows(
    classes: list[int], numbers: tuple[int, int, int]
) -> None:
    # In groups of up to three. Fruit numbered as worn masks would be is not limited.
    group = np.arange(len(classes)) // 3
    labelled = TrainingLabels(np.array(classes), np.zeros(len(classes), np.int64), group)
    settings = Rows(mask_images=1)
    training = training_rows(np.arange(len(classes)), labelled, settings, FRUIT)
    epoch = draw_epoch(training, labelled, settings, FRUIT, numbers)
    assert sorted(epoch.rows.tolist()) == list(range(len(classes)))


def test_the_sampler_draws_the_classes_of_another_task_equally_often() -> None:
    classes = np.array([0] * 60 + [1] * 30 + [3] * 10)
    labelled = TrainingLabels(classes, np.zeros(100, np.int64), np.arange(100))
    settings = Rows(sampler="weighted")
    training = training_rows(np.arange(100), labelled, settings, FRUIT)
    rows = np.concatenate(
        [draw_epoch(training, labelled, settings, FRUIT, (5, 0, e)).rows for e in range(200)]
    )
    counts = np.bincount(classes[rows], minlength=4)
    assert counts[2] == 0
    assert chisquare(counts[[0, 1, 3]]).pvalue > 1e-3


def test_worn_images_are_limited_in_whatever_order_a_copy_names_the_mask_states() -> None:
    mask = MASK.part("mask")
    copy = replace(
        MASK, parts=(replace(mask, values=("incorrect", "worn", "not worn")), *MASK.parts[1:])
    )
    kept = []
    for task in (MASK, copy):
        # A person's seven images: five worn, one incorrect, one without.
        states = ["worn"] * 5 + ["incorrect", "not worn"]
        codes = [task.part("mask").values.index(state) for state in states] * 2
        classes = task.class_of({"mask": codes, "gender": [0] * 14, "age": [0] * 14})
        labelled = TrainingLabels(classes, np.zeros(14, np.int64), np.repeat([0, 1], 7))
        rows = np.arange(14, dtype=np.int64)
        drawn = draw_epoch(
            RowCopies(rows, np.ones(14, np.int64)), labelled, Rows(mask_images=2), task, (0, 0, 0)
        )
        kept.append(np.sort(drawn.rows).tolist())
    assert kept[0] == kept[1]
    assert len(kept[0]) == 2 * (2 + 2)
