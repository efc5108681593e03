"""A copy of the mask task: what may be changed in it, and what is refused."""

import re
from typing import TYPE_CHECKING

import pytest

from maskcls.core.errors import UserError
from maskcls.data.table import read_data
from maskcls.data.task_file import TaskFile, built_in_text, parse_task
from maskcls.store.folder import Folder

if TYPE_CHECKING:
    from tests.data.conftest import Dataset

TEXT = re.sub(r" += +", " = ", re.sub(r"(?m) *#.*$", "", built_in_text("mask")))
RENAMED = "may reorder the values of mask and gender or change the age part, not rename them"


def copy(old: str = "", new: str = "") -> TaskFile:
    assert old in TEXT
    return parse_task(TEXT.replace(old, new, 1).encode(), "x")


def refused(old: str, new: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        copy(old, new)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('["male", "female"]', '["female", "male"]'),
        ('["worn", "incorrect", "not worn"]', '["not worn", "worn", "incorrect"]'),
        ('incorrect_mask = "incorrect"', 'incorrect_mask = "worn"'),
        ('"<30", "30-59", "60+"]\nborders = [30, 60]', '"<40", "40+"]\nborders = [40]'),
    ],
)
def test_what_a_copy_may_change(old: str, new: str) -> None:
    assert copy(old, new).task().is_mask


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('["male", "female"]', '["m", "f"]', RENAMED),
        ('["male", "female"]', '["male", "female", "other"]', RENAMED),
        ('values = ["male", "female"]\n', "", RENAMED),
        ('"not worn"]', '"none"]', RENAMED),
        ("mask5 =", "mask6 =", "of names the shot 'mask6'; there are mask1"),
    ],
)
def test_what_it_may_not_rename(old: str, new: str, words: str) -> None:
    assert any(words in line for line in refused(old, new))


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('images = "train/images"', 'images = "img"', "[task] images"),
        ('table = "train/train.csv"', 'table = "people.csv"', "[task] table"),
        ('row = "folder"\n', "", "[task] row"),
        ('image = "path"', 'image = "folder"', "[task] image"),
        ('group = "path"\n', "", "[task] group"),
        ('group = "path"', 'group = "id"', "[task] group"),
        ('group = "path"', 'group = "path"\nfold = "fold"', "[task] fold"),
        ('group = "path"', 'group = "path"\nsuffix = ".jpg"', "[task] suffix"),
        ('from = "stem"', 'from = "mask"', "part mask: from"),
        ('from = "gender"', 'from = "sex"', "part gender: from"),
        ('from = "age"', 'from = "years"', "part age: from"),
        ('images = "eval/images"', 'images = "test"', "[eval] images"),
        ('table = "eval/info.csv"\n', "", "[eval] table"),
        ('image = "ImageID"', 'image = "id"', "[eval] image"),
        ('image = "ImageID"', 'image = "ImageID"\ngroup = "person"', "[eval] group"),
    ],
)
def test_what_belongs_to_the_layout_is_refused(old: str, new: str, key: str) -> None:
    (line,) = (one for one in refused(old, new) if key in one)
    assert "belongs to the layout of the mask competition" in line
    assert "make a table with a row for each image instead" in line


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('["gender", "age"]', '["mask", "age"]', "[task] strata: only gender and age"),
        ("numbers = [18, 60]\n", "", "part age: needs numbers"),
        ("[18, 60]", "[30, 60]", "part age: numbers = [30, 60] must contain all borders"),
        ("[18, 60]", "[18, 59]", "part age: numbers = [18, 59] must contain all borders"),
        ("scale = [39, 15]\n", "", "part age: needs scale"),
        ("[39, 15]", "[39, 0]", "part age: needs scale"),
        ("[39, 15]", "[39]", "part age: scale is the mean"),
        ("[18, 60]", "[18]", "part age: numbers is the smallest"),
        ("borders = [30, 60]\n", "", "needs the parts mask, gender and age with borders"),
        (
            'values = ["male", "female"]',
            'values = ["male", "female"]\nborders = [1]',
            "part gender: borders are for the age alone",
        ),
        (
            'values = ["male", "female"]',
            'values = ["male", "female"]\nof = { m = "male" }',
            "part gender: of is for the mask alone",
        ),
    ],
)
def test_what_would_be_used_by_half_is_refused(old: str, new: str, words: str) -> None:
    assert any(words in line for line in refused(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('["gender", "age"]', '["age"]'),
        ("[18, 60]", "[29, 60]"),
        ('[eval]\nimages = "eval/images"\ntable = "eval/info.csv"\nimage = "ImageID"\n', ""),
    ],
)
def test_more_that_a_copy_may_change(old: str, new: str) -> None:
    assert copy(old, new).task().is_mask


def test_without_eval_in_a_copy_its_images_are_not_read(dataset: "Dataset") -> None:
    dataset.write_eval("a.jpg")
    old = '[eval]\nimages = "eval/images"\ntable = "eval/info.csv"\nimage = "ImageID"\n'
    table = read_data(Folder.at(str(dataset.root)), copy(old, ""))
    assert table.eval_images is None
    assert table.task.places.eval is None
    with_eval = read_data(Folder.at(str(dataset.root)), copy()).eval_images
    assert with_eval is not None
    assert list(with_eval["image"]) == ["a.jpg"]
