"""The digits as folders of classes: all of them, with their pixels, each on one side."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from maskcls.core.errors import UserError
from maskcls.demo import digits
from maskcls.demo.dataset import DemoData
from maskcls.demo.digits import write_digits


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> DemoData:
    return write_digits(tmp_path_factory.mktemp("digits") / "data")


def files_of(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_each_digit_is_a_file_with_its_pixels_in_its_folder(written: DemoData) -> None:
    table = load_digits()
    files = {int(file.stem): file for file in written.folder.rglob("*.png")}
    assert sorted(files) == list(range(1797))
    for number, file in files.items():
        assert file.parent.name == str(table.target[number])
        with Image.open(file) as image:
            assert (image.mode, image.size) == ("L", (8, 8))
            found = np.asarray(image, dtype=np.float64)
        assert np.abs(found / 255 * 16 - table.images[number]).max() < 0.04


def test_a_fifth_of_each_digit_is_for_the_end(written: DemoData) -> None:
    train, test = written.folder / "train", written.folder / "test"
    assert (written.num_images, written.num_eval_images) == (1442, 355)
    assert len(list(train.rglob("*.png"))) == 1442
    assert sorted(f.name for f in train.iterdir()) == sorted(f.name for f in test.iterdir())
    for digit in range(10):
        held = len(list((test / str(digit)).iterdir()))
        assert held == (held + len(list((train / str(digit)).iterdir()))) // 5


def test_the_truth_names_the_test_images_and_their_folders(written: DemoData) -> None:
    with written.truth.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["image"] for row in rows} == {
        file.relative_to(written.folder / "test").as_posix()
        for file in (written.folder / "test").rglob("*.png")
    }
    assert all(row["image"].startswith(row["label"] + "/") for row in rows)


def test_without_a_test_part(tmp_path: Path) -> None:
    data = write_digits(tmp_path / "all", test_every=0)
    assert (data.num_images, data.num_eval_images) == (1797, 0)
    assert sorted(f.name for f in data.folder.iterdir()) == ["demo.json", "train"]


def test_complete_digits_are_left_alone_and_interrupted_ones_completed(
    written: DemoData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Path] = []
    save = Image.Image.save

    def stop(image: Image.Image, file: Path) -> None:
        if len(saved) == 100:
            raise KeyboardInterrupt
        saved.append(file)
        save(image, file)

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", stop)
        assert write_digits(written.folder) == written
        assert not saved
        with pytest.raises(KeyboardInterrupt):
            write_digits(tmp_path / "digits")
    assert len(saved) == 100
    assert not (tmp_path / "digits" / "demo.json").exists()
    write_digits(tmp_path / "digits")
    assert files_of(tmp_path / "digits") == files_of(written.folder)


def test_other_folders_are_refused(written: DemoData, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="is not empty and not a demo"):
        write_digits(tmp_path)
    with pytest.raises(UserError, match="is a file"):
        write_digits(tmp_path / "thesis.txt")
    with pytest.raises(UserError, match="has another demo"):
        write_digits(written.folder, test_every=0)
    with pytest.raises(UserError, match="must be 0, or 2 or more"):
        write_digits(tmp_path / "new", test_every=1)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_importing_it_does_not_load_scikit_learn() -> None:
    assert "load_digits" not in vars(digits)
