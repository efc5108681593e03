"""train/images: rows by person and shot."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from maskcls.core.errors import UserError
from maskcls.core.mask import SHOTS
from maskcls.data.findings import Faults, Findings
from maskcls.data.images import read_images
from maskcls.data.people_csv import read_people
from maskcls.data.task_file import TaskFile, built_in, built_in_text, parse_task
from maskcls.store.folder import Folder

if TYPE_CHECKING:
    import pandas as pd

CSV = b"id,gender,race,age,path\n1,female,Asian,60,a\n2,male,Asian,7,a-1\n3,male,Asian,7,c\n"


def read(
    root: Path, *names: str, file: TaskFile | None = None
) -> "tuple[pd.DataFrame, pd.DataFrame, Faults, Findings]":
    file = file or built_in("mask")
    for name in names:
        path = root / "train" / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")
    faults, findings = Faults(), Findings()
    people = read_people(CSV, "train.csv", faults, findings)
    images, groups = read_images(
        Folder.at(root), people, file.task(), file.parts[0].of, faults, findings
    )
    return images, groups, faults, findings


def test_images_are_in_the_order_of_their_paths_and_people_in_that_of_their_names(
    tmp_path: Path,
) -> None:
    images, people, faults, findings = read(
        tmp_path, "a/normal.JPG", "a/mask1.png", "a-1/mask5.jpg"
    )
    faults.raise_if_any()
    assert images["path"].tolist() == ["a-1/mask5.jpg", "a/mask1.png", "a/normal.JPG"]
    assert images["label"].tolist() == [0, 5, 17]
    assert images["shot"].astype("str").tolist() == ["mask5", "mask1", "normal"]
    assert people["group"].tolist() == ["a", "a-1"]
    assert images["group"].cat.codes.tolist() == [1, 0, 0]
    assert people["num_images"].tolist() == [2, 1]
    kinds = [finding.kind for finding in findings.collected()]
    assert kinds == ["missing_shots", "missing_shots", "no_images"]


def test_two_files_for_one_shot_are_a_fault(tmp_path: Path) -> None:
    *_, faults, _ = read(tmp_path, *(f"a/{shot}.jpg" for shot in SHOTS), "a/mask1.png")
    with pytest.raises(UserError, match=r"mask1\.jpg and mask1\.png are both the shot mask1"):
        faults.raise_if_any()


def test_no_image_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no image found in train/images for any person"):
        read(tmp_path, "a/mask9.jpg")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[30, 60]", "[8, 60]"),
        (
            '["<30", "30-59", "60+"]\nborders = [30, 60]',
            '["y", "m", "o", "oo"]\nborders = [7, 8, 60]',
        ),
        ('["<30", "30-59", "60+"]\nborders = [30, 60]', '["<60", "60+"]\nborders = [60]'),
        ('["male", "female"]', '["female", "male"]'),
        ('["worn", "incorrect", "not worn"]', '["not worn", "worn", "incorrect"]'),
        ('incorrect_mask = "incorrect"', 'incorrect_mask = "not worn"'),
    ],
)
def test_labels_of_an_edited_copy_have_the_values_that_it_names(
    tmp_path: Path, old: str, new: str
) -> None:
    text = re.sub(" +(#.*)?\n", "\n", re.sub(" +=", " =", built_in_text("mask")))
    assert old in text
    # Numbers contain the borders of every edit.
    text = text.replace(old, new).replace("[18, 60]", "[5, 60]")
    file = parse_task(text.encode(), "copy")
    task = file.task()
    images, groups, *_ = read(
        tmp_path, "a/normal.jpg", "a/incorrect_mask.jpg", "a-1/mask5.jpg", file=file
    )
    codes = task.codes_of(images["label"])
    names = {part.name: [part.values[code] for code in codes[part.name]] for part in task.parts}
    incorrect = file.parts[0].of["incorrect_mask"]
    assert images["path"].tolist() == ["a-1/mask5.jpg", "a/incorrect_mask.jpg", "a/normal.jpg"]
    assert names["mask"] == ["worn", incorrect, "not worn"]
    assert names["gender"] == ["male", "female", "female"]
    young, old_group = (task.part("age").values[task.part("age").code_of(age)] for age in (7, 60))
    assert names["age"] == [young, old_group, old_group]
    genders = task.part("gender").values
    assert [genders[code] for code in groups["gender"]] == ["female", "male"]
    assert [task.part("age").values[code] for code in groups["age"]] == [old_group, young]


def test_shots_that_a_copy_does_not_name_are_those_of_the_competition(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^of +=.*\n", "", built_in_text("mask"))
    images, *_ = read(
        tmp_path, "a/normal.jpg", "a-1/mask5.jpg", file=parse_task(text.encode(), "copy")
    )
    assert images["label"].tolist() == [0, 17]
