"""check: what is wrong with a folder, image by image."""

import os
from pathlib import Path

import pytest
from PIL import Image

from maskcls.commands import check as command
from maskcls.commands.check import check, write_proposal
from maskcls.core.errors import Exit, StorageError, UserError
from maskcls.core.mask import SHOTS
from maskcls.data.find_task import find_task
from maskcls.pixels import fingerprint
from maskcls.store.folder import Folder
from tests.conftest import Heard

PERSON = "000001_female_Asian_45"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One person with seven sound images."""
    folder = tmp_path / "train/images" / PERSON
    folder.mkdir(parents=True)
    text = f"id,gender,race,age,path\n000001,female,Asian,45,{PERSON}\n"
    (tmp_path / "train/train.csv").write_text(text)
    for shot in SHOTS:
        Image.new("RGB", (8, 9), (1, 2, 3)).save(folder / f"{shot}.png")
    return tmp_path


def test_sound_data_is_good(data: Path, heard: Heard) -> None:
    found = check(str(data), heard)
    assert (found.exit_code, found.faults, found.findings) == (Exit.GOOD, {}, ())
    assert found.image_sizes == {"9x8": 7}


def test_images_that_are_not_read_are_counted_by_extension_and_named(
    data: Path, heard: Heard
) -> None:
    for name in ("mask1.avif", "mask2.avif", "normal.heic"):
        (data / "train/images" / PERSON / name).write_bytes(b"image")
    found = check(str(data), heard, decode_images=False)
    (text,) = (one.text for one in found.findings if one.kind == "unread_files")
    assert "2 .avif, 1 .heic, such as train/images/" in text
    assert f"{PERSON}/" in text


def test_images_that_cannot_be_decoded_are_faults(data: Path, heard: Heard) -> None:
    folder = data / "train/images" / PERSON
    (folder / "mask1.png").write_bytes(b"<html>")
    (folder / "mask2.png").unlink()
    (folder / "mask2.png").symlink_to(folder / "mask2.png.gif")
    Image.new("RGB", (8, 9)).save(folder / "mask2.png.gif")
    found = check(str(data), heard)
    assert found.exit_code == Exit.DEGRADED
    assert found.faults == {
        f"train/images/{PERSON}/mask1.png": "not a JPEG, PNG, WebP, BMP or TIFF file",
        f"train/images/{PERSON}/mask2.png": "not a JPEG, PNG, WebP, BMP or TIFF file but GIF",
    }


def test_storage_that_is_away_is_no_fault_of_the_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(folder: Folder, path: str) -> bytes:
        raise error

    monkeypatch.setattr(fingerprint, "_PAUSES_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(Folder, "read_chunks", fails)
    job = (os.fspath(tmp_path), "train/images", ("a.png",))
    error: Exception = OSError(5, "Input/output error")
    with pytest.raises(StorageError, match=r"a\.png: cannot be read"):
        command._decode_chunk(job)
    error = UserError("no permission to read here")
    ((path, reason, _),) = command._decode_chunk(job)
    assert path == "a.png"
    assert "no permission" in reason


# ---- other tasks than mask -----------------------------------------------------------------------


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Folders of classes: five cats, five dogs, and two images to predict, all different."""
    for number, name in enumerate(
        [f"train/{kind}/{n}.png" for kind in ("cat", "dog") for n in range(5)]
        + [f"test/{n}.png" for n in range(2)]
    ):
        picture(tmp_path / name, number)
    return tmp_path


def picture(file: Path, number: int, size: tuple[int, int] = (20, 10)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (number, 0, 0)).save(file)


def test_folders_of_classes_are_good(pets: Path, heard: Heard) -> None:
    found = check(str(pets), heard)
    assert (found.exit_code, found.faults, found.findings) == (Exit.GOOD, {}, ())
    assert (found.table.task.classes, found.preset) == (("cat", "dog"), "plain")
    assert found.image_sizes == {"10x20": 12}
    assert found.class_table().to_numpy().tolist() == [[0, 5, 5, "cat"], [1, 5, 5, "dog"]]
    assert found.equal is not None
    assert found.equal.sentences() == []


def test_what_to_know_is_said_in_sentences(pets: Path, heard: Heard) -> None:
    (pets / "train/dog/4.png").write_bytes((pets / "train/cat/0.png").read_bytes())
    (pets / "train/dog/3.png").write_bytes((pets / "train/dog/2.png").read_bytes())
    said = check(str(pets), heard).sentences()
    assert said[0] == "if one always answers cat: macro F1 0.333  accuracy 0.500"
    assert said[1].startswith("image.crop=fill keeps 50 % of every image (12 of 10x20)")
    assert said[2].startswith("no group is named: each image is its own group;")
    # Ten images, two of which joined another: eight groups.
    assert (
        "same bytes: 4 images in 2 sets; 2 groups joined others, so that each set is in one"
        in (said[-2])
    )
    assert said[-1] == "same bytes, different labels: cat/0.png (cat), dog/4.png (dog)"


def test_without_decoding_no_image_is_opened(pets: Path, heard: Heard) -> None:
    (pets / "train/cat/0.png").write_bytes(b"<html>")
    found = check(str(pets), heard, decode_images=False)
    assert (found.exit_code, found.image_sizes, found.equal) == (Exit.GOOD, {}, None)
    assert check(str(pets), heard).faults == {
        "train/cat/0.png": "not a JPEG, PNG, WebP, BMP or TIFF file"
    }


def test_a_row_without_its_image_is_passed_over_and_degrades(tmp_path: Path, heard: Heard) -> None:
    rows = [f"{n}.png,{'cat' if n % 2 else 'dog'}" for n in range(6)]
    (tmp_path / "train.csv").write_text("\n".join(["image,label", *rows, ""]))
    for number in range(6):
        picture(tmp_path / f"{number}.png", number)
    assert check(str(tmp_path), heard).exit_code == Exit.GOOD
    (tmp_path / "3.png").unlink()
    found = check(str(tmp_path), heard)
    assert found.exit_code == Exit.DEGRADED
    assert len(found.table.images) == 5
    assert list(found.table.missing) == ["3.png"]
    assert any("3.png" in finding.text for finding in found.findings)


def test_a_missing_image_to_predict_degrades(data: Path, heard: Heard) -> None:
    (data / "eval/images").mkdir(parents=True)
    (data / "eval/info.csv").write_text("ImageID,ans\na.png,0\nb.png,0\nc.png,0\n")
    for number, name in enumerate(("a", "b")):
        picture(data / f"eval/images/{name}.png", number)
    found = check(str(data), heard)
    assert (found.exit_code, found.faults) == (Exit.DEGRADED, {})


def test_a_proposal_is_the_task_that_is_read_and_never_overwrites(pets: Path, heard: Heard) -> None:
    implied = check(str(pets), heard).table.task
    where = write_proposal(str(pets))
    assert where == f"{pets}/task.toml"
    proposed = (pets / "task.toml").read_bytes()
    assert find_task(Folder.at(pets)).how.endswith("task.toml")
    found = check(str(pets), heard)
    assert found.exit_code == Exit.GOOD
    assert (found.table.task.classes, found.table.task.metric) == (implied.classes, implied.metric)
    with pytest.raises(UserError, match=r"task\.toml: is there already, and --propose never over"):
        write_proposal(str(pets))
    assert (pets / "task.toml").read_bytes() == proposed


def test_the_proposal_for_the_mask_layout_is_the_built_in_task(data: Path, heard: Heard) -> None:
    write_proposal(str(data))
    text = (data / "task.toml").read_text()
    for old, new in (
        ("borders = [30, 60]", "borders = [25, 40]"),
        ('["<30", "30-59", "60+"]', '["<25", "25-39", "40+"]'),
    ):
        assert old in text
        text = text.replace(old, new)
    (data / "task.toml").write_text(text)
    task = check(str(data), heard).table.task
    assert task.part("age").values == ("<25", "25-39", "40+")
    assert [task.part("age").code_of(age) for age in (24, 25, 39, 40)] == [0, 1, 1, 2]


def test_a_task_may_be_named(pets: Path, tmp_path: Path, heard: Heard) -> None:
    with pytest.raises(UserError, match="no such task file; built-in tasks are mask"):
        check(str(pets), heard, task=str(tmp_path / "no.toml"))
    with pytest.raises(UserError, match=r"train/train\.csv"):
        check(str(pets), heard, task="mask")


def test_a_sample_submission_that_train_refuses_is_refused(pets: Path, heard: Heard) -> None:
    (pets / "task.toml").write_text(
        '[task]\nimages = "train"\n[[part]]\nname = "label"\nfrom = "folder"\n'
        '[eval]\nimages = "test"\n[answers]\nlike = "sample.csv"\n'
    )
    with pytest.raises(UserError, match=r"sample\.csv: there is no such file"):
        check(str(pets), heard, decode_images=False)
    (pets / "sample.csv").write_text("image,label\n0.png,cat\n2.png,cat\n")
    with pytest.raises(UserError, match=r"image '2\.png' names no eval image"):
        check(str(pets), heard, decode_images=False)
    (pets / "sample.csv").write_text("image,label\n0.png,cat\n1.png,cat\n")
    assert check(str(pets), heard, decode_images=False).exit_code == Exit.GOOD
