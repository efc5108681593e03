"""The images that `predict` is given, and what names their groups."""

from pathlib import Path

import pytest

from maskcls.core.errors import UserError
from maskcls.data.new_images import find_images
from tests.conftest import Heard


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "x").mkdir(parents=True)
    for name in ("a.png", "b.png", "x/c.png"):
        (folder / name).write_bytes(b"image")
    return folder


def test_groups_are_named_as_in_training(images: Path, heard: Heard) -> None:
    def found(where: Path, group: str) -> tuple[list[str], str | None]:
        new = find_images(str(where), heard, "image", group)
        assert heard.lines[-1] == f"groups: by {new.groups_from}"
        return new.rows["group"].tolist(), new.groups_from

    (images / "g.csv").write_text("path,lesion,group\nb.png,L1,P1\nx/c.png,L2,P1\n")
    assert found(images / "g.csv", "lesion") == (["L1", "L2"], "column lesion")
    assert found(images / "g.csv", "patient") == (["P1", "P1"], "column group")
    # In a task, folder and stem are no columns.
    (images / "i.csv").write_text("path,folder\nx/c.png,/data\n")
    assert found(images / "i.csv", "folder") == (["x"], "the first folder of each path")
    (images / "h.csv").write_text("path\nx/c.png\n")
    assert found(images / "h.csv", "lesion") == (["x"], "the first folder of each path")
    assert found(images / "h.csv", "path:([a-z])[.]") == (["c"], "path:([a-z])[.]")
    assert found(images / "x", "stem") == (["c"], "stem")
    # Where the answers are of patients, their column does not name the images.
    (images / "j.csv").write_text("path,patient\nx/c.png,P7\n")
    rows = find_images(str(images / "j.csv"), heard, "patient", "patient").rows
    assert (rows["path"].tolist(), rows["group"].tolist()) == (["x/c.png"], ["P7"])


def test_files_of_the_folder_that_are_not_read_are_counted_and_named(
    images: Path, heard: Heard
) -> None:
    for name in ("d.avif", "x/e.AVIF", "f.heic", "g.gif", "i.csv"):
        (images / name).write_bytes(b"image")
    (images / "h.jfif").write_bytes(b"image")
    rows = find_images(str(images), heard).rows
    assert list(rows["path"]) == ["a.png", "b.png", "h.jfif", "x/c.png"]
    (line,) = heard.warnings
    assert line.startswith(
        f"{images}: not read, only .jpg, .jpeg, .jfif, .png, .webp, .bmp, .tif, .tiff are: 2 .avif, "
    )
    assert "1 .csv, 1 .gif, 1 .heic, such as d.avif" in line


def test_a_csv_may_leave_out_extensions_and_its_names_are_kept(
    tmp_path: Path, heard: Heard
) -> None:
    (tmp_path / "images").mkdir()
    for name in ("b.png", "a.jpg"):
        (tmp_path / "images" / name).write_bytes(b"image")
    (tmp_path / "new.csv").write_text("image\nb\na.jpg\n")
    new = find_images(str(tmp_path / "new.csv"), heard)
    assert new.folder.local_path == tmp_path / "images"
    assert new.rows["path"].tolist() == ["b.png", "a.jpg"]
    assert new.rows["name"].tolist() == ["b", "a.jpg"]  # for the answers
    assert new.rows["size_bytes"].tolist() == [5, 5]


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("new.txt", "path\na.png\n", "neither a folder of images nor a CSV file"),
        ("none.csv", None, "there is no such file"),
        ("new.csv", "path\ny.png\n", "none of its images is in .* or its folder images"),
        ("new.csv", "path\na.png\n", r"a\.png is in no folder, so that its group is unknown"),
    ],
)
def test_what_cannot_be_listed_is_refused(
    images: Path, heard: Heard, name: str, text: str | None, fault: str
) -> None:
    if text is not None:
        (images / name).write_text(text)
    with pytest.raises(UserError, match=f"{name}: {fault}"):
        find_images(str(images / name), heard, group="")


def test_the_probe_is_an_image_that_exists(images: Path, heard: Heard) -> None:
    (images / "new.csv").write_text("path\ny.png\nb.png\na.png\n")
    assert find_images(str(images / "new.csv"), heard).probe == "b.png"
