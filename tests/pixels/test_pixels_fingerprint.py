"""Digests follow contents; files whose stat has not changed are not read again."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from maskcls.core.errors import UserError
from maskcls.core.hashing import digest_of_bytes
from maskcls.core.text_column import text_series
from maskcls.pixels import reading
from maskcls.pixels.fingerprint import digests_of
from maskcls.store.paths import Folder

NAMES = ("a.jpg", "b.jpg", "c.jpg")


@dataclass
class Photos:
    """A folder of files, and which of them were read."""

    root: Path
    reads: list[str] = field(default_factory=list)

    def digests(self, names: Sequence[str] = NAMES) -> list[bytes]:
        """Digests by the files' present stats."""
        stats = [(self.root / "photos" / name).stat() for name in names]
        sizes = np.array([stat.st_size for stat in stats], np.int64)
        mtimes = np.array([stat.st_mtime_ns for stat in stats], np.int64)
        folder = Folder.at(self.root / "photos")
        self.reads.clear()
        paths = text_series(names)
        found = digests_of(folder, paths, sizes, mtimes, self.root / "cache")
        assert (found.shape, found.dtype) == ((len(names), 16), np.uint8)
        return [row.tobytes() for row in found]

    def write(self, name: str, data: bytes, mtime: int) -> None:
        path = self.root / "photos" / name
        path.write_bytes(data)
        os.utime(path, ns=(mtime, mtime))


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Photos:
    made = Photos(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in NAMES:
        made.write(name, name.encode() * 9, 10**18)
    real = Folder.read_bytes

    def counted(folder: Folder, name: str) -> bytes:
        made.reads.append(name)
        return real(folder, name)

    monkeypatch.setattr(Folder, "read_bytes", counted)
    return made


def test_a_digest_is_that_of_the_bytes(photos: Photos) -> None:
    assert photos.digests() == [digest_of_bytes(name.encode() * 9) for name in NAMES]


def test_unchanged_files_are_not_read_again(photos: Photos) -> None:
    first = photos.digests()
    assert sorted(photos.reads) == sorted(NAMES)
    assert photos.digests() == first
    assert photos.digests(NAMES[::-1]) == first[::-1]
    assert photos.reads == []


def test_a_touched_file_is_read_again_and_keeps_its_digest(photos: Photos) -> None:
    first = photos.digests()
    photos.write("b.jpg", b"b.jpg" * 9, 2 * 10**18)
    assert photos.digests() == first
    assert photos.reads == ["b.jpg"]


def test_a_changed_byte_changes_the_digest(photos: Photos) -> None:
    first = photos.digests()
    photos.write("b.jpg", b"B.jpg" + b"b.jpg" * 8, 2 * 10**18)
    second = photos.digests()
    assert [a == b for a, b in zip(first, second, strict=True)] == [True, False, True]


def test_files_that_came_are_read_alone(photos: Photos) -> None:
    photos.digests()
    photos.write("d.jpg", b"new", 10**18)
    photos.digests((*NAMES, "d.jpg"))
    assert photos.reads == ["d.jpg"]


@pytest.mark.parametrize("error", [OSError(5, "I/O error"), UserError("no permission")])
def test_a_file_that_is_there_and_cannot_be_read_is_told(
    photos: Photos, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    # As an empty file it would make the run one of other data, for good.
    counted, tries = Folder.read_bytes, []

    def failing(folder: Folder, name: str) -> bytes:
        if name == "b.jpg":
            tries.append(name)
            raise error
        return counted(folder, name)

    monkeypatch.setattr(reading, "_PAUSES_S", (0.0, 0.0))
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "read_bytes", failing)
        with pytest.raises(UserError, match=r"b\.jpg: cannot be read \(.*mend that"):
            photos.digests()
    assert len(tries) == 3
    assert photos.digests()[1] == digest_of_bytes(b"b.jpg" * 9)
    assert "a.jpg" not in photos.reads  # a.jpg, which came before it, was remembered


def test_a_missing_file_counts_as_empty_until_it_is_there(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Folder.read_bytes

    def gone(folder: Folder, name: str) -> bytes:
        if name == "b.jpg":
            raise FileNotFoundError(name)
        return counted(folder, name)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "read_bytes", gone)
        assert photos.digests()[1] == digest_of_bytes(b"")
    assert photos.digests()[1] == digest_of_bytes(b"b.jpg" * 9)
    assert photos.reads == ["b.jpg"]


def test_without_a_modification_time_files_are_read_each_time(photos: Photos) -> None:
    for name in NAMES:
        os.utime(photos.root / "photos" / name, ns=(0, 0))
    photos.digests()
    photos.digests()
    assert sorted(photos.reads) == sorted(NAMES)


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"rubbish" * 30])
def test_a_damaged_index_is_made_again(photos: Photos, damage: bytes) -> None:
    first = photos.digests()
    (index,) = (photos.root / "cache" / "digests").iterdir()
    index.write_bytes(damage)
    assert photos.digests() == first
    assert len(photos.reads) == len(NAMES)


def test_a_cache_that_cannot_be_written_is_told(photos: Photos) -> None:
    (photos.root / "cache").write_bytes(b"a file")
    with pytest.raises(UserError, match="a file stands where a folder is meant"):
        photos.digests()
