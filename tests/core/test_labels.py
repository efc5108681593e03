"""Classes and their three labels."""

import numpy as np
import pytest

from maskcls.core.labels import (
    MASK_OF_SHOT,
    NUM_CLASSES,
    SHOTS,
    age_group_of,
    class_name,
    class_of,
    labels_of,
)


def test_a_class_and_its_labels_are_each_others_inverse() -> None:
    classes = np.arange(NUM_CLASSES)
    found = labels_of(classes)
    assert {name: labels.dtype for name, labels in found.items()} == dict.fromkeys(
        ("mask", "gender", "age"), np.dtype(np.int64)
    )
    assert class_of(found["mask"], found["gender"], found["age"]).tolist() == classes.tolist()


@pytest.mark.parametrize(("age", "group"), [(0, 0), (29, 0), (30, 1), (59, 1), (60, 2), (99, 2)])
def test_age_groups_begin_at_30_and_60(age: int, group: int) -> None:
    assert age_group_of(age) == group


def test_classes_are_those_of_the_competition() -> None:
    assert class_of(0, 0, 0) == 0
    assert class_of(2, 1, 2) == 17
    assert class_name(10) == "incorrect, female, 30-59"
    assert [MASK_OF_SHOT[shot] for shot in SHOTS] == [0, 0, 0, 0, 0, 1, 2]
