"""check: what is wrong with a folder, image by image."""

import os
from pathlib import Path

import pytest
from PIL import Image

from maskcls.commands import check as command
from maskcls.commands.check import check
from maskcls.core.errors import Exit, StorageError, UserError
from maskcls.core.labels import SHOTS
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
    for name in ("mask1.webp", "mask2.webp", "normal.heic"):
        (data / "train/images" / PERSON / name).write_bytes(b"image")
    found = check(str(data), heard, decode_images=False)
    (text,) = (one.text for one in found.findings if one.kind == "unread_files")
    assert "2 .webp, 1 .heic, such as train/images/" in text
    assert f"{PERSON}/" in text


def test_images_that_cannot_be_decoded_are_faults(data: Path, heard: Heard) -> None:
    folder = data / "train/images" / PERSON
    (folder / "mask1.png").write_bytes(b"<html>")
    (folder / "mask2.png").unlink()
    (folder / "mask2.png").symlink_to(folder / "mask2.png.webp")
    Image.new("RGB", (8, 9)).save(folder / "mask2.png.webp")
    found = check(str(data), heard)
    assert found.exit_code == Exit.DEGRADED
    assert found.faults == {
        f"train/images/{PERSON}/mask1.png": "neither a JPEG nor a PNG file",
        f"train/images/{PERSON}/mask2.png": "neither a JPEG nor a PNG file but WebP",
    }


def test_storage_that_is_away_is_no_fault_of_the_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(folder: Folder, path: str) -> bytes:
        raise error

    monkeypatch.setattr(fingerprint, "_PAUSES_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(Folder, "read_bytes", fails)
    job = (os.fspath(tmp_path), "train/images", ("a.png",))
    error: Exception = OSError(5, "Input/output error")
    with pytest.raises(StorageError, match=r"a\.png: cannot be read"):
        command._decode_chunk(job)
    error = UserError("no permission to read here")
    ((path, reason),) = command._decode_chunk(job)
    assert path == "a.png"
    assert "no permission" in reason
