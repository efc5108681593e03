"""The fingerprint of a data set: it changes with contents, labels and ages, not with the location."""

import shutil
from pathlib import Path

import pytest

from maskcls.config.values import Crop, Size
from maskcls.pixels.geometry import Geometry
from maskcls.store.folder import Folder
from tests.runs.reading import read_data_set


@pytest.fixture
def copy(drawn: Path, tmp_path: Path) -> Path:
    """The drawn data in another folder, to be changed."""
    return Path(shutil.copytree(drawn, tmp_path / "copy"))


def fingerprint(data: Path, cache: Path) -> dict[str, object]:
    described = read_data_set(Folder.at(data), cache).describe(str(data))
    return {key: value for key, value in described.items() if key != "location"}


def test_the_location_is_no_part_of_it(drawn: Path, copy: Path, tmp_path: Path) -> None:
    found = fingerprint(copy, tmp_path / "cache")
    assert found == fingerprint(drawn, tmp_path / "cache")
    assert (found["groups"], found["eval_images"]) == (12, 21)


def test_an_age_within_its_group_changes_it(drawn: Path, copy: Path, tmp_path: Path) -> None:
    before = fingerprint(drawn, tmp_path / "cache")
    table = copy / "train" / "train.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    at = lines[0].split(",").index("age")
    number = next(k for k, line in enumerate(lines[1:], 1) if 20 <= int(line.split(",")[at]) < 29)
    values = lines[number].split(",")
    values[at] = str(int(values[at]) + 1)
    folder = values[lines[0].split(",").index("path")]
    (copy / "train/images" / folder).rename(
        copy / "train/images" / (new := folder.replace(f"_{int(values[at]) - 1}", f"_{values[at]}"))
    )
    values[lines[0].split(",").index("path")] = new
    lines[number] = ",".join(values)
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    after = fingerprint(copy, tmp_path / "cache")
    assert after["fingerprint"] != before["fingerprint"]
    assert after["eval_fingerprint"] == before["eval_fingerprint"]


def test_without_eval_there_is_no_eval_fingerprint(copy: Path, tmp_path: Path) -> None:
    shutil.rmtree(copy / "eval")
    found = fingerprint(copy, tmp_path / "cache")
    assert (found["eval_images"], found["eval_fingerprint"]) == (None, None)


def test_pixels_of_another_size_are_elsewhere(drawn: Path, tmp_path: Path) -> None:
    images = read_data_set(Folder.at(drawn), tmp_path).train
    places = [
        images.place(tmp_path, Geometry(Crop(None), Size(size, size))).folder for size in (8, 8, 16)
    ]
    assert places[0] == places[1] != places[2]
