"""Groups with one value each, folds that can be held out."""

import numpy as np
import pandas as pd
import pytest

from maskcls.core.errors import UserError
from maskcls.data.findings import Faults
from maskcls.data.group_checks import check_folds, check_one_each, fold_in_words

NAMES = pd.Series(["g", "h", "i"], dtype="str")
PATHS = pd.Series([f"{n}.jpg" for n in range(6)], dtype="str")
GROUP = np.array([0, 1, 1, 0, 2, 1], np.int32)


def faults_of(values: list[int]) -> list[str]:
    faults = Faults()
    words = {0: "zero", 1: "one", 2: "two"}
    check_one_each("colours", np.array(values), words, GROUP, NAMES, PATHS, faults)
    try:
        faults.raise_if_any()
    except UserError as error:
        return str(error).splitlines()
    return []


def test_groups_of_one_value_each_pass() -> None:
    assert faults_of([2, 1, 1, 2, 0, 1]) == []


def test_each_group_with_two_values_is_named_once_with_an_image_of_each() -> None:
    assert [line.split(";")[0] for line in faults_of([2, 1, 0, 1, 0, 2])] == [
        "group g: has two colours: two (0.jpg) and one (3.jpg)",
        "group h: has two colours: one (1.jpg) and zero (2.jpg)",
    ]


@pytest.mark.parametrize(
    ("folds", "words"),
    [
        ([-1, -1], "none would be held out"),
        ([0, 0], "none is left to train on"),
        ([3, 3], "all images are in fold 3, so none is left to train on"),
    ],
)
def test_folds_that_cannot_be_used(folds: list[int], words: str) -> None:
    faults = Faults()
    check_folds(np.array(folds, np.int16), "t.csv", faults)
    with pytest.raises(UserError, match=words):
        faults.raise_if_any()


@pytest.mark.parametrize("folds", [[0, 1], [-1, 0], [2, 1, 0, -1], [1, 2, 3], [0, 7], [-1, 1]])
def test_folds_that_can_be_used(folds: list[int]) -> None:
    faults = Faults()
    check_folds(np.array(folds, np.int16), "t.csv", faults)
    faults.raise_if_any()


def test_folds_in_words() -> None:
    assert [fold_in_words(fold) for fold in (-1, 0)] == ["never held out", "fold 0"]
