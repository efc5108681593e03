"""Folders of classes as a task."""

from typing import TYPE_CHECKING

import pytest

from maskcls.core.errors import UserError
from maskcls.data.folder_layout import task_of_folders
from tests.data.task_data import labels, proposed

if TYPE_CHECKING:
    from tests.data.task_data import TaskData


def test_the_classes_of_train_come_before_folders_of_data(data: "TaskData") -> None:
    data.files("train/a/1.jpg", "train/b/1.jpg", "c/1.jpg", "d/1.jpg")
    assert task_of_folders(data.folder).images == "train"


def test_a_folder_train_without_classes_is_passed_over(data: "TaskData") -> None:
    data.files("train/notes.txt", "c/1.jpg", "d/1.jpg")
    assert task_of_folders(data.folder).images == ""


def test_folders_without_images_are_no_classes(data: "TaskData") -> None:
    data.files("a/1.jpg", "b/1.txt", "__MACOSX/1.jpg")
    with pytest.raises(UserError, match=r"only one class \(a\)"):
        task_of_folders(data.folder)


def test_an_empty_hold_out_and_an_empty_test_are_passed_over(data: "TaskData") -> None:
    data.files("train/a/1.jpg", "train/b/1.jpg", "val/x.txt", "test/x.txt")
    file = task_of_folders(data.folder)
    assert (file.images, file.eval, file.roots) == ("train", None, (("", None),))


def test_a_hold_out_may_lack_a_class(data: "TaskData") -> None:
    data.files("train/a/1.jpg", "train/e\u0301/1.jpg", "val/\u00e9/1.jpg")
    assert task_of_folders(data.folder).roots == (("train", -1), ("val", 0))


def test_upper_case_does_not_make_a_class_of_a_part_of_the_data(data: "TaskData") -> None:
    data.files("Train/a/1.jpg", "Train/b/1.jpg", "Valid/a/1.jpg", "TEST/1.jpg")
    file = task_of_folders(data.folder)
    assert file.roots == (("Train", -1), ("Valid", 0))
    assert file.eval is not None
    assert file.eval.images == "TEST"
    assert list(data.read().images["fold"]) == [-1, -1, 0]


def test_training_and_testing_are_no_two_classes(data: "TaskData") -> None:
    data.files("Training/a/1.jpg", "Training/b/1.jpg", "Testing/a/1.jpg")
    with pytest.raises(UserError, match="no task found in it; it holds 3 images in Testing/a/"):
        task_of_folders(data.folder)


def test_two_spellings_of_one_part_are_refused(data: "TaskData") -> None:
    data.files("a/1.jpg", "b/1.jpg", "test/1.jpg", "Test/1.jpg")
    with pytest.raises(UserError, match="Test and test are both there; one of them is supported"):
        task_of_folders(data.folder)


def test_only_the_folders_that_are_classes_are_listed(data: "TaskData") -> None:
    data.files("cat/1.jpg", "dog/1.jpg", "eval/1.jpg", "testing/a/1.jpg", "Training/2.jpg")
    table, _ = data.read_all()
    assert table.task.classes == ("cat", "dog")
    assert list(table.images["path"]) == ["cat/1.jpg", "dog/1.jpg"]
    (finding,) = data.findings("no_class")
    assert "folders that divide images are no classes, not used: Training, eval, testing" in finding


def test_folders_beside_a_hold_out_and_within_train_are_classes_by_any_name(
    data: "TaskData",
) -> None:
    data.files("train/cat/1.jpg", "train/eval/1.jpg", "val/cat/1.jpg", "eval/x/1.jpg")
    table = data.read()
    assert table.task.classes == ("cat", "eval")
    assert len(table.images) == 3


def test_a_proposal_says_what_is_no_class_and_refuses_it(data: "TaskData") -> None:
    data.files("cat/1.jpg", "dog/1.jpg", "test/1.jpg", "eval/1.jpg")
    want, file = data.read(), proposed(data)
    assert file.parts[0].values == want.task.classes == ("cat", "dog")
    with pytest.raises(UserError, match="'eval' is none of the values cat, dog"):
        data.read(file)
    (data.root / "eval/1.jpg").unlink()
    assert labels(data.read(file)) == labels(want)
