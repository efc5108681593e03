"""Folds that the data names."""

import numpy as np
import pandas as pd
import pytest

from maskcls.core.errors import UserError
from maskcls.folds.given import given_folds, given_numbers
from tests.folds.tables import table_of
from tests.tasks import FRUIT

ROWS = [("a", 0), ("a", 1), ("b", 2), ("c", 3), ("c", 0), ("d", 1)]


def images(fold: list[int] | None) -> pd.DataFrame:
    return table_of(FRUIT, ROWS, fold).images


def test_a_group_gets_its_images_fold_and_numbers_begin_at_0() -> None:
    frame = images([1, 1, 5, -1, -1, 3])
    assert given_numbers(frame) == (1, 3, 5)
    folds = given_folds(frame, 4)
    assert folds.dtype == np.int16
    assert folds.tolist() == [0, 2, -1, 1]
    # A folder val: one fold, the others never held out.
    assert given_folds(images([-1, -1, 0, -1, -1, 0]), 4).tolist() == [-1, 0, -1, 0]


@pytest.mark.parametrize("fold", [None, [-1] * 6])
def test_without_folds_it_is_refused(fold: list[int] | None) -> None:
    assert given_numbers(images(fold)) == ()
    with pytest.raises(
        UserError, match=r"^folds\.scheme=given: the data puts no image into a fold"
    ):
        given_folds(images(fold), 4)


def test_one_fold_of_all_images_leaves_nothing_to_train_on() -> None:
    with pytest.raises(UserError, match=r"all 6 images are in fold 2, so that nothing is left"):
        given_folds(images([2] * 6), 4)


def test_repeats_of_given_folds_are_refused() -> None:
    with pytest.raises(UserError, match=r"^folds\.repeats=3: .* set folds\.repeats=1"):
        given_folds(images([0, 0, 1, 1, 1, 0]), 4, repeats=3)


def test_a_column_of_other_numbers_is_refused() -> None:
    frame = table_of(FRUIT, [(f"{i:04d}", 0) for i in range(1001)], list(range(1001))).images
    with pytest.raises(UserError, match=r"1,001 folds; at most 1,000 .* the right column\?"):
        given_folds(frame, 1001)


@pytest.mark.parametrize("fold", [[0, 1, 1, 0, 0, 1], [0, -1, 1, 0, 0, 1]])
def test_a_group_in_two_folds_is_noticed(fold: list[int]) -> None:
    with pytest.raises(RuntimeError, match="group a is on two sides"):
        given_folds(images(fold), 4)
