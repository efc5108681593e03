"""The check that no group is on two sides of a split."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


def assert_no_group_on_two_sides(
    group_of_row: Any, fold_of_row: npt.ArrayLike, name_of_row: Callable[[int], str] | None = None
) -> None:
    """Raise RuntimeError when a group's rows lie in more than one fold.

    group_of_row: names, codes or digests [N], a categorical too; fold_of_row: integers [N].
    name_of_row: the name of a row's group, for the message, where group_of_row has none.
    """
    # Not an assert statement: python -O would remove it.
    folds = np.asarray(fold_of_row)
    code, groups = pd.factorize(group_of_row)
    if code.shape != folds.shape:
        raise ValueError(f"{len(code)} groups for {len(folds)} folds")
    # The last row of each group decides here; any other fold of the group differs from it.
    one_fold = np.zeros(len(groups), dtype=folds.dtype)
    one_fold[code] = folds
    wrong = np.flatnonzero(one_fold[code] != folds)
    if len(wrong):
        row = wrong[0]
        group = groups[code[row]]
        if name_of_row is not None:
            # The last row's, as it is held to be right here: the wrong row may have another name.
            group = name_of_row(int(np.flatnonzero(code == code[row])[-1]))
        raise RuntimeError(
            f"group {group} is on two sides: folds {one_fold[code[row]]} "
            f"and {folds[row]} (row {row}); this is a bug, do not trust the scores"
        )
