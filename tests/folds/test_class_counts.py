"""Images of each class in each group."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.folds.class_counts import ClassCounts


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), max_size=40))
def test_they_are_the_counts_of_the_pairs(pairs: list[tuple[int, int]]) -> None:
    rows = pairs + [(group, 3) for group in range(5)]
    dense = np.zeros((5, 7), int)
    for group, label in rows:
        dense[group, label] += 1
    group_of_row, labels = (np.array(column, np.int16) for column in zip(*rows, strict=True))
    found = ClassCounts.of(group_of_row, labels, 5, 7)
    assert found.num_groups == 5
    for group in range(5):
        mine = slice(found.starts[group], found.starts[group + 1])
        assert found.classes[mine].tolist() == np.flatnonzero(dense[group]).tolist()
        assert found.images[mine].tolist() == dense[group][dense[group] > 0].tolist()
    assert found.sizes.tolist() == dense.sum(axis=1).tolist()
    assert found.totals.tolist() == dense.sum(axis=0).tolist()
    assert found.groups_with.tolist() == (dense > 0).sum(axis=0).tolist()


def test_group_and_class_together_may_be_more_than_an_int16_holds() -> None:
    codes = np.arange(200, dtype=np.int16)
    found = ClassCounts.of(codes, np.full(200, 999, np.int16), 200, 1000)
    assert found.classes.tolist() == [999] * 200
    assert found.groups_with[999] == 200


def test_a_group_without_an_image_is_refused() -> None:
    with pytest.raises(ValueError, match="group 1 has no image"):
        ClassCounts.of([0, 2], [0, 0], 3, 1)
