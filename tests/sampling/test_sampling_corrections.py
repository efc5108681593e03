"""Corrected labels: what the file may say, whom it is about, and what becomes of the labels."""

from dataclasses import replace
from importlib import resources

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskcls.config.schema import Rows
from maskcls.core.errors import UserError
from maskcls.core.mask import GENDERS, MASK_OF_SHOT, SHOTS, class_of
from maskcls.core.task import Task
from maskcls.data.people_csv import MAX_AGE
from maskcls.sampling.corrections import CorrectedLabels, Correction, read_corrections, train_labels
from maskcls.sampling.training_rows import training_task
from tests.tasks import FRUIT, MASK

HEADER = "id,shot,field,value"


def images_of(*folders: str) -> pd.DataFrame:
    """The seven images of each person, as Table.images has them; folders: id_gender_race_age."""
    people = sorted(folders)
    rows = [(person, shot) for person in people for shot in SHOTS]
    parts = [person.split("_") for person, _ in rows]
    ages = np.array([int(part[3]) for part in parts], np.int16)
    label = class_of(
        np.array([MASK_OF_SHOT[shot] for _, shot in rows]),
        np.array([GENDERS.index(part[1]) for part in parts]),
        np.array([MASK.part("age").code_of(age) for age in ages]),
    )
    return pd.DataFrame(
        {
            "group": pd.Categorical([person for person, _ in rows], categories=people),
            "shot": pd.Categorical([shot for _, shot in rows], categories=list(SHOTS)),
            "label": label.astype(np.int16),
            "age": ages,
        }
    )


def labels_from(
    images: pd.DataFrame, *lines: str, header: str = HEADER, border: int = 60
) -> CorrectedLabels:
    """Labels after the corrections that these lines of a CSV file make."""
    key, corrections = read_corrections("\n".join((header, *lines, "")).encode(), "fix.csv")
    return train_labels(images, trained_at(border), key, corrections, "fix.csv")


def trained_at(border: int) -> Task:
    """The mask task with another first age of its last group."""
    return training_task(MASK, Rows(age_border=border))


def official(images: pd.DataFrame) -> np.ndarray:
    return images["label"].to_numpy(np.int64)


PEOPLE = images_of("000001_female_Asian_45", "000002_male_Asian_18", "000600-1_male_Asian_60")


def test_without_corrections_labels_are_the_official_ones() -> None:
    found = train_labels(PEOPLE, MASK, "path", [], "none")
    assert found.classes.tolist() == official(PEOPLE).tolist()
    assert found.classes.dtype == found.ages.dtype == np.int64
    assert found.ages.tolist() == PEOPLE["age"].tolist()
    assert (found.num_corrected, found.num_unknown) == (0, 0)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, MAX_AGE), min_size=1, max_size=20, unique=True), st.integers(31, 60))
def test_the_border_moves_the_third_group_only(ages: list[int], border: int) -> None:
    images = images_of(*(f"{i:06}_male_Asian_{age}" for i, age in enumerate(ages)))
    found = train_labels(images, trained_at(border), "path", [], "none")
    groups = MASK.codes_of(found.classes)["age"]
    for age, group in zip(images["age"], groups, strict=True):
        assert group == (0 if age < 30 else 1 if age < border else 2)


@pytest.mark.parametrize(("age", "group"), [(24, 0), (25, 1), (39, 1), (40, 2)])
def test_an_edited_tasks_borders_decide_the_group_of_a_corrected_age(age: int, group: int) -> None:
    parts = (*MASK.parts[:2], replace(MASK.part("age"), borders=(25, 40)))
    task = replace(MASK, parts=parts)
    found = train_labels(
        images_of("000001_female_Asian_60"), task, "id",
        [Correction(2, "000001", "", "age", age)], "fix.csv",
    )  # fmt: skip
    assert set(task.codes_of(found.classes)["age"]) == {group}


def test_values_in_another_order_are_corrected_by_their_names() -> None:
    mask, gender, age = MASK.parts
    parts = (
        replace(mask, values=("not worn", "worn", "incorrect")),
        replace(gender, values=("female", "male")),
        age,
    )
    task = replace(MASK, parts=parts)
    images = images_of("000001_female_Asian_45")
    # A woman's images, numbered by this task.
    codes = {"mask": [1, 1, 1, 1, 1, 2, 0], "gender": [0] * 7, "age": [1] * 7}
    images["label"] = task.class_of(codes).astype(np.int16)
    lines = "000001,normal,mask,incorrect\n000001,,gender,male\n"
    key, rows = read_corrections(f"{HEADER}\n{lines}".encode(), "fix.csv")
    found = task.codes_of(train_labels(images, task, key, rows, "fix.csv").classes)
    assert found["mask"].tolist() == [1, 1, 1, 1, 1, 2, 2]
    assert found["gender"].tolist() == [1] * 7


def test_labels_of_another_task_train_as_they_are() -> None:
    images = pd.DataFrame(
        {"group": pd.Categorical(["a", "b", "b"]), "label": np.array([3, 0, 1], np.int16)}
    )
    found = train_labels(images, FRUIT, "path", [], "none")
    assert found.classes.tolist() == [3, 0, 1]
    assert found.classes.dtype == found.ages.dtype == np.int64
    assert found.ages.tolist() == [0, 0, 0]
    assert (found.num_corrected, found.num_unknown) == (0, 0)


# ---- the published list --------------------------------------------------------------------------


def published() -> tuple[str, list[Correction]]:
    data = resources.files("maskcls.sampling").joinpath("published_corrections.csv").read_bytes()
    return read_corrections(data, "published")


def test_the_published_list_is_read() -> None:
    key, rows = published()
    assert key == "id"
    assert len(rows) == 15
    assert len({(row.key, row.shot, row.field) for row in rows}) == 15
    assert [row.line for row in rows] == list(range(2, 17))


def test_the_published_list_does_what_was_published() -> None:
    men = [f"{number:06}_female_Asian_18" for number in range(6359, 6365)]
    women = ["004432_male_Asian_43", "001498-1_male_Asian_23", "005223_male_Asian_22"]
    swapped = ["004418_male_Asian_20", "005227_male_Asian_22", "000020_female_Asian_50"]
    others = ["001498_female_Asian_59", "006365_female_Asian_18", "000021_female_Asian_50"]
    images = images_of(*men, *women, *swapped, *others)
    found = train_labels(images, MASK, *published(), "published")
    now, before = MASK.codes_of(found.classes), MASK.codes_of(official(images))
    person, shot = images["group"].astype("str"), images["shot"].astype("str")
    assert (now["gender"][person.isin(men)] == 0).all()
    assert (now["gender"][person.isin(women)] == 1).all()
    for name in swapped:
        mine = (person == name).to_numpy()
        mask = dict(zip(shot[mine], now["mask"][mine], strict=True))
        assert mask == MASK_OF_SHOT | {"incorrect_mask": 2, "normal": 1}
    assert (now["age"] == before["age"]).all()
    untouched = person.isin(others).to_numpy()
    assert found.classes[untouched].tolist() == official(images)[untouched].tolist()
    assert found.num_corrected == 7 * 9 + 2 * 3
    assert found.num_unknown == 0


# ---- each field ----------------------------------------------------------------------------------


def test_a_persons_gender_is_that_of_all_images() -> None:
    found = labels_from(PEOPLE, "000002,,gender,female")
    mine = (PEOPLE["group"] == "000002_male_Asian_18").to_numpy()
    assert (MASK.codes_of(found.classes)["gender"][mine] == 1).all()
    assert found.classes[~mine].tolist() == official(PEOPLE)[~mine].tolist()
    assert found.num_corrected == 7


def test_a_persons_age_moves_the_group_by_the_border_in_force() -> None:
    mine = (PEOPLE["group"] == "000001_female_Asian_45").to_numpy()
    for value, border, group in ((58, 60, 1), (58, 58, 2), (29, 60, 0), (60, 60, 2)):
        found = labels_from(PEOPLE, f"000001,,age,{value}", border=border)
        assert (found.ages[mine] == value).all()
        assert (MASK.codes_of(found.classes)["age"][mine] == group).all()
        assert found.ages[~mine].tolist() == PEOPLE["age"][~mine].tolist()


@pytest.mark.parametrize(("value", "mask"), [("worn", 0), ("incorrect", 1), ("not worn", 2)])
def test_a_images_mask_is_of_that_image_alone(value: str, mask: int) -> None:
    found = labels_from(PEOPLE, f"000600-1,mask3,mask,{value}")
    row = np.flatnonzero(
        (PEOPLE["group"] == "000600-1_male_Asian_60") & (PEOPLE["shot"] == "mask3")
    )
    assert MASK.codes_of(found.classes)["mask"][row].tolist() == [mask]
    others = np.delete(np.arange(len(PEOPLE)), row)
    assert found.classes[others].tolist() == official(PEOPLE)[others].tolist()
    assert found.num_corrected == (1 if mask else 0)  # it says worn already


def test_corrections_of_several_fields_add_up() -> None:
    found = labels_from(
        PEOPLE, "000002,,gender,female", "000002,,age,60", "000002,normal,mask,incorrect"
    )
    mine = (PEOPLE["group"] == "000002_male_Asian_18") & (PEOPLE["shot"] == "normal")
    assert found.classes[mine.to_numpy()].tolist() == [class_of(1, 1, 2)]
    assert found.num_corrected == 7


def test_the_table_itself_keeps_its_labels() -> None:
    images = PEOPLE.copy(deep=True)
    labels_from(images, "000002,,gender,female", "000002,,age,60", "000001,mask1,mask,not worn")
    pd.testing.assert_frame_equal(images, PEOPLE)


def test_people_who_are_not_here_are_counted() -> None:
    found = labels_from(PEOPLE, "999999,,gender,male", "000600,,gender,female", "000001,,age,46")
    assert (found.num_unknown, found.num_corrected) == (2, 7)


# ---- by id, by path ------------------------------------------------------------------------------

DOUBLE = ("003397_female_Asian_20", "003397_female_Asian_19")


def test_an_id_of_two_people_is_refused() -> None:
    with pytest.raises(UserError) as raised:
        labels_from(images_of(*DOUBLE), "003397,,age,21")
    assert str(raised.value) == (
        "fix.csv line 2: id 003397 is that of 003397_female_Asian_19, 003397_female_Asian_20;"
        " use the column path."
    )


def test_the_same_two_people_are_told_apart_by_path() -> None:
    images = images_of(*DOUBLE)
    found = labels_from(images, f"{DOUBLE[0]},,age,30", header="path,shot,field,value")
    first = (images["group"] == DOUBLE[0]).to_numpy()
    assert (found.ages[first] == 30).all()
    assert (found.ages[~first] == 19).all()


def test_an_id_that_begins_like_another_is_not_that_one() -> None:
    images = images_of("001498_female_Asian_59", "001498-1_male_Asian_23")
    found = labels_from(images, "001498-1,,gender,female", "001498,,age,58")
    assert (MASK.codes_of(found.classes)["gender"] == 1).all()
    assert sorted(set(found.ages.tolist())) == [23, 58]


def test_names_are_compared_composed() -> None:
    from unicodedata import normalize

    images = images_of(normalize("NFD", "가_male_Asian_20"))
    line = f"{normalize('NFC', '가')}_male_Asian_20,,gender,female"
    assert labels_from(images, line, header="path,shot,field,value").num_corrected == 7


def test_further_columns_and_any_order_of_columns_are_fine() -> None:
    found = labels_from(PEOPLE, "8,male,gender,,000001", header="named_by,value,field,shot,id")
    assert found.num_corrected == 7


# ---- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("1,,race,Asian", "field 'race' is none of gender, age, mask; correct it"),
        ("1,,gender,man", "value 'man' is no gender; use male, female"),
        ("1,,gender,", "value '' is no gender; use male, female"),
        ("1,normal,mask,off", "value 'off' is no mask; use worn, incorrect, not worn"),
        ("1,,age,121", "value '121' is no age; use a whole number from 0 to 120"),
        ("1,,age,-1", "value '-1' is no age; use a whole number from 0 to 120"),
        ("1,,age,30.5", "value '30.5' is no age; use a whole number from 0 to 120"),
        ("1,,age,²", "value '²' is no age; use a whole number from 0 to 120"),
        ("1,,mask,worn", f"shot '' does not fit; mask needs one of {', '.join(SHOTS)}"),
        ("1,mask6,mask,worn", f"shot 'mask6' does not fit; mask needs one of {', '.join(SHOTS)}"),
        ("1,normal,age,30", f"shot 'normal' does not fit; mask needs one of {', '.join(SHOTS)}"),
        ("1,,age", "3 fields where the header has 4"),
    ],
)
def test_a_fault_names_file_and_line(line: str, sentence: str) -> None:
    data = f"{HEADER}\n000001,,age,40\n{line}\n".encode()
    with pytest.raises(UserError) as raised:
        read_corrections(data, "fix.csv")
    assert str(raised.value) == f"fix.csv line 3: {sentence}"


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(UserError) as raised:
        read_corrections(f"{HEADER}\n1,,age,x\n1,,gender,male\n1,,sex,male\n".encode(), "fix.csv")
    lines = str(raised.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["fix.csv line 2", "fix.csv line 4"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "fix.csv is empty"),
        (b"id,field,value\n", "fix.csv line 1: no column shot"),
        (b"name,shot,field,value\n", "fix.csv line 1: no column id"),
        (b"\xff\xfei\0d\0", "fix.csv is UTF-16"),
    ],
)
def test_what_is_no_such_file_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_corrections(data, "fix.csv")


def test_a_header_alone_corrects_nothing() -> None:
    assert read_corrections(f"{HEADER}\n".encode(), "fix.csv") == ("id", [])
