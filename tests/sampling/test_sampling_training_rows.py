"""Which rows train: ages dropped, copies counted, nothing from the other side."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.config.schema import Rows
from maskcls.config.values import AgeRanges, Factors
from maskcls.core.labels import class_of, labels_of
from maskcls.sampling.training_rows import TrainingLabels, training_rows
from tests.sampling.people import EVERYBODY, labelled_of, some_people

few = settings(deadline=None, max_examples=30)


def rows_with(drop_ages: str = "none", oversample: str = "none") -> Rows:
    """Settings as a user spells them."""
    return Rows(drop_ages=AgeRanges.parse(drop_ages), oversample=Factors.parse(oversample))


def test_without_settings_every_candidate_trains_once() -> None:
    labelled = labelled_of(EVERYBODY)
    candidates = np.array([40, 3, 7, 12], np.int64)
    found = training_rows(candidates, labelled, Rows())
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
            training_rows(np.array(train), labelled, settings)
        return
    found = training_rows(np.array(train), labelled, settings)
    assert found.rows.tolist() == wanted


def test_dropping_several_ranges() -> None:
    labelled = labelled_of(EVERYBODY)
    everything = np.arange(len(labelled.classes))
    found = training_rows(everything, labelled, rows_with(drop_ages="27-29,57-59"))
    assert sorted(set(labelled.ages[found.rows].tolist())) == [20, 45, 60]
    assert len(found.rows) == 2 * 4 * 7


def test_ages_that_were_corrected_are_what_is_dropped() -> None:
    labelled = labelled_of([(0, 45), (1, 58)])
    corrected = TrainingLabels(
        labelled.classes, np.where(labelled.ages == 45, 58, 30), labelled.person
    )
    found = training_rows(np.arange(14), corrected, rows_with(drop_ages="57-59"))
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
    found = training_rows(np.arange(len(labelled.classes)), labelled, rows_with(oversample=text))
    for row, copies in zip(found.rows, found.copies, strict=True):
        parts = {task: int(v[0]) for task, v in labels_of(labelled.classes[[row]]).items()}
        assert class_of(parts["mask"], parts["gender"], parts["age"]) == labelled.classes[row]
        assert copies == factor_of(parts["mask"], parts["gender"], parts["age"])  # type: ignore[operator]


def test_copies_go_by_the_labels_that_train() -> None:
    # A border of 58 makes 59 a 60+: what the row trains as decides, not its official group.
    labelled = labelled_of([(0, 59), (0, 45)])
    moved = TrainingLabels(np.where(labelled.ages == 59, labelled.classes + 1, labelled.classes),
                     labelled.ages, labelled.person)  # fmt: skip
    found = training_rows(np.arange(14), moved, rows_with(oversample="60+:4"))
    assert found.copies.tolist() == [4] * 7 + [1] * 7
