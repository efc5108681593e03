"""Which rows train: ages dropped, copies counted, nothing from the other side."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.config.schema import Rows
from maskcls.config.values import AgeRanges, Factors
from maskcls.core.mask import class_of
from maskcls.core.task import Part, Task
from maskcls.sampling.training_rows import (
    TrainingLabels,
    factor_of_class,
    training_rows,
    training_task,
)
from tests.sampling.people import EVERYBODY, labelled_of, some_people
from tests.tasks import FRUIT, MASK

few = settings(deadline=None, max_examples=30)


def rows_with(drop_ages: str = "none", oversample: str = "none") -> Rows:
    """Settings as a user spells them."""
    return Rows(drop_ages=AgeRanges.parse(drop_ages), oversample=Factors.parse(oversample))


def test_without_settings_every_candidate_trains_once() -> None:
    labelled = labelled_of(EVERYBODY)
    candidates = np.array([40, 3, 7, 12], np.int64)
    found = training_rows(candidates, labelled, Rows(), MASK)
    assert found.rows.tolist() == [40, 3, 7, 12]
    assert found.copies.tolist() == [1] * 4


@few
@given(some_people, st.data())
def test_only_candidates_train_and_dropped_ages_do_not(
    people: list[tuple[int, int]], data: st.DataObject
) -> None:
    labelled = labelled_of(people)
    train = data.draw(st.sets(st.integers(0, len(labelled.classes) - 1), min_size=1).map(sorted))
    low = data.draw(st.integers(18, 60))
    high = data.draw(st.integers(low, 60))
    wanted = [row for row in train if not low <= labelled.ages[row] <= high]
    settings = Rows(drop_ages=AgeRanges(((low, high),)))
    if not wanted:
        with pytest.raises(
            ValueError, match=rf"^rows\.drop_ages={low}.* leaves no training image; "
        ):
            training_rows(np.array(train), labelled, settings, MASK)
        return
    found = training_rows(np.array(train), labelled, settings, MASK)
    assert found.rows.tolist() == wanted


def test_dropping_several_ranges() -> None:
    labelled = labelled_of(EVERYBODY)
    everything = np.arange(len(labelled.classes))
    found = training_rows(everything, labelled, rows_with(drop_ages="27-29,57-59"), MASK)
    assert sorted(set(labelled.ages[found.rows].tolist())) == [20, 45, 60]
    assert len(found.rows) == 2 * 4 * 7


def test_ages_that_were_corrected_are_what_is_dropped() -> None:
    labelled = labelled_of([(0, 45), (1, 58)])
    corrected = TrainingLabels(
        labelled.classes, np.where(labelled.ages == 45, 58, 30), labelled.group
    )
    found = training_rows(np.arange(14), corrected, rows_with(drop_ages="57-59"), MASK)
    assert found.rows.tolist() == list(range(7, 14))


@pytest.mark.parametrize(
    ("text", "factor_of"),
    [
        ("60+:8", lambda mask, gender, age: 8 if age == 2 else 1),
        ("<30:2,30-59:3", lambda mask, gender, age: (2, 3, 1)[age]),
        ("2:3,5:3", lambda mask, gender, age: 3 if mask == 0 and age == 2 else 1),
        # Of two that apply the larger counts, in whatever order they are written.
        ("60+:2,2:5", lambda mask, gender, age: 1 if age < 2 else 2 if mask or gender else 5),
        ("2:5,60+:2", lambda mask, gender, age: 1 if age < 2 else 2 if mask or gender else 5),
    ],
)
def test_copies_go_by_class_or_age_group(text: str, factor_of: object) -> None:
    labelled = labelled_of(EVERYBODY)
    everything = np.arange(len(labelled.classes))
    found = training_rows(everything, labelled, rows_with(oversample=text), MASK)
    for row, copies in zip(found.rows, found.copies, strict=True):
        parts = {part: int(v[0]) for part, v in MASK.codes_of(labelled.classes[[row]]).items()}
        assert class_of(parts["mask"], parts["gender"], parts["age"]) == labelled.classes[row]
        assert copies == factor_of(parts["mask"], parts["gender"], parts["age"])  # type: ignore[operator]


def test_copies_go_by_the_labels_that_train() -> None:
    # A border of 58 makes 59 a 60+: what the row trains as decides, not its official group.
    labelled = labelled_of([(0, 59), (0, 45)])
    moved = TrainingLabels(np.where(labelled.ages == 59, labelled.classes + 1, labelled.classes),
                     labelled.ages, labelled.group)  # fmt: skip
    found = training_rows(np.arange(14), moved, rows_with(oversample="60+:4"), MASK)
    assert found.copies.tolist() == [4] * 7 + [1] * 7


def factors_of(text: str, task: Task) -> list[int]:
    found: list[int] = factor_of_class(Factors.parse(text), task).tolist()
    return found


BASKET = Task("basket", (Part("kind", ("apple", "pear")), Part("ripe", ("no", "yes", "very"))))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("none", [1, 1, 1, 1, 1, 1]),
        ("3:4", [1, 1, 1, 4, 1, 1]),
        ("pear:2", [1, 1, 1, 2, 2, 2]),
        ("very:5,apple:3", [3, 3, 5, 1, 1, 5]),
        ("0:7,no:2", [7, 1, 1, 2, 1, 1]),
    ],
)
def test_copies_go_by_class_number_or_value_of_any_part(text: str, wanted: list[int]) -> None:
    assert factors_of(text, BASKET) == wanted


def test_of_a_task_of_one_part_the_values_are_the_classes_names() -> None:
    assert factors_of("cherry:4,0:2", FRUIT) == [2, 1, 4, 1]


@pytest.mark.parametrize("name", ["grape", "4", "60+", "Apple", "2:3;5"])
def test_a_factor_of_nothing_in_the_task_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(ValueError, match=r"^rows\.oversample: ") as raised:
        factors_of(f"cherry:2,{name}:3", FRUIT)
    assert str(raised.value) == (
        f"rows.oversample: {name} is neither a class from 0 to 3 nor one of apple, banana, cherry,"
        " date"
    )


def test_by_itself_a_task_trains_as_it_is() -> None:
    assert training_task(MASK, Rows()) == MASK
    assert training_task(FRUIT, Rows(age_border=58)) == FRUIT


def test_a_border_moves_the_last_age_group_and_nothing_else() -> None:
    moved = training_task(MASK, Rows(age_border=58))
    assert moved.part("age").borders == (30, 58)
    assert moved.classes == MASK.classes
    assert training_task(moved, Rows(age_border=60)) == MASK


def years(*values: str) -> Task:
    return Task("years", (Part("label", values),))


@pytest.mark.parametrize(
    ("values", "name", "wanted"),
    [
        (("1", "2", "3"), "3", [1, 1, 4]),  # there is no class number 3
        (("0", "1", "2"), "1", [1, 4, 1]),  # both readings are one class
        (("1", "2", "3"), "0", [4, 1, 1]),  # only a number
        (("1", "2", "3"), "label=2", [1, 4, 1]),
    ],
)
def test_classes_called_by_numbers_are_taken_by_name_or_number(
    values: tuple[str, ...], name: str, wanted: list[int]
) -> None:
    found = factor_of_class(Factors.parse(f"{name}:4"), years(*values))
    assert found.tolist() == wanted


def test_a_number_that_is_another_classs_name_is_refused_with_both_readings() -> None:
    with pytest.raises(ValueError, match=r"^rows\.oversample: 1 is a value") as raised:
        factor_of_class(Factors.parse("1:4"), years("1", "2", "3"))
    assert str(raised.value) == (
        "rows.oversample: 1 is a value of label and the number of class 1 (2); write label=1 for the"
        " value, or label=2"
    )
