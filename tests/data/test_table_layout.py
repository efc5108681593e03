"""A CSV as a task: its columns, where its images lie, what is refused."""

from typing import TYPE_CHECKING

import pytest

from maskcls.core.errors import UserError
from maskcls.data.csv_file import CsvFile
from maskcls.data.table_layout import refuse_table, task_of_table
from maskcls.data.task_file import TaskFile

if TYPE_CHECKING:
    from tests.data.task_data import TaskData


def table(text: str) -> CsvFile:
    return CsvFile(text.encode(), "DATA/train.csv")


def found(data: "TaskData", text: str) -> TaskFile | None:
    return task_of_table(data.folder, "train.csv", table(text))


@pytest.mark.parametrize("header", ["image,x", "x,label", "images,labels", "file name,label"])
def test_other_columns_are_no_task(data: "TaskData", header: str) -> None:
    assert found(data, header + "\na.jpg,b\n") is None


def test_the_folder_with_most_images_counts(data: "TaskData") -> None:
    data.files("train/a.jpg", "train/b.jpg", "images/a.jpg")
    file = found(data, "image,label\na.jpg,x\nb.jpg,y\nmissing.jpg,x\n")
    assert file is not None
    assert file.images == "train"


def test_a_row_that_leads_outside_is_left_to_the_reader(data: "TaskData") -> None:
    file = found(data.files("b.jpg"), "image,label\n../a.jpg,x\nb.jpg,y\n")
    assert file is not None
    assert (file.images, file.table) == ("", "train.csv")


def test_labels_of_kinds_that_are_refused_come_before_missing_images(data: "TaskData") -> None:
    with pytest.raises(UserError, match="several labels in a cell"):
        found(data, "image,label\na.jpg,x\nb.jpg,y\nc.jpg,x;y\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,label\n", "no column image; it has id, label."),
        ("image,breed\n", "no column label; it has image, breed."),
        ("image;label\n", "separated by ';', save it with commas"),
        ("image\tlabel\n", "separated by '\\t', save it with commas"),
        ("a,b,,\n", "no column image and no column label; it has a, b."),
    ],
)
def test_refusals_name_what_is_missing_and_what_is_there(
    data: "TaskData", text: str, words: str
) -> None:
    assert words in refuse_table(data.folder, table(text))


def test_refusals_say_how_to_go_on(data: "TaskData") -> None:
    sentence = refuse_table(data.folder, table("id,breed\n"))
    assert f"maskcls check {data.folder.shown} --propose writes a first one" in sentence
