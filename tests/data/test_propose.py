"""A first task.toml: it parses, reads the data, and says why each line is there."""

from typing import TYPE_CHECKING

import pytest

from maskcls.core.errors import UserError
from maskcls.data.propose import propose
from maskcls.data.task_file import EvalFile, Source, built_in_text
from tests.data.task_data import labels, proposed

if TYPE_CHECKING:
    from tests.data.task_data import TaskData


def test_the_mask_layout_is_the_built_in_text(data: "TaskData") -> None:
    data.csv("train/train.csv", "gender,age,path", "male,20,x").files("train/images/x/normal.jpg")
    assert propose(data.folder) == built_in_text("mask")
    assert "borders = [30, 60]" in propose(data.folder)


def test_nothing_is_written(data: "TaskData") -> None:
    data.files("a/1.jpg", "b/1.jpg")
    propose(data.folder)
    assert sorted(p.name for p in data.root.iterdir()) == ["a", "b"]


def test_folders_as_classes(data: "TaskData") -> None:
    data.files("train/a/1.jpg", "train/b/1.jpg", "test/1.jpg")
    file = proposed(data)
    assert (file.images, file.parts[0].source) == ("train", Source("folder"))
    assert file.eval == EvalFile("test")
    assert labels(data.read(file)) == labels(data.read())


def test_a_given_hold_out_reads_the_same(data: "TaskData") -> None:
    data.files("train/a/1.jpg", "train/b/x/1.jpg", "val/a/2.jpg", "test/a/3.jpg")
    table, want = data.read(proposed(data)), data.read()
    assert labels(table) == labels(want)
    assert list(table.images["fold"]) == list(want.images["fold"]) == [-1, -1, 0]
    assert want.eval_images is not None
    assert table.eval_images is not None
    assert table.eval_images.equals(want.eval_images)


def test_a_known_csv_reads_the_same(data: "TaskData") -> None:
    data.csv("labels.csv", "image,label,group,fold", "a,x,g,0", "b,y,h,1")
    data.files("images/a.jpg", "images/b.jpg")
    table, want = data.read(proposed(data)), data.read()
    assert table.images.equals(want.images)
    assert labels(table) == {"a.jpg": "x", "b.jpg": "y"}


def test_a_csv_of_another_name(data: "TaskData") -> None:
    data.csv("breeds.csv", "id,breed", "a1,pug", "b2,pug", "c3,boxer", "d4,boxer")
    data.files(*(f"train/{name}.jpg" for name in ("a1", "b2", "c3", "d4")))
    file = proposed(data)
    assert (file.table, file.images, file.parts[0].name) == ("breeds.csv", "train", "breed")


def test_labels_in_the_names_of_files(data: "TaskData") -> None:
    data.files("train/cat.0.jpg", "train/cat.1.jpg", "train/dog.0.jpg", "test/1.jpg")
    file = proposed(data)
    assert labels(data.read(file)) == {"cat.0.jpg": "cat", "cat.1.jpg": "cat", "dog.0.jpg": "dog"}
    assert file.eval == EvalFile("test")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ((), "DATA needs images"),
        (("a.dcm",), "DICOM"),
        (("only/x.jpg", "only/y.jpg"), "only one class"),
    ],
)
def test_refused_where_nothing_can_be_proposed(
    data: "TaskData", files: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        propose(data.files(*files).folder)


def test_a_csv_without_a_column_of_labels_is_refused(data: "TaskData") -> None:
    rows = [f"{n}.jpg,{n / 7:.3f}" for n in range(30)]
    data.csv("train.csv", "file,weight", *rows).files(*(f"{n}.jpg" for n in range(30)))
    with pytest.raises(UserError, match="it has file, weight"):
        propose(data.folder)


def test_a_label_with_blanks_is_read_and_the_proposal_says_what_it_may_be(data: "TaskData") -> None:
    data.csv("train.csv", "image,label", "a,scab", "b,rust", "c,scab rust")
    data.files("a.jpg", "b.jpg", "c.jpg")
    assert set(labels(data.read()).values()) == {"scab", "rust", "scab rust"}
    assert "seems to hold several labels an image ('scab rust')" in propose(data.folder)
    data.csv("train.csv", "image,label", "a,scab", "b,rust", "c,apple scab")
    assert "several labels" not in propose(data.folder)
