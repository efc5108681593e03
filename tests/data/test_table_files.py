"""Folders and files of images beside train.csv: missing, stray, double, in other forms of a name."""

import unicodedata
from typing import TYPE_CHECKING, Literal

import pytest

from maskcls.core.mask import SHOTS
from tests.data.table_factory import MAN, OLD, WOMAN, findings, refusal

if TYPE_CHECKING:
    from tests.data.conftest import Dataset

Form = Literal["NFC", "NFD"]


def test_hidden_files_and_junk_are_one_finding(dataset: "Dataset") -> None:
    dataset.write_eval("a.jpg")
    for name in (
        "train/images/.DS_Store",
        f"train/images/{MAN}/._mask1.jpg",
        f"train/images/{MAN}/Thumbs.db",
        "eval/images/.hidden.jpg",
    ):
        dataset.write_bytes(name)
    found = dataset.read().findings
    assert [one.kind for one in found] == ["hidden_files"]
    assert found[0].text.startswith("4 hidden or junk files ignored: ")
    assert len(dataset.read().images) == 21


@pytest.mark.parametrize("name", ["mask6.jpg", "Mask1.jpg", "normal.gif", "normal", "a.mask1.jpg"])
def test_unknown_files_are_named_and_not_used(dataset: "Dataset", name: str) -> None:
    dataset.write_bytes(f"train/images/{MAN}/{name}")
    found = findings(dataset, "unknown_files")
    assert len(found) == 1
    assert found[0].startswith(f"train/images/{MAN}: ")
    assert found[0].endswith(name)
    assert len(dataset.read().images) == 21


def test_images_that_are_not_read_are_counted_by_extension(dataset: "Dataset") -> None:
    dataset.write_eval("a.jpg", files=["a.jpg", "b.avif"])
    for name in (f"{MAN}/mask1.psd", f"{MAN}/normal.HEIC", f"{OLD}/mask1.heic", "stray.gif"):
        dataset.write_bytes(f"train/images/{name}")
    (found,) = findings(dataset, "unread_files")
    assert found.startswith(
        "DATA: not read, only .jpg, .jpeg, .jfif, .png, .webp, .bmp, .tif, .tiff are: "
    )
    assert "2 .heic, 1 .avif, 1 .gif, 1 .psd, such as train/images/" in found
    assert len(dataset.read().images) == 21


def test_stray_files_and_folders_are_reported(dataset: "Dataset") -> None:
    dataset.write_bytes("train/images/readme.txt")
    dataset.write_bytes(f"train/images/{MAN}/copy/mask1.jpg")
    found = findings(dataset, "unknown_files")
    assert found[0].endswith("readme.txt")
    assert found[1].endswith("copy")


@pytest.mark.parametrize("second", ["mask1.png", "mask1.JPG", "mask1.jpeg"])
def test_two_files_for_one_shot_are_refused(dataset: "Dataset", second: str) -> None:
    dataset.write_bytes(f"train/images/{MAN}/{second}")
    message = refusal(dataset)
    assert message.startswith(f"train/images/{MAN}: ")
    assert "mask1.jpg" in message
    assert second in message


def test_person_with_missing_shots_is_used_and_reported(dataset: "Dataset") -> None:
    dataset.remove(f"train/images/{MAN}/mask2.jpg")
    dataset.remove(f"train/images/{MAN}/normal.jpg")
    assert findings(dataset, "missing_shots") == [
        f"train/images/{MAN}: no image mask2, normal; the others are used"
    ]
    people = dataset.read().groups
    assert list(people["num_images"]) == [7, 5, 7]


def test_row_without_folder_or_images_is_reported_with_its_line(dataset: "Dataset") -> None:
    dataset.remove(f"train/images/{WOMAN}")
    for shot in SHOTS:
        dataset.remove(f"train/images/{OLD}/{shot}.jpg")
    found = findings(dataset, "no_images")
    assert [text.split(":")[0] for text in found] == [
        "train/train.csv line 2",
        "train/train.csv line 4",
    ]
    assert "does not exist" in found[0]
    assert "has no images" in found[1]
    assert list(dataset.read().groups["group"]) == [MAN]


def test_folder_without_row_is_reported(dataset: "Dataset") -> None:
    dataset.write_person("000009_male_Asian_20")
    assert findings(dataset, "no_row") == [
        "train/images/000009_male_Asian_20: no row in train.csv; not used"
    ]
    assert len(dataset.read().groups) == 3


def test_many_findings_of_a_kind_are_cut(dataset: "Dataset") -> None:
    for number in range(60):
        (dataset.images / f"stranger{number:02d}").mkdir()
    found = findings(dataset, "no_row")
    assert len(found) == 51
    assert found[-1].endswith("... and 10 more like these")


@pytest.mark.parametrize(("in_csv", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_hangul_folder_matches_in_either_form(
    dataset: "Dataset", in_csv: Form, on_disk: Form
) -> None:
    name = "철수_male_Asian_20"
    written = unicodedata.normalize(in_csv, name)
    folder = unicodedata.normalize(on_disk, name)
    dataset.write_csv(f"7,male,Asian,20,{written}")
    dataset.write_person(folder)
    images = dataset.read().images
    assert set(images["group"]) == {written}
    assert images["path"][0] == f"{folder}/incorrect_mask.jpg"


def test_one_name_in_both_forms_is_refused(dataset: "Dataset") -> None:
    forms = [unicodedata.normalize(form, "철수") for form in ("NFC", "NFD")]
    dataset.write_csv(f"7,male,Asian,20,{forms[0]}")
    for form in forms:
        dataset.write_person(form)
    if len(list(dataset.images.glob("*"))) == 5:  # a Mac's file system knows only one of them
        assert "NFC, NFD" in refusal(dataset)
    dataset.write_csv(*(f"7,male,Asian,20,{form}" for form in forms))
    assert "is in line 2, too" in refusal(dataset)
