"""Digests follow contents; files whose stat has not changed are not read again."""

import os
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from maskcls.core.errors import StorageError, UserError
from maskcls.core.hashing import digest_of_bytes
from maskcls.data.csv_file import text_series
from maskcls.pixels import decode as decoding
from maskcls.pixels import fingerprint as reading
from maskcls.pixels.decode import DecodeError, decode
from maskcls.pixels.fingerprint import digests_of
from maskcls.store.folder import Folder

NAMES = ("a.jpg", "b.jpg", "c.jpg")


@dataclass
class Images:
    """A folder of files, and which of them were read."""

    root: Path
    reads: list[str] = field(default_factory=list)

    def digests(self, names: Sequence[str] = NAMES) -> list[bytes]:
        """Digests by the files' present stats."""
        stats = [(self.root / "images" / name).stat() for name in names]
        sizes = np.array([stat.st_size for stat in stats], np.int64)
        mtimes = np.array([stat.st_mtime_ns for stat in stats], np.int64)
        folder = Folder.at(self.root / "images")
        self.reads.clear()
        paths = text_series(names)
        found = digests_of(folder, paths, sizes, mtimes, self.root / "cache")
        assert (found.shape, found.dtype) == ((len(names), 16), np.uint8)
        return [row.tobytes() for row in found]

    def write(self, name: str, data: bytes, mtime: int) -> None:
        path = self.root / "images" / name
        path.write_bytes(data)
        os.utime(path, ns=(mtime, mtime))


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Images:
    made = Images(tmp_path)
    (tmp_path / "images").mkdir()
    for name in NAMES:
        made.write(name, name.encode() * 9, 10**18)
    real = Folder.read_chunks

    def counted(folder: Folder, name: str) -> Iterator[bytes]:
        made.reads.append(name)
        return real(folder, name)

    monkeypatch.setattr(Folder, "read_chunks", counted)
    return made


def test_a_digest_is_that_of_the_bytes(images: Images) -> None:
    assert images.digests() == [digest_of_bytes(name.encode() * 9) for name in NAMES]


def test_unchanged_files_are_not_read_again(images: Images) -> None:
    first = images.digests()
    assert sorted(images.reads) == sorted(NAMES)
    assert images.digests() == first
    assert images.digests(NAMES[::-1]) == first[::-1]
    assert images.reads == []


def test_a_touched_file_is_read_again_and_keeps_its_digest(images: Images) -> None:
    first = images.digests()
    images.write("b.jpg", b"b.jpg" * 9, 2 * 10**18)
    assert images.digests() == first
    assert images.reads == ["b.jpg"]


def test_a_changed_byte_changes_the_digest(images: Images) -> None:
    first = images.digests()
    images.write("b.jpg", b"B.jpg" + b"b.jpg" * 8, 2 * 10**18)
    second = images.digests()
    assert [a == b for a, b in zip(first, second, strict=True)] == [True, False, True]


def test_files_that_came_are_read_alone(images: Images) -> None:
    images.digests()
    images.write("d.jpg", b"new", 10**18)
    images.digests((*NAMES, "d.jpg"))
    assert images.reads == ["d.jpg"]


@dataclass
class Unreadable:
    """Makes b.jpg fail, for some tries or for all; pauses are noted instead of made."""

    patch: pytest.MonkeyPatch
    tries: int = 0
    pauses: list[float] = field(default_factory=list)

    def fail(self, error: Exception, times: int = 10**9) -> None:
        real = Folder.read_chunks

        def failing(folder: Folder, name: str) -> Iterator[bytes]:
            if name == "b.jpg":
                self.tries += 1
                if self.tries <= times:
                    raise error
            return real(folder, name)

        self.patch.setattr(Folder, "read_chunks", failing)
        self.patch.setattr(reading.time, "sleep", self.pauses.append)


@pytest.fixture
def unreadable(images: Images) -> Iterator[Unreadable]:
    with pytest.MonkeyPatch.context() as patch:
        yield Unreadable(patch)


LASTING = [UserError("no permission"), IsADirectoryError(21, "Is a directory")]
PASSING = [
    OSError(5, "Input/output error"),
    OSError(116, "Stale file handle"),
    OSError("AWS Error SLOW_DOWN during GetObject operation"),
    TimeoutError(110, "Connection timed out"),
    StorageError("the store asks for fewer requests"),
]


@pytest.mark.parametrize("error", LASTING)
def test_a_file_that_is_there_and_cannot_be_read_is_told(
    images: Images, unreadable: Unreadable, error: Exception
) -> None:
    # As an empty file it would make the run one of other data, for good.
    unreadable.fail(error)
    with pytest.raises(UserError, match=r"b\.jpg: cannot be read \(.*fix that") as caught:
        images.digests()
    assert not isinstance(caught.value, StorageError)
    assert unreadable.tries == 3
    unreadable.patch.undo()
    assert images.digests()[1] == digest_of_bytes(b"b.jpg" * 9)
    assert "a.jpg" not in images.reads  # a.jpg, which came before it, was remembered


@pytest.mark.parametrize("error", PASSING)
def test_storage_that_fails_for_a_while_is_waited_for(
    images: Images, unreadable: Unreadable, error: Exception
) -> None:
    unreadable.fail(error, times=5)
    assert images.digests()[1] == digest_of_bytes(b"b.jpg" * 9)
    assert unreadable.pauses == sorted(unreadable.pauses)
    assert 12 < sum(unreadable.pauses) < 20


@pytest.mark.parametrize("error", PASSING)
def test_storage_that_stays_away_is_no_fault_of_the_users(
    images: Images, unreadable: Unreadable, error: Exception
) -> None:
    unreadable.fail(error)
    with pytest.raises(StorageError, match=r"b\.jpg: cannot be read \(.*in 6 tries; run the same"):
        images.digests()
    unreadable.patch.undo()
    assert images.digests()[1] == digest_of_bytes(b"b.jpg" * 9)
    assert "a.jpg" not in images.reads


def test_when_the_whole_folder_is_away_no_image_is_missing(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def come_back(pause_s: float) -> None:
        pauses.append(pause_s)
        (images.root / "away").rename(images.root / "images")

    monkeypatch.setattr(reading.time, "sleep", come_back)
    (images.root / "images").rename(images.root / "away")
    assert reading.read_image(Folder.at(images.root / "images"), "a.jpg") == b"a.jpg" * 9
    assert len(pauses) == 1


def test_a_missing_file_counts_as_empty_until_it_is_there(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Folder.read_chunks

    def gone(folder: Folder, name: str) -> Iterator[bytes]:
        if name == "b.jpg":
            raise FileNotFoundError(name)
        return counted(folder, name)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "read_chunks", gone)
        assert images.digests()[1] == digest_of_bytes(b"")
    assert images.digests()[1] == digest_of_bytes(b"b.jpg" * 9)
    assert images.reads == ["b.jpg"]


def test_without_a_modification_time_files_are_read_each_time(images: Images) -> None:
    for name in NAMES:
        os.utime(images.root / "images" / name, ns=(0, 0))
    images.digests()
    images.digests()
    assert sorted(images.reads) == sorted(NAMES)


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"rubbish" * 30])
def test_a_damaged_index_is_made_again(images: Images, damage: bytes) -> None:
    first = images.digests()
    (index,) = (images.root / "cache" / "digests").iterdir()
    index.write_bytes(damage)
    assert images.digests() == first
    assert len(images.reads) == len(NAMES)


def test_a_cache_that_cannot_be_written_is_told(images: Images) -> None:
    (images.root / "cache").write_bytes(b"a file")
    with pytest.raises(UserError, match="a file is in the place of a folder"):
        images.digests()


def test_a_digest_takes_no_memory_for_the_file(images: Images) -> None:
    num_bytes = 96 * 2**20
    with (images.root / "images" / "scan.tif").open("wb") as file:
        file.truncate(num_bytes)
    tracemalloc.start()
    try:
        (digest,) = images.digests(("scan.tif",))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * 2**20
    assert digest == digest_of_bytes(bytes(num_bytes))


def test_of_a_file_that_is_too_large_no_more_is_read_than_shows_it(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (reading, decoding):
        monkeypatch.setattr(module, "MAX_FILE_BYTES", 10 * 2**20)
    with (images.root / "images" / "scan.tif").open("wb") as file:
        file.truncate(100 * 2**20)
    data = reading.read_image(Folder.at(images.root / "images"), "scan.tif")
    assert data is not None
    assert 10 * 2**20 < len(data) <= 20 * 2**20
    with pytest.raises(
        DecodeError, match=r"^more than 0\.00976562 GiB, which is not read; replace"
    ):
        decode(data)
