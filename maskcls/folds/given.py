"""Folds that the data names: the column `fold`, or a folder of validation images."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.core.errors import UserError
from maskcls.folds.sides import assert_no_group_on_two_sides

MAX_FOLDS = 1000


def given_numbers(images: pd.DataFrame) -> tuple[int, ...]:
    """The folds that the data names, rising, such as (1, 2, 3, 4, 5); fold K of the run is number K of
    them. () where no image is held out, or no fold is named.
    """
    if "fold" not in images:
        return ()
    numbers = np.unique(images["fold"].to_numpy(np.int64))
    return tuple(numbers[numbers >= 0].tolist())


def given_folds(images: pd.DataFrame, num_groups: int, repeats: int = 1) -> npt.NDArray[np.int16]:
    """The fold of each group, int16 [G], numbered from 0 in the order of the numbers given; -1: never
    held out.

    images: columns group (categorical; the code is the group's row) and fold (-1: never held out).
    Raises UserError where no fold is given, nothing is left to train on, there are more than MAX_FOLDS,
    or repeats are asked for, which would all be the same; RuntimeError when a group is in two folds.
    """
    numbers = given_numbers(images)
    if not numbers:
        raise UserError(
            "folds.scheme=given: the data puts no image into a fold; name a column of fold numbers"
            " (fold in task.toml), or use folds.scheme=kfold"
        )
    fold_of_row = images["fold"].to_numpy(np.int64)
    if len(numbers) == 1 and (fold_of_row == numbers[0]).all():
        raise UserError(
            f"folds.scheme=given: all {len(images)} images are in fold {numbers[0]}, so that nothing is"
            " left to train on; give two folds or more, or leave the fold of training images blank"
        )
    if len(numbers) > MAX_FOLDS:
        raise UserError(
            f"folds.scheme=given: {len(numbers):,} folds; at most {MAX_FOLDS:,} are supported. Is it"
            " the right column?"
        )
    if repeats != 1:
        raise UserError(
            f"folds.repeats={repeats}: given folds are the same in each repeat; set folds.repeats=1"
        )
    codes = images["group"].cat.codes.to_numpy()
    names = images["group"].cat.categories
    assert_no_group_on_two_sides(codes, fold_of_row, lambda row: str(names[codes[row]]))
    folds = np.full(num_groups, -1, np.int16)
    held_out = fold_of_row >= 0
    folds[codes[held_out]] = np.searchsorted(numbers, fold_of_row[held_out])
    return folds
