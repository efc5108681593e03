"""What a folder holds, and labels of kinds that are refused."""

from typing import TYPE_CHECKING

import pytest

from maskcls.data.what_is_there import (
    MAX_FOLDERS,
    are_amounts,
    folders_in,
    has_images,
    labels_in_cells,
    look_into,
    not_supported,
    several_labels,
)

if TYPE_CHECKING:
    from tests.data.task_data import TaskData


def test_images_by_folder_and_other_files_by_extension(data: "TaskData") -> None:
    data.files(
        "1.jpg", "a/1.jpg", "a/2.jpg", "a/b/3.png", "x.csv", "a/y.csv", ".git/4.jpg", "LICENSE"
    )
    found = look_into(data.folder)
    assert found.images_in == {"": 1, "a": 2, "a/b": 1}
    assert found.extensions == {".csv": 2, "without extension": 1}
    assert found.in_words() == (
        "4 images in the folder itself, a/, a/b/, 2 .csv, 1 without extension"
    )


def test_an_empty_folder_holds_nothing(data: "TaskData") -> None:
    assert look_into(data.folder).in_words() == "nothing"


def test_a_home_folder_is_not_read_to_its_end(data: "TaskData") -> None:
    for n in range(MAX_FOLDERS + 20):
        data.files(f"{n:04d}/1.jpg")
    assert len(look_into(data.folder).images_in) == MAX_FOLDERS - 1


def test_images_below(data: "TaskData") -> None:
    data.files("a/b/c/1.jpg", "d/1.txt", "d/.x.jpg", ".e/1.jpg")
    assert [has_images(data.folder, name) for name in ("a", "a/b/c", "d", "")] == [
        True, True, False, True,
    ]  # fmt: skip
    assert folders_in(data.folder, "") == ["a", "d"]


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("a/1.dcm", "", "DICOM"),
        ("a/1.dicom", "", "DICOM"),
        ("a.tar.gz", "", "archives (a.tar.gz)"),
        ("i.json", '{"info": {}, "images": [], "categories": []}', "COCO"),
        ("i.json", '{"info": {}}', None),
        ("1.jpg", "", None),
    ],
)
def test_kinds_that_are_refused(data: "TaskData", name: str, text: str, word: str | None) -> None:
    sentence = not_supported(data.text(name, text).folder, look_into(data.folder))
    assert sentence is None if word is None else word in (sentence or "")


def test_an_archive_beside_images_is_no_reason_to_refuse(data: "TaskData") -> None:
    data.files("a.zip", "a/1.jpg")
    assert not_supported(data.folder, look_into(data.folder)) is None


@pytest.mark.parametrize(
    ("cells", "separators", "want"),
    [
        (["cat", "dog", "cat,dog"], "|;,", "cat,dog"),
        (["a b", "b c", "a", "c"], "|;, ", "a b"),
        (["a|b", "b|a"], "|;,", "a|b"),
        (["Great Dane", "pug"], "|;, ", None),
        (["Smith, Ann", "pug"], "|;,", None),
        (["cat", "dog"], "|;,", None),
        ([], "|", None),
    ],
)
def test_several_labels_in_a_cell(cells: list[str], separators: str, want: str | None) -> None:
    assert labels_in_cells(cells, separators) == want


@pytest.mark.parametrize(
    ("cells", "want"),
    [
        (["cat", "dog", "cat,dog"], "cat,dog"),
        (["scab", "rust", "scab rust"], "scab rust"),
        # As many words as cells: names of classes.
        (["light red", "dark red", "light blue", "dark blue"], None),
        (["Great Dane", "pug"], None),
    ],
)
def test_what_may_be_several_labels_or_a_name(cells: list[str], want: str | None) -> None:
    assert several_labels(cells) == want


@pytest.mark.parametrize(
    ("values", "want"),
    [
        (["0", "1"], False),
        (["0.0", "1.0"], False),
        ([f"{n}" for n in range(30)], False),
        ([f"{n}.5" for n in range(30)], True),
        ([f"{n}" for n in range(51)], True),
        ([f"{n}.5" for n in range(30)] + ["cat"], False),
        (["nan", "inf", *(f"{n}.5" for n in range(30))], True),
    ],
)
def test_amounts(values: list[str], want: bool) -> None:
    assert are_amounts(values, max_classes=50) == want
