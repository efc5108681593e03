"""Files of an image folder, in one order on every machine."""

import os
import unicodedata
from typing import TYPE_CHECKING

import pytest

from maskcls.core.errors import UserError
from maskcls.core.names import nfc
from maskcls.data.findings import Faults
from maskcls.data.walk import below, is_image, is_readable, walk

if TYPE_CHECKING:
    from tests.data.task_data import TaskData


def paths(data: "TaskData", folder: str = "", without: str | None = None) -> list[str]:
    return [path for path, _ in walk(data.folder, folder, without)]


def test_the_order_is_that_of_the_whole_paths(data: "TaskData") -> None:
    decomposed = unicodedata.normalize("NFD", "\u00e9")
    names = ["b/2.jpg", "a-1/1.jpg", "a/x/1.jpg", "a/x-1.jpg", "a.jpg", f"{decomposed}/1", "\u00ea"]
    data.files(*names)
    assert paths(data) == sorted(names, key=nfc)
    assert paths(data, "a") == ["x-1.jpg", "x/1.jpg"]


def test_hidden_folders_are_left_out_and_hidden_files_are_not(data: "TaskData") -> None:
    data.files(".git/1.jpg", "a/.x/1.jpg", "a/__MACOSX/1.jpg", "a/.1.jpg", ".2.jpg")
    assert paths(data) == [".2.jpg", "a/.1.jpg"]


@pytest.mark.parametrize("without", ["test", "a/test"])
def test_a_folder_is_left_out_wherever_it_lies(data: "TaskData", without: str) -> None:
    data.files("test/1", "a/test/1", "a/test-1/1", "b/test/1")
    want = sorted({"test/1", "a/test/1", "a/test-1/1", "b/test/1"} - {f"{without}/1"})
    assert paths(data, without=without) == want
    assert paths(data, "a", "a/test") == ["test-1/1"]


def test_a_missing_folder_has_no_files(data: "TaskData") -> None:
    assert paths(data, "nowhere") == []


def test_names_that_are_not_utf8_are_faults(data: "TaskData") -> None:
    (data.root / "a").mkdir()
    (data.root / "a" / os.fsdecode(b"\xff.jpg")).write_bytes(b"")
    (path,) = paths(data)
    faults = Faults()
    assert not is_readable("DATA", path, faults)
    assert is_readable("DATA", "\u00e9", faults)
    with pytest.raises(UserError, match="the name is not UTF-8"):
        faults.raise_if_any()


def test_paths_and_images() -> None:
    assert [below(*pair) for pair in (("", "a"), ("a", ""), ("a", "b"), ("", ""))] == [
        "a", "a", "a/b", "",
    ]  # fmt: skip
    assert [is_image(path) for path in ("a/x.JPG", "a/.x.jpg", "a/x.csv", "x.png/y")] == [
        True, False, False, False,
    ]  # fmt: skip
