"""The task: classes numbered by their parts, strata, the way through JSON, the order of values."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.core.task import Part, Places, Task, differences, differences_of_parts, in_class_order
from tests.tasks import FRUIT, MASK, SKIN

few = settings(deadline=None, max_examples=30)
sizes = st.lists(st.integers(1, 5), min_size=1, max_size=4)
TASKS = [MASK, FRUIT, SKIN]


def task_of(sizes: list[int], strata: tuple[str, ...] = ()) -> Task:
    """Parts a, b, ... of so many values a0, a1, ..."""
    parts = [
        Part(name, tuple(f"{name}{code}" for code in range(size)))
        for name, size in zip("abcd", sizes, strict=False)
    ]
    return Task("any", tuple(parts), strata=strata)


# ---- classes -------------------------------------------------------------------------------------


@few
@given(sizes)
def test_the_first_part_is_the_most_significant_digit(sizes: list[int]) -> None:
    task = task_of(sizes)
    assert task.sizes == tuple(sizes)
    assert task.num_classes == np.prod(sizes)
    every = list(product(*(range(size) for size in sizes)))  # the last digit runs fastest
    codes = task.codes_of(range(task.num_classes))
    assert list(codes) == list("abcd"[: len(sizes)])
    assert list(zip(*(found.tolist() for found in codes.values()), strict=True)) == every
    assert {found.dtype for found in codes.values()} == {np.dtype(np.int64)}
    for name, digits in zip(task.classes, every, strict=True):
        assert name == ", ".join(f"{p}{d}" for p, d in zip("abcd", digits, strict=False))


@few
@given(sizes, st.data())
def test_classes_and_codes_are_each_others_inverse(sizes: list[int], data: st.DataObject) -> None:
    task = task_of(sizes)
    classes = data.draw(st.lists(st.integers(0, task.num_classes - 1), max_size=20))
    back = task.class_of(task.codes_of(np.array(classes, np.int16)))
    assert back.tolist() == classes
    assert back.dtype == np.int64


def test_codes_may_be_narrow_and_in_any_order() -> None:
    codes = {"age": np.array([2, 0], np.int8), "mask": [2, 1], "gender": np.array([1, 0], np.int16)}
    assert MASK.class_of(codes).tolist() == [17, 6]


@pytest.mark.parametrize("classes", [[18], [-1]])
def test_a_class_that_is_none_is_an_error(classes: list[int]) -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        MASK.codes_of(classes)


def test_a_task_of_one_part_has_its_values_as_classes() -> None:
    assert FRUIT.classes == ("apple", "banana", "cherry", "date")
    assert FRUIT.codes_of([3, 0])["label"].tolist() == [3, 0]


def test_a_thousand_classes_do_not_wrap() -> None:
    task = Task("many", (Part("label", tuple(str(k) for k in range(1000))),))
    classes = np.arange(1000, dtype=np.int16)
    assert task.class_of(task.codes_of(classes)).tolist() == list(range(1000))
    assert task.classes[999] == "999"


# ---- parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("borders", "codes"),
    [((25, 40), {24: 0, 25: 1, 39: 1, 40: 2}), ((10, 20, 30), {9: 0, 10: 1, 29: 2, 30: 3, 99: 3})],
)
def test_a_border_is_the_first_number_of_the_next_value(
    borders: tuple[int, ...], codes: dict[int, int]
) -> None:
    part = Part("age", tuple(str(b) for b in (0, *borders)), borders)
    assert {number: part.code_of(number) for number in codes} == codes


def test_a_part_is_found_by_its_name() -> None:
    assert MASK.part("gender").values == ("male", "female")
    with pytest.raises(KeyError, match="sex"):
        MASK.part("sex")


def test_the_part_that_is_read_from_numbers() -> None:
    assert MASK.numbered == MASK.part("age")
    assert FRUIT.numbered is None
    assert SKIN.numbered is None


def test_the_mask_task_and_its_edited_copies_are_mask_and_no_other_is() -> None:
    age = replace(MASK.part("age"), values=("young", "middle", "old"), borders=(25, 40))
    edited = replace(MASK, name="faces", parts=(*MASK.parts[:2], age))
    without_borders = replace(age, borders=())
    assert MASK.is_mask
    assert edited.is_mask
    assert not FRUIT.is_mask
    assert not replace(MASK, parts=(*MASK.parts[:2], without_borders)).is_mask
    assert not replace(MASK, parts=MASK.parts[::-1]).is_mask


# ---- strata and metrics --------------------------------------------------------------------------


def test_strata_are_numbered_by_the_parts_named() -> None:
    codes = {"gender": [0, 0, 1, 1], "age": np.array([0, 2, 0, 2], np.int8)}
    assert MASK.stratum_of(codes).tolist() == [0, 2, 3, 5]  # 3 * gender + age group
    assert MASK.stratum_of(codes).dtype == np.int64


@few
@given(sizes)
def test_strata_of_all_parts_are_the_classes(sizes: list[int]) -> None:
    task = task_of(sizes, strata=tuple("abcd"[: len(sizes)]))
    codes = task.codes_of(range(task.num_classes))
    assert task.stratum_of(codes).tolist() == list(range(task.num_classes))


def test_the_ranking_metric_is_first_and_none_is_there_twice() -> None:
    assert SKIN.metrics == ("auc", "accuracy", "log_loss", "macro_f1")
    assert MASK.metrics == ("macro_f1", "accuracy")
    assert replace(FRUIT, metric="accuracy", also=("accuracy",)).metrics == ("accuracy", "macro_f1")


# ---- JSON ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_goes_through_json(task: Task) -> None:
    task = replace(task, places=Places("train/images", "test", "train.csv"))
    written = json.loads(json.dumps(task.to_json()))
    assert Task.from_json(written) == task
    assert hash(Task.from_json(written)) == hash(task)
    assert written["classes"] == list(task.classes)
    assert written["metric"] == task.metric
    assert [part["name"] for part in written["parts"]] == [part.name for part in task.parts]


def test_the_names_of_the_classes_in_a_file_are_for_readers() -> None:
    assert Task.from_json(FRUIT.to_json() | {"classes": ["x"]}).classes == FRUIT.classes


def test_naming_the_classes_changes_no_comparison() -> None:
    # cached_property writes into the object.
    one, other = replace(FRUIT), replace(FRUIT)
    assert one.classes
    assert one == other
    assert hash(one) == hash(other)
    assert one.to_json() == other.to_json()


def test_of_parts_the_first_other_class_is_told() -> None:
    assert differences_of_parts(FRUIT, replace(FRUIT, metric="auc")) == ""
    more = replace(FRUIT, parts=(Part("label", (*FRUIT.classes, "elder")),))
    assert differences_of_parts(FRUIT, more) == "class 4: none there, elder now"
    age = replace(MASK.parts[2], borders=(25, 60))
    found = differences_of_parts(MASK, replace(MASK, parts=(*MASK.parts[:2], age)))
    assert found.startswith("parts: ")
    assert "(25, 60)" in found or "[25, 60]" in found


def test_differences_are_told_one_by_one() -> None:
    assert differences(FRUIT, FRUIT) == []
    other = replace(FRUIT, metric="auc", has_groups=True)
    assert differences(FRUIT, other) == [
        "metric: macro_f1 there, auc now",
        "has_groups: False there, True now",
    ]
    # The groups themselves are compared, whatever names them.
    assert differences(replace(FRUIT, group="a"), replace(FRUIT, group="b")) == []
    age = replace(MASK.part("age"), borders=(25, 40))
    (line,) = differences(MASK, replace(MASK, parts=(*MASK.parts[:2], age)))
    assert line.startswith("parts: ")


# ---- order of values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["10", "2", "1", "2"], ("1", "2", "10")),
        (["10", "-2", "0"], ("-2", "0", "10")),
        (["2", "02", "1"], ("1", "02", "2")),
        (["10", "2", "a"], ("2", "10", "a")),  # numbers come first
        (["1.5", "10", "2"], ("2", "10", "1.5")),
        (["²", "10", "2"], ("2", "10", "²")),
        (["-", "1"], ("1", "-")),
        (["dog", "Cat", "ant"], ("Cat", "ant", "dog")),
        ([], ()),
    ],
)
def test_values_are_in_the_order_of_numbers_or_of_text(
    values: list[str], wanted: tuple[str, ...]
) -> None:
    assert in_class_order(values) == wanted


@few
@given(st.lists(st.integers(0, 5000).map(str), unique=True).flatmap(st.permutations))
def test_the_order_of_classes_does_not_depend_on_the_order_they_are_met_in(
    values: list[str],
) -> None:
    assert list(in_class_order(values)) == sorted(values, key=int)


@pytest.mark.parametrize("value", ["--1", "1-", "-1-2"])
def test_text_that_only_looks_like_a_number_is_text(value: str) -> None:
    assert in_class_order([value, "0"]) == ("0", value)
