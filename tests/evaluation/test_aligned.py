"""The rows that several runs have, in one order, and the groups that hold for all of them."""

from collections.abc import Sequence

import numpy as np
import pytest

from maskcls.core.errors import UserError
from maskcls.evaluation.aligned import Scored, aligned, same_answers
from maskcls.evaluation.held_out import HeldOut
from maskcls.statistics.rows import Rows


def _scored(
    images: str,
    groups: Sequence[str] | None = None,
    labels: Sequence[int] | None = None,
    folds: Sequence[int] | None = None,
    repeats: Sequence[int] | None = None,
) -> Scored:
    """A run with an image for each letter, whose logits are the letter's number."""
    size = len(images)
    names, codes = np.unique(groups or list(images), return_inverse=True)
    logits = np.array([[ord(letter), 0] for letter in images], np.float32).reshape(size, 2)
    rows = Rows(
        np.array(labels or [ord(letter) % 2 for letter in images], np.int64),
        logits,
        codes.astype(np.int64),
        np.array(folds or [0] * size, np.int64),
    )
    repeat = np.array(repeats or [0] * size, np.int64)
    return Scored(f"run {images}", HeldOut(rows, np.array(list(images)), names, 0), repeat)


def test_the_same_rows_are_taken_as_they_are():
    run, other = _scored("abc"), _scored("abc")
    found = aligned([run, other])
    assert found.rows[0].logits is run.held_out.rows.logits
    assert (found.left_out, found.same_folds, found.same_groups) == (0, True, True)


def test_rows_are_matched_by_image_whatever_their_order():
    found = aligned([_scored("abcd"), _scored("dbca")])
    assert (found.rows[0].logits == found.rows[1].logits).all()
    assert (found.rows[0].labels == found.rows[1].labels).all()
    assert found.left_out == 0


def test_what_each_has_alone_is_counted_once():
    """Two of a and b alone, one of d alone: not the larger number less what they share."""
    found = aligned([_scored("abcx"), _scored("dcx")])
    assert len(found.rows[0]) == 2
    assert found.left_out == 3
    assert aligned([_scored("abc"), _scored("bcd"), _scored("cda")]).left_out == 3


def test_an_image_counts_once_per_repeat():
    twice = _scored("aabb", repeats=[0, 1, 0, 1], folds=[0, 3, 1, 2])
    found = aligned([twice, _scored("ab", folds=[0, 1])])
    assert (len(found.rows[0]), found.left_out, found.same_folds) == (2, 2, True)


def test_other_folds_are_seen():
    assert not aligned(
        [_scored("abc", folds=[0, 1, 2]), _scored("abc", folds=[0, 2, 1])]
    ).same_folds


def test_groups_that_share_an_image_are_one():
    one = _scored("abcde", groups=["p", "p", "q", "r", "s"])
    other = _scored("abcde", groups=["1", "2", "2", "3", "4"])
    found = aligned([one, other])
    assert not found.same_groups
    # a with b by the first, b with c by the second.
    assert found.rows[0].groups.tolist() == found.rows[1].groups.tolist() == [0, 0, 0, 1, 2]


def test_groups_of_unequal_size_keep_their_numbers_when_rows_are_left_out():
    groups = ["p", "p", "p", "q", "r", "r"]
    found = aligned(
        [_scored("abcdef", groups=groups), _scored("efab", groups=["r", "r", "p", "p"])]
    )
    assert found.same_groups
    # 0..G-1 without a gap, though q has no row left.
    assert found.rows[0].groups.tolist() == [0, 0, 1, 1]


def test_nothing_in_common_is_refused():
    with pytest.raises(UserError, match="no held-out image is in both"):
        aligned([_scored("ab"), _scored("cd")])


def test_another_label_is_refused_by_name():
    with pytest.raises(UserError, match="b has another label"):
        aligned([_scored("ab", labels=[0, 0]), _scored("ba", labels=[1, 0])])


def test_the_same_answers_are_so_to_the_last_bit():
    rows = aligned([_scored("abc")]).rows[0]
    other = rows.with_logits(np.nextafter(rows.logits, np.float32(999)))
    assert same_answers([rows, other], [rows, other])
    assert not same_answers([rows, other], [rows, rows])
    assert not same_answers([rows, rows], [rows])
    assert not same_answers([], [])


def test_an_image_of_several_repeats_is_one():
    twice = _scored("aabb", repeats=[0, 1, 0, 1])
    assert aligned([twice, twice]).images == 2
    assert aligned([_scored("abc"), _scored("bcd")]).images == 2
