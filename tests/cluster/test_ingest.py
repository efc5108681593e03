"""Reading a photo in the pixel pass: what is kept as a fault, and what must not be."""

from pathlib import Path

import pytest

from maskcls.cluster import ingest
from maskcls.config.sizes import Crop, Size
from maskcls.core.errors import UserError
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.geometry import Geometry
from maskcls.store.paths import Folder

PLACE = CachePlace(Path("cache"), "key", 1, Geometry(Crop(None), Size(8, 8)))


def test_missing_and_broken_photos_are_faults(tmp_path: Path) -> None:
    (tmp_path / "html.jpg").write_bytes(b"<html>")
    found = list(ingest.read_photos(Folder.at(tmp_path), ["html.jpg", "gone.jpg", ""], PLACE))
    assert found == ["neither a JPEG nor a PNG file", "the file is missing", "the file is missing"]


def test_a_photo_that_cannot_be_read_is_tried_again_and_never_kept_as_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def away(self: Folder, name: str) -> bytes:
        tries.append(name)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Folder, "read_bytes", away)
    monkeypatch.setattr(ingest, "_PAUSES_S", (0.0, 0.0))
    with pytest.raises(UserError, match=r"a\.jpg: cannot be read \(Input/output error\)"):
        list(ingest.read_photos(Folder.at(tmp_path), ["a.jpg"], PLACE))
    assert len(tries) == 3
