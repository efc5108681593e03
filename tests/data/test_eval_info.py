"""eval/: files by ImageID, with and without extension."""

from pathlib import Path

import pytest

from maskcls.core.errors import UserError
from maskcls.data.eval_info import read_eval_images, read_info
from maskcls.data.findings import Faults, Findings
from maskcls.store.folder import Folder


def read(root: Path, ids: list[str], files: list[str], needed: bool = True) -> list[str]:
    """The paths that are found, "" for a missing image."""
    (root / "eval" / "images").mkdir(parents=True)
    (root / "eval" / "info.csv").write_text("\n".join(["ImageID,ans", *ids, ""]))
    for name in files:
        (root / "eval" / "images" / name).write_bytes(b"image")
    folder, faults, findings = Folder.at(root), Faults(), Findings()
    rows = read_info(folder, faults, findings)
    faults.raise_if_any()
    assert rows is not None
    return list(read_eval_images(folder, rows, findings, needed)["path"])


def test_images_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    ids = ["b.jpg,0", "a,0", ".hidden.png,0"]
    found = read(tmp_path, ids, ["a.png", "b.jpg", ".hidden.png", "a.txt"])
    assert found == ["b.jpg", "a.png", ".hidden.png"]


def test_two_images_of_one_name_without_extension_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line 2: ImageID 'a' may be a\.jpg or a\.png"):
        read(tmp_path, ["a,0"], ["a.jpg", "a.png"])


@pytest.mark.parametrize("needed", [True, False])
def test_most_images_missing_are_refused_where_they_are_needed(
    tmp_path: Path, needed: bool
) -> None:
    ids = ["a.jpg,0", "b.jpg,0", "c.jpg,0"]
    if not needed:
        assert read(tmp_path, ids, ["b.jpg"], needed) == ["", "b.jpg", ""]
        return
    with pytest.raises(UserError, match=r"2 of 3 in all: a\.jpg \(line 2\), c\.jpg \(line 4\)"):
        read(tmp_path, ids, ["b.jpg"])


def test_without_eval_there_is_none(tmp_path: Path) -> None:
    assert read_info(Folder.at(tmp_path), Faults(), Findings()) is None
