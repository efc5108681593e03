"""What the code knows about the mask task is what its file says."""

import numpy as np
import pytest

from maskcls.core import mask
from maskcls.data.task_file import built_in
from tests.tasks import MASK


def test_values_and_borders_are_those_of_the_file() -> None:
    assert [part.name for part in MASK.parts] == ["mask", "gender", "age"]
    assert MASK.part("mask").values == mask.MASKS
    assert MASK.part("gender").values == mask.GENDERS
    assert MASK.part("age").borders == mask.AGE_BORDERS
    assert MASK.part("age").values == ("<30", "30-59", "60+")


def test_shots_have_the_values_of_the_file() -> None:
    assert [mask.MASK_OF_SHOT[shot] for shot in mask.SHOTS] == [0, 0, 0, 0, 0, 1, 2]
    of = built_in("mask").parts[0].of
    assert set(of) == set(mask.SHOTS)
    for shot, value in of.items():
        assert mask.MASKS[mask.MASK_OF_SHOT[shot]] == value


def test_classes_are_numbered_as_the_task_numbers_them() -> None:
    codes = MASK.codes_of(np.arange(18))
    assert mask.class_of(codes["mask"], codes["gender"], codes["age"]).tolist() == list(range(18))
    for label in range(18):
        one = {name: int(code[label]) for name, code in codes.items()}
        assert mask.class_of(one["mask"], one["gender"], one["age"]) == label


def test_classes_are_those_of_the_competition() -> None:
    assert mask.class_of(0, 0, 0) == 0
    assert mask.class_of(2, 1, 2) == 17
    assert MASK.classes[10] == "incorrect, female, 30-59"
    assert MASK.num_classes == 18


@pytest.mark.parametrize(("age", "group"), [(0, 0), (29, 0), (30, 1), (59, 1), (60, 2), (99, 2)])
def test_age_groups_begin_at_30_and_60(age: int, group: int) -> None:
    assert MASK.part("age").code_of(age) == group


def test_it_is_scored_and_dealt_as_the_competition_is() -> None:
    assert (MASK.metric, MASK.also, MASK.absent) == ("macro_f1", ("accuracy",), "zero")
    assert (MASK.strata, MASK.has_groups) == (("gender", "age"), True)
    assert (MASK.answers.columns, MASK.answers.values) == (("ImageID", "ans"), "class")
    assert (MASK.part("age").numbers, MASK.part("age").scale) == ((18, 60), (39, 15))
