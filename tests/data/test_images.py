"""train/images: rows by person and shot."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from maskcls.core.errors import UserError
from maskcls.core.labels import SHOTS
from maskcls.data.findings import Faults, Findings
from maskcls.data.images import read_images
from maskcls.data.people_csv import read_people
from maskcls.store.folder import Folder

if TYPE_CHECKING:
    import pandas as pd

CSV = b"id,gender,race,age,path\n1,female,Asian,60,a\n2,male,Asian,7,a-1\n3,male,Asian,7,c\n"


def read(root: Path, *names: str) -> "tuple[pd.DataFrame, pd.DataFrame, Faults, Findings]":
    for name in names:
        path = root / "train" / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")
    faults, findings = Faults(), Findings()
    people = read_people(CSV, "train.csv", faults, findings)
    return *read_images(Folder.at(root), people, faults, findings), faults, findings


def test_images_are_in_the_order_of_their_paths_and_people_in_that_of_their_names(
    tmp_path: Path,
) -> None:
    images, people, faults, findings = read(
        tmp_path, "a/normal.JPG", "a/mask1.png", "a-1/mask5.jpg"
    )
    faults.raise_if_any()
    assert images["path"].tolist() == ["a-1/mask5.jpg", "a/mask1.png", "a/normal.JPG"]
    assert images["label"].tolist() == [0, 5, 17]
    assert images["shot"].astype("str").tolist() == ["mask5", "mask1", "normal"]
    assert people["person"].tolist() == ["a", "a-1"]
    assert images["person"].cat.codes.tolist() == [1, 0, 0]
    assert people["num_images"].tolist() == [2, 1]
    kinds = [finding.kind for finding in findings.collected()]
    assert kinds == ["missing_shots", "missing_shots", "no_images"]


def test_two_files_for_one_shot_are_a_fault(tmp_path: Path) -> None:
    *_, faults, _ = read(tmp_path, *(f"a/{shot}.jpg" for shot in SHOTS), "a/mask1.png")
    with pytest.raises(UserError, match=r"mask1\.jpg and mask1\.png are both the shot mask1"):
        faults.raise_if_any()


def test_no_image_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no image found in train/images for any person"):
        read(tmp_path, "a/mask9.jpg")
