"""A pixel file is checked whole once a boot, then a few chunks in turn at each opening."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from maskcls.config.values import Crop, Size
from maskcls.pixels import cache, checked
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.geometry import Geometry

NUM_CHUNKS = 3 * checked.SAMPLE + 1
CHUNK_BYTES = cache.CHUNK_ROWS * 12


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CachePlace:
    """A complete cache of 25 chunks that was not opened yet, on a machine with a boot id."""
    monkeypatch.setattr(checked, "_BOOT_ID", tmp_path / "boot_id")
    boot(tmp_path, "monday")
    rows = NUM_CHUNKS * cache.CHUNK_ROWS - 3
    digests = np.zeros((rows, 16), np.uint8)
    place = cache.cache_place(tmp_path, digests, Geometry(Crop(None), Size(2, 2)))
    file = cache.start_building(place)
    chunks = [
        cache.fill_chunk(file, place, start, images(start, min(start + cache.CHUNK_ROWS, rows)))
        for start in range(0, rows, cache.CHUNK_ROWS)
    ]
    cache.finish_building(place, chunks)
    return place


def images(start: int, stop: int) -> Iterator[np.ndarray]:
    for row in range(start, stop):
        yield np.full((2, 2, 3), row % 251, np.uint8)


def boot(folder: Path, name: str) -> None:
    (folder / "boot_id").write_text(f"{name}\n")


def damage(place: CachePlace, chunk: int) -> None:
    """As a disk does it: nothing says that the file has changed."""
    path = place.folder / "pixels.u8"
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(chunk * CHUNK_BYTES)
        byte = file.read(1)[0]
        file.seek(chunk * CHUNK_BYTES)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def is_open(place: CachePlace) -> bool:
    return cache.open_cache(place) is not None


@pytest.mark.parametrize("chunk", [0, 11, NUM_CHUNKS - 1])
def test_the_first_opening_finds_any_damage(place: CachePlace, chunk: int) -> None:
    damage(place, chunk)
    assert not is_open(place)


def test_later_openings_read_a_few_chunks(
    place: CachePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    real = cache._sound_chunks

    def counted(path: Path, at: CachePlace, sums: dict[int, int]) -> set[int]:
        read.extend(sums)
        return real(path, at, sums)

    monkeypatch.setattr(cache, "_sound_chunks", counted)
    assert is_open(place)
    assert sorted(read) == list(range(NUM_CHUNKS))
    read.clear()
    for _ in range(4):
        assert is_open(place)
    assert read == [chunk % NUM_CHUNKS for chunk in range(4 * checked.SAMPLE)]


@pytest.mark.parametrize("chunk", [0, 11, NUM_CHUNKS - 1])
def test_damage_is_found_within_one_turn_and_stays_found(place: CachePlace, chunk: int) -> None:
    assert is_open(place)
    damage(place, chunk)
    openings = [is_open(place) for _ in range(6)]
    first = chunk // checked.SAMPLE
    assert openings == [True] * first + [False] * (6 - first)


def test_after_a_boot_the_whole_is_checked(place: CachePlace) -> None:
    assert is_open(place)
    damage(place, NUM_CHUNKS - 1)
    assert is_open(place)
    boot(place.root, "tuesday")
    assert not is_open(place)


def test_a_file_that_was_touched_is_checked_whole(place: CachePlace) -> None:
    assert is_open(place)
    damage(place, NUM_CHUNKS - 1)
    os.utime(place.folder / "pixels.u8", ns=(1, 1))
    assert not is_open(place)


def test_another_file_of_the_same_name_is_checked_whole(place: CachePlace) -> None:
    assert is_open(place)
    damage(place, NUM_CHUNKS - 1)
    path = place.folder / "pixels.u8"
    before = path.stat()
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not is_open(place)


def test_two_machines_with_one_cache_do_not_make_each_other_forget(place: CachePlace) -> None:
    for name in ("monday", "next door"):
        boot(place.root, name)
        assert is_open(place)
    damage(place, NUM_CHUNKS - 1)
    for name in ("monday", "next door"):
        boot(place.root, name)
        assert is_open(place)


def test_the_memory_of_old_boots_is_dropped(place: CachePlace) -> None:
    for number in range(40):
        boot(place.root, f"boot {number}")
        assert is_open(place)
    boots = json.loads(place.checked.read_bytes())
    assert list(boots) == [f"boot {number}" for number in range(24, 40)]


def test_a_machine_that_does_not_say_when_it_started_checks_the_whole(place: CachePlace) -> None:
    (place.root / "boot_id").unlink()
    assert is_open(place)
    assert not place.checked.exists()
    damage(place, NUM_CHUNKS - 1)
    assert not is_open(place)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"monday": 3}',
        '{"monday": {}}',
        '{"monday": {"file": [], "next": 0}}',
        "\xff",
    ],
)
def test_a_memory_of_rubbish_is_none(place: CachePlace, text: str) -> None:
    place.checked.write_bytes(text.encode("latin-1"))
    damage(place, NUM_CHUNKS - 1)
    assert not is_open(place)


def test_a_memory_that_cannot_be_written_is_done_without(place: CachePlace) -> None:
    place.checked.mkdir()
    assert is_open(place)
    damage(place, NUM_CHUNKS - 1)
    assert not is_open(place)


def test_pixels_made_anew_are_checked_whole(place: CachePlace) -> None:
    assert is_open(place)
    assert place.checked.exists()
    cache.start_building(place)
    assert not place.checked.exists()
