"""A group on two sides of a split is noticed."""

import numpy as np
import pandas as pd
import pytest

from maskcls.folds.names import group_digests
from maskcls.folds.sides import assert_no_group_on_two_sides


def test_group_on_two_sides_is_noticed() -> None:
    group = pd.Categorical(["a", "a", "b", "b", "c"])
    assert_no_group_on_two_sides(group, [0, 0, 1, 1, 0])
    assert_no_group_on_two_sides(np.array([7, 7, 8]), np.array([1, 1, 1], dtype=np.int16))
    with pytest.raises(RuntimeError, match="group b is on two sides: folds 0 and 1"):
        assert_no_group_on_two_sides(group, [0, 0, 1, 0, 0])
    with pytest.raises(RuntimeError, match="group b is on two sides"):
        assert_no_group_on_two_sides(group.codes, [0, 0, 1, 0, 0], lambda row: group[row])
    with pytest.raises(ValueError, match="5 groups for 4 folds"):
        assert_no_group_on_two_sides(group, [0, 0, 1, 1])


def test_digests_are_told_apart_in_all_their_bits() -> None:
    digests = group_digests(pd.Series(["a", "b"], dtype="str"))
    near = np.array([digests[0], digests[0] + np.uint64(1)])  # equal as float64
    assert_no_group_on_two_sides(near, [0, 1])
    with pytest.raises(RuntimeError, match=f"group {digests[1]} is on two sides"):
        assert_no_group_on_two_sides(digests[[0, 1, 1]], [0, 0, 1])
