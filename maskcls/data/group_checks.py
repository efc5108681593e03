"""What must hold for groups: one value of each stratum, one given fold; and for given folds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.data.findings import Faults


def check_one_each(
    what: str, values: npt.NDArray[Any], shown: Mapping[int, str], group: npt.NDArray[Any],
    names: "pd.Series[str]", paths: "pd.Series[str]", faults: Faults,
) -> None:  # fmt: skip
    """Each group has one value; else a fault names the group, two values and an image of each.

    what: the values, in words; values: int [N]; shown: a value in words; group: int [N], places in
    `names`; paths: of the images [N].
    """
    # The value of each group's first image; reversed, since the last assignment stays.
    first = np.zeros(len(names), np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]
    other = np.flatnonzero(values[first[group]] != values)
    bad, places = np.unique(group[other], return_index=True)
    for one, place in zip(bad, other[places], strict=True):
        have = [
            f"{shown[int(values[row])]} ({paths[row]})" for row in (int(first[one]), int(place))
        ]
        faults.add(
            f"group {names[one]}",
            f"has two {what}: {' and '.join(have)}; a group needs one, correct the values or the group",
        )


def check_folds(folds: npt.NDArray[Any], where: str, faults: Faults) -> None:
    """Given folds leave images to train on; folds: int [N], any numbers, -1: never held out.

    A run numbers them 0 to k - 1 in their order (folds/given.py).
    """
    found = [int(fold) for fold in np.unique(folds)]
    held_out = [fold for fold in found if fold >= 0]
    if not held_out:
        faults.add(where, "given folds: no image has a fold, so none would be held out; name some")
    elif len(found) == 1:
        text = f"given folds: all images are in fold {found[0]}, so none is left to train on"
        faults.add(where, text + "; leave the fold blank for images that are never held out")


def fold_in_words(fold: int) -> str:
    """A given fold in a sentence."""
    return "never held out" if fold < 0 else f"fold {fold}"
