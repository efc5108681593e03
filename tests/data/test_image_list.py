"""Lists of images and their groups: from a folder, from a CSV file."""

from typing import TYPE_CHECKING

import pytest

from maskcls.core.errors import UserError
from maskcls.data.findings import Finding, Findings
from maskcls.data.image_list import (
    Listed,
    groups_in_paths,
    images_from_csv,
    list_images,
    with_extensions,
)
from maskcls.data.task_toml import Source

if TYPE_CHECKING:
    from tests.data.conftest import LocalFolder


def write(folder: "LocalFolder", *names: str) -> None:
    for name in names:
        path = folder.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")


def test_images_are_found_in_all_folders_and_sorted(folder: "LocalFolder") -> None:
    write(folder, "b/x.JPG", "a.png", "b/c/y.jpeg", "B.jpg", "c.JFIF")
    images = list_images(folder, Findings())
    assert list(images["path"]) == ["B.jpg", "a.png", "b/c/y.jpeg", "b/x.JPG", "c.JFIF"]
    assert [str(dtype) for dtype in images.dtypes] == ["str", "int64", "int64"]
    assert list(images["size_bytes"]) == [5] * 5
    assert images["mtime_ns"][1] == (folder.root / "a.png").stat().st_mtime_ns


def test_hidden_junk_and_other_files_are_skipped(folder: "LocalFolder") -> None:
    write(folder, "a.jpg", "._a.jpg", ".cache/b.jpg", "__MACOSX/c.jpg", "Thumbs.db", "notes.txt")
    (folder.root / "folder.jpg").mkdir()
    assert list(list_images(folder, Findings())["path"]) == ["a.jpg"]


def test_no_image_is_refused(folder: "LocalFolder") -> None:
    write(folder, "notes.txt")
    with pytest.raises(UserError, match="no image found"):
        list_images(folder, Findings())


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
        list_images(Folder(), Findings())
    assert "\\udcb0.jpg" in str(caught.value).encode("utf-8").decode()


def unread(folder: "LocalFolder") -> tuple[Finding, ...]:
    findings = Findings(where=folder.shown)
    list_images(folder, findings)
    return findings.collected()


def test_files_that_are_not_read_are_counted_by_extension(folder: "LocalFolder") -> None:
    write(folder, "a.jpg", "b/1.avif", "2.AVIF", "3.gif", "4.heic", "5", "x.y/6", "7.jpg.part")
    write(folder, ".hidden.avif", "Thumbs.db", "__MACOSX/8.avif")
    (folder.root / "9.avif").mkdir()
    (finding,) = unread(folder)
    assert (finding.kind, finding.where) == ("unread_files", folder.shown)
    text = "2 .avif, 2 without extension, 1 .gif, 1 .heic, 1 .part, such as "
    assert text in finding.text
    assert "only .jpg, .jpeg, .jfif, .png, .webp, .bmp, .tif, .tiff are" in finding.text


def test_many_extensions_are_summed_up(folder: "LocalFolder") -> None:
    write(folder, "a.jpg", *(f"{n}.x{n:02d}" for n in range(20)))
    (finding,) = unread(folder)
    assert "1 .x07, 12 of 12 other extensions, such as" in finding.text


def test_where_all_is_read_nothing_is_reported(folder: "LocalFolder") -> None:
    write(
        folder,
        "a.jpg",
        "b.JPEG",
        "c.jfif",
        "d.Png",
        "e.WebP",
        "f.bmp",
        "g.tif",
        "h.TIFF",
        ".hidden",
        "desktop.ini",
    )
    assert unread(folder) == ()


def test_a_folder_of_images_that_are_not_read_says_which_there_are(folder: "LocalFolder") -> None:
    write(folder, "1.gif", "2.heic")
    with pytest.raises(UserError, match=r"no image found .*1 \.gif, 1 \.heic"):
        list_images(folder, Findings())


def test_a_csv_may_have_blanks_around_names_and_values() -> None:
    data = " path\t, x\n a.jpg ,1\n\u3000b.jpg\u00a0,2\n".encode()
    assert images_from_csv(data, "new.csv").paths == ["a.jpg", "b.jpg"]
    with pytest.raises(UserError, match=r"line 3: path 'a\.jpg' is in line 2, too"):
        images_from_csv(b"path\na.jpg\na.jpg \n", "new.csv")
    with pytest.raises(UserError, match="line 2: path '' is not"):
        images_from_csv(b"path,x\n ,1\n", "new.csv")


@pytest.mark.parametrize("column", ["path", "ImageID", "image", "file_name"])
def test_csv_keeps_its_order(column: str) -> None:
    data = f"x,{column}\n1,b/2.jpg\n2,a.jpg\n".encode()
    assert images_from_csv(data, "new.csv") == Listed(["b/2.jpg", "a.jpg"], None)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"name\na.jpg\n", ["line 1", "no column path, image, ImageID or file_name", "'name'"]),
        (b"path,ImageID\na.jpg,b.jpg\n", ["several columns", "path, ImageID, one of them"]),
        (b"path\n", ["no rows"]),
        (b'path\na.jpg\n""\n', ["line 3", "''"]),
        (b"path\n/etc/a.jpg\n", ["line 2", "'/etc/a.jpg'"]),
        (b"path\na/../../b.jpg\n", ["line 2"]),
        (b"path\na\\b.jpg\n", ["line 2"]),
        (b"path\na.jpg\na.jpg\n", ["line 3", "line 2, too"]),
    ],
)
def test_bad_csv_is_refused(data: bytes, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        images_from_csv(data, "new.csv")
    assert str(caught.value).startswith("new.csv")
    for word in words:
        assert word in str(caught.value)


def test_a_tasks_own_column_names_the_images() -> None:
    data = b"image_name,target\na.jpg,1\n"
    assert images_from_csv(data, "new.csv", ("path", "image_name")).paths == ["a.jpg"]
    with pytest.raises(UserError, match="no column path, image"):
        images_from_csv(data, "new.csv")


def test_a_csv_may_name_groups() -> None:
    data = b"path,group,lesion\na.jpg, P1 ,1\nb.jpg,P2,2\nc.jpg,P1,2\n"

    def found(*names: str, data: bytes = data) -> tuple[list[str] | None, str | None]:
        listed = images_from_csv(data, "new.csv", group_columns=names)
        return listed.groups, listed.group_column

    assert found("group") == (["P1", "P2", "P1"], "group")
    assert found("lesion", "group") == (["1", "2", "2"], "lesion")
    assert found("patient", "group") == (["P1", "P2", "P1"], "group")
    assert found() == (None, None)
    assert found("patient") == (None, None)
    assert found("path") == (None, None)  # names the images already
    # Tables that were written with a column of row numbers have one without a name.
    assert found("", "group", data=b",path,group\n0,a.jpg,P1\n") == (["P1"], "group")
    with pytest.raises(UserError, match="line 3: lesion is empty"):
        found("lesion", data=b"path,lesion\na.jpg,1\nb.jpg, \n")


@pytest.mark.parametrize(
    ("source", "paths", "groups", "bad"),
    [
        ("folder", ["a/1.png", "b/x/2.png"], ["a", "b"], r"new: 3\.png is in no folder, .*column group"),
        ("stem", ["a/1.png", "b/x/1.jpg"], ["1", "1"], None),
        ("path:p([0-9]+)_", ["a/p1_x.png", "p12_y.jpg"], ["1", "12"],
         r"new: 3\.png is not named as 'path:p\(\[0-9\]\+\)_' says, .*column group"),
        ("path:^([^/]*)/", ["a/1.png"], ["a"], r"new: 3\.png is not named as"),
    ],
)  # fmt: skip
def test_a_path_names_the_group(
    source: str, paths: list[str], groups: list[str], bad: str | None
) -> None:
    assert groups_in_paths(paths, "new", Source.parse(source)) == groups
    if bad:
        with pytest.raises(UserError, match=f"^{bad}"):
            groups_in_paths([*paths, "3.png"], "new", Source.parse(source))


def test_a_name_without_extension_is_the_one_image_of_that_name(folder: "LocalFolder") -> None:
    write(folder, "a.jpg", "a.txt", "sub/scan.v2.png", "b.png", "sub/b.jpg")
    names = ["sub/scan.v2", "a", "b.png", "none", "nowhere/a"]
    assert with_extensions(names, folder, "new.csv") == [
        "sub/scan.v2.png", "a.jpg", "b.png", "none", "nowhere/a",
    ]  # fmt: skip
    write(folder, "a.png")
    with pytest.raises(UserError, match=r"new\.csv: 'a' names two images, a\.jpg and a\.png; add"):
        with_extensions(names, folder, "new.csv")


def test_two_names_of_one_image_are_refused(folder: "LocalFolder") -> None:
    write(folder, "b.png")
    with pytest.raises(
        UserError, match=r"new\.csv: 'b' and 'b\.png' name one image, b\.png; delete"
    ):
        with_extensions(["b", "b.png"], folder, "new.csv")
