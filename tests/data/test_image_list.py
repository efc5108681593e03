"""New images for `predict`: from a folder, from a CSV file."""

from typing import TYPE_CHECKING

import pytest

from maskcls.core.errors import UserError
from maskcls.data.image_list import images_from_csv, list_images

if TYPE_CHECKING:
    from tests.data.conftest import LocalFolder


def write(folder: "LocalFolder", *names: str) -> None:
    for name in names:
        path = folder.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")


def test_images_are_found_in_all_folders_and_sorted(folder: "LocalFolder") -> None:
    write(folder, "b/x.JPG", "a.png", "b/c/y.jpeg", "B.jpg")
    images = list_images(folder)
    assert list(images["path"]) == ["B.jpg", "a.png", "b/c/y.jpeg", "b/x.JPG"]
    assert [str(dtype) for dtype in images.dtypes] == ["str", "int64", "int64"]
    assert list(images["size_bytes"]) == [5] * 4
    assert images["mtime_ns"][1] == (folder.root / "a.png").stat().st_mtime_ns


def test_hidden_junk_and_other_files_are_skipped(folder: "LocalFolder") -> None:
    write(folder, "a.jpg", "._a.jpg", ".cache/b.jpg", "__MACOSX/c.jpg", "Thumbs.db", "notes.txt")
    (folder.root / "folder.jpg").mkdir()
    assert list(list_images(folder)["path"]) == ["a.jpg"]


def test_no_image_is_refused(folder: "LocalFolder") -> None:
    write(folder, "notes.txt")
    with pytest.raises(UserError, match="no image found"):
        list_images(folder)


def test_name_that_is_not_utf8_is_refused() -> None:
    class Entry:
        name, size_bytes, mtime_ns, is_file = "\udcb0.jpg", 1, 1, True

    class Folder:
        location = shown = "new"

        def exists(self, name: str = "") -> bool:
            return True

        is_dir = exists

        def list(self, name: str = "", recursive: bool = False) -> list[Entry]:
            return [Entry()]

        def read_bytes(self, name: str) -> bytes:
            return b""

    with pytest.raises(UserError, match="not UTF-8") as caught:
        list_images(Folder())
    assert "\\udcb0.jpg" in str(caught.value).encode("utf-8").decode()


@pytest.mark.parametrize("column", ["path", "ImageID"])
def test_csv_keeps_its_order(column: str) -> None:
    data = f"x,{column}\n1,b/2.jpg\n2,a.jpg\n".encode()
    assert images_from_csv(data, "new.csv") == ["b/2.jpg", "a.jpg"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"name\na.jpg\n", ["line 1", "no column path or ImageID", "'name'"]),
        (b"path,ImageID\na.jpg,b.jpg\n", ["both a column path and ImageID"]),
        (b"path\n", ["no rows"]),
        (b'path\na.jpg\n""\n', ["line 3", "''"]),
        (b"path\n/etc/a.jpg\n", ["line 2", "'/etc/a.jpg'"]),
        (b"path\na/../../b.jpg\n", ["line 2"]),
        (b"path\na\\b.jpg\n", ["line 2"]),
        (b"path\na.jpg\na.jpg\n", ["line 3", "line 2 too"]),
    ],
)
def test_bad_csv_is_refused(data: bytes, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        images_from_csv(data, "new.csv")
    assert str(caught.value).startswith("new.csv")
    for word in words:
        assert word in str(caught.value)
