"""The cache of decoded pixels is whole or absent, and made by one command at a time."""

import json
import multiprocessing
import shutil
from collections import namedtuple
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from maskcls.config.values import Crop, Size
from maskcls.core.errors import UserError
from maskcls.pixels import cache, faces
from maskcls.pixels.cache import CachePlace, Image, NoFace
from maskcls.pixels.geometry import Geometry

GEOMETRY = Geometry(Crop(None), Size(4, 3))
NUM_ROWS = cache.CHUNK_ROWS + 10
FAULTS = {5: "the file is empty", cache.CHUNK_ROWS + 1: "neither a JPEG nor a PNG, \u00e9\udc80"}


def image(row: int) -> np.ndarray:
    return np.random.default_rng(row).integers(1, 256, (4, 3, 3), dtype=np.uint8)


def images(start: int, stop: int, faceless: Sequence[int] = ()) -> Iterator[Image]:
    for row in range(start, stop):
        found = FAULTS.get(row, image(row))
        yield NoFace(image(row)) if row in faceless else found


def build(place: CachePlace, faceless: Sequence[int] = ()) -> None:
    file = cache.start_building(place)
    starts = range(0, place.rows, cache.CHUNK_ROWS)
    chunks = [
        cache.fill_chunk(file, place, s, images(s, min(s + cache.CHUNK_ROWS, place.rows), faceless))
        for s in starts
    ]
    cache.finish_building(place, chunks[::-1])  # in any order


def place_in(root: Path, rows: int = NUM_ROWS) -> CachePlace:
    digests = np.arange(rows * 16, dtype=np.int64).astype(np.uint8).reshape(rows, 16)
    return cache.cache_place(root, digests, GEOMETRY)


@pytest.fixture
def place(tmp_path: Path) -> CachePlace:
    """A whole cache."""
    place = place_in(tmp_path / "cache")
    with cache.building_lock(place, lambda text: None):
        build(place)
    return place


def test_pixels_and_faults_come_back(place: CachePlace) -> None:
    found = cache.open_cache(place)
    assert found is not None
    assert found.faults == FAULTS
    assert found.pixels.shape == (NUM_ROWS, 4, 3, 3)
    for row in range(NUM_ROWS):
        assert np.array_equal(found.pixels[row], 0 * image(row) if row in FAULTS else image(row))


def test_rows_without_a_face_come_back_with_their_pixels(tmp_path: Path) -> None:
    place, faceless = place_in(tmp_path), (0, 7, cache.CHUNK_ROWS, NUM_ROWS - 1)
    build(place, faceless)
    found = cache.open_cache(place)
    assert found is not None
    assert found.fallbacks == faceless
    assert found.faults == FAULTS
    for row in faceless:
        assert np.array_equal(found.pixels[row], image(row))


def test_where_every_face_was_found_the_manifest_is_as_before_there_were_face_crops(
    place: CachePlace,
) -> None:
    path = place.folder / "manifest.json"
    names = "format key rows bytes geometry crc32 faults checksum"
    assert list(json.loads(path.read_bytes())) == names.split()
    found = cache.open_cache(place)
    assert found is not None
    assert found.fallbacks == ()


def test_the_rows_without_a_face_are_under_the_checksum(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    build(place, faceless=[3])
    path = place.folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    for changed in ({"fallbacks": [4]}, {"fallbacks": []}):
        path.write_text(json.dumps(manifest | changed))
        assert cache.open_cache(place) is None
    path.write_text(json.dumps(manifest))
    assert cache.open_cache(place) is not None


def test_pixels_are_read_only(place: CachePlace) -> None:
    found = cache.open_cache(place)
    assert found is not None
    with pytest.raises(ValueError, match="read-only"):
        found.pixels[0] = 0


def test_absent_is_none(tmp_path: Path) -> None:
    assert cache.open_cache(place_in(tmp_path)) is None


@pytest.mark.parametrize("name", ["pixels.u8", "manifest.json"])
def test_a_missing_or_cut_file_makes_it_absent(place: CachePlace, name: str) -> None:
    path = place.folder / name
    data = path.read_bytes()
    for length in (0, 1, len(data) // 2, len(data) - 2):
        path.write_bytes(data[:length])
        assert cache.open_cache(place) is None
    path.write_bytes(data)
    assert cache.open_cache(place) is not None
    path.unlink()
    assert cache.open_cache(place) is None


@pytest.mark.parametrize("name", ["pixels.u8", "manifest.json"])
def test_a_flipped_byte_anywhere_makes_it_absent(place: CachePlace, name: str) -> None:
    path = place.folder / name
    data = path.read_bytes()
    step = 97 if name == "pixels.u8" else 1
    for at in [*range(0, len(data) - 1, step), len(data) - 2]:
        damaged = bytearray(data)
        damaged[at] ^= 4
        path.write_bytes(damaged)
        assert cache.open_cache(place) is None, at


def test_another_format_or_geometry_makes_it_absent(
    place: CachePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(place, geometry=replace(GEOMETRY, size=Size(3, 4)))
    assert cache.open_cache(other) is None
    monkeypatch.setattr(cache, "FORMAT", cache.FORMAT + 1)
    assert cache.open_cache(place) is None


def test_key_names_contents_order_and_geometry(tmp_path: Path) -> None:
    digests = np.arange(48, dtype=np.uint8).reshape(3, 16)
    wider = replace(GEOMETRY, size=Size(4, 4))
    keys = {
        cache.cache_place(tmp_path, digests, GEOMETRY).key,
        cache.cache_place(tmp_path, digests[::-1].copy(), GEOMETRY).key,
        cache.cache_place(tmp_path, digests[:2], GEOMETRY).key,
        cache.cache_place(tmp_path, digests, wider).key,
        cache.cache_place(tmp_path, digests, replace(GEOMETRY, crop=Crop(margin=0.3))).key,
        cache.cache_place(tmp_path, digests, replace(GEOMETRY, crop=Crop(margin=0.4))).key,
    }
    assert len(keys) == 6


def test_another_detector_makes_another_key_of_face_crops_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = np.zeros((3, 16), np.uint8)
    geometries = [GEOMETRY, replace(GEOMETRY, crop=Crop(margin=0.3))]
    before = [cache.cache_place(tmp_path, digests, g).key for g in geometries]
    monkeypatch.setitem(faces.DETECTOR, "min_score", 0.9)
    after = [cache.cache_place(tmp_path, digests, g).key for g in geometries]
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_the_key_of_a_centre_crop_is_what_it_was(tmp_path: Path) -> None:
    """As worked out for cache format 3; another key would decode everything anew."""
    digests = np.arange(48, dtype=np.uint8).reshape(3, 16)
    geometry = Geometry(Crop.center_of(384, 384), Size(384, 288))
    assert cache.cache_place(tmp_path, digests, geometry).key == "a0a0c35fda3954cf32a23e8a3a5331fb"


def test_no_images_are_a_whole_cache_too(tmp_path: Path) -> None:
    place = place_in(tmp_path, rows=0)
    build(place)
    found = cache.open_cache(place)
    assert found is not None
    assert found.pixels.shape == (0, 4, 3, 3)


def test_what_a_killed_command_left_is_thrown_away(place: CachePlace) -> None:
    shutil.rmtree(place.folder)
    place.building.mkdir()
    (place.building / "rubbish").write_bytes(b"half")
    assert cache.open_cache(place) is None
    build(place)
    assert sorted(p.name for p in place.folder.iterdir()) == ["manifest.json", "pixels.u8"]
    assert not place.building.exists()


def test_what_a_killed_command_left_of_other_images_goes_and_what_is_at_work_stays(
    place: CachePlace, tmp_path: Path
) -> None:
    left, busy = (replace(place, key=name) for name in ("left", "busy"))
    for other in (left, busy):
        cache.start_building(other)
    with cache.building_lock(busy, lambda text: None):
        build(place)
    assert not left.building.exists()
    assert (busy.building / "pixels.u8").stat().st_size == busy.num_bytes
    cache.give_up_building(busy)
    assert not busy.building.exists()


def test_a_damaged_cache_is_made_again(place: CachePlace) -> None:
    (place.folder / "pixels.u8").write_bytes(b"")
    build(place)
    assert cache.open_cache(place) is not None


def begin(place: CachePlace, chunks: Sequence[int], faceless: Sequence[int] = ()) -> None:
    """Fill some chunks, and be killed."""
    file = cache.start_building(place)
    for number in chunks:
        start = number * cache.CHUNK_ROWS
        stop = min(start + cache.CHUNK_ROWS, place.rows)
        found = cache.fill_chunk(file, place, start, images(start, stop, faceless))
        cache.note_finished(place, found)


def test_finished_chunks_are_taken_up_and_the_cache_is_as_if_made_in_one_go(
    tmp_path: Path,
) -> None:
    rows, faceless = 3 * cache.CHUNK_ROWS + 1, (0, 300, 600)
    whole = place_in(tmp_path / "whole", rows)
    build(whole, faceless)
    place = place_in(tmp_path / "resumed", rows)
    begin(place, [2, 0], faceless)
    (place.building / "paths.arrow").write_bytes(b"left over")
    file, chunks = cache.resume_building(place)
    assert [chunk.start for chunk in chunks] == [0, 512]
    assert chunks[0].faults == {5: FAULTS[5]}
    for start in (256, 768):
        stop = min(start + 256, rows)
        chunks.append(cache.fill_chunk(file, place, start, images(start, stop, faceless)))
    cache.finish_building(place, chunks)
    for name in ("pixels.u8", "manifest.json"):
        assert (place.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert sorted(p.name for p in place.folder.iterdir()) == ["manifest.json", "pixels.u8"]
    assert cache.open_cache(place) is not None


def test_a_finished_chunk_whose_bytes_changed_is_not_taken_up(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    begin(place, [0, 1])
    with (place.building / "pixels.u8").open("r+b") as out:
        out.write(b"\xff\xff\0")
    assert [chunk.start for chunk in cache.resume_building(place)[1]] == [256]


def test_a_journal_that_a_kill_cut_short_costs_one_chunk(tmp_path: Path) -> None:
    place = place_in(tmp_path, 3 * cache.CHUNK_ROWS)
    begin(place, [0, 1])
    text = place.journal.read_bytes()
    place.journal.write_bytes(text[:-9])
    assert [chunk.start for chunk in cache.resume_building(place)[1]] == [0]
    found = cache.fill_chunk(place.building / "pixels.u8", place, 512, images(512, 768))
    cache.note_finished(place, found)
    assert [chunk.start for chunk in cache.resume_building(place)[1]] == [0, 512]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "null",
        '{"start": 0}',
        '{"start": 0, "stop": 999, "crc32": 0, "faults": {}, "fallbacks": []}',
        '{"start": 7, "stop": 256, "crc32": 0, "faults": {}, "fallbacks": []}',
        '{"start": 0, "stop": 256, "crc32": 0, "faults": [], "fallbacks": []}',
        '{"start": 0, "stop": 256, "crc32": "x", "faults": {}, "fallbacks": []}',
        "\xff\x00",
    ],
)
def test_a_journal_of_rubbish_is_none(tmp_path: Path, line: str) -> None:
    place = place_in(tmp_path)
    cache.start_building(place)
    place.journal.write_bytes(line.encode("latin-1"))
    file, chunks = cache.resume_building(place)
    assert chunks == []
    assert file.stat().st_size == place.num_bytes
    assert not place.journal.exists()


def test_finished_chunks_of_a_file_of_another_size_are_not_taken_up(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    begin(place, [0])
    with (place.building / "pixels.u8").open("r+b") as out:
        out.truncate(256 * 36)
    file, chunks = cache.resume_building(place)
    assert chunks == []
    assert file.stat().st_size == place.num_bytes


def test_resuming_deletes_what_was_half_made_of_other_images_and_a_damaged_whole(
    place: CachePlace,
) -> None:
    other = replace(place, key="other")
    begin(other, [0])
    begin(place, [1])
    assert not other.building.exists()
    build(replace(place, key="third"))
    assert not place.building.exists()


def test_rows_left_out_are_noticed(place: CachePlace) -> None:
    file = cache.start_building(place)
    first = cache.fill_chunk(file, place, 0, images(0, cache.CHUNK_ROWS))
    with pytest.raises(RuntimeError, match="left rows out"):
        cache.finish_building(place, [first])
    with pytest.raises(RuntimeError, match="left rows out"):
        cache.finish_building(place, [first, first])
    assert cache.open_cache(place) is None


def test_chunks_of_another_size_are_noticed(place: CachePlace) -> None:
    file = cache.start_building(place)
    whole = cache.fill_chunk(file, place, 0, images(0, place.rows))
    with pytest.raises(RuntimeError, match="chunks of other than 256 rows"):
        cache.finish_building(place, [whole])


def test_too_little_room_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 3 * 2**28))
    place = replace(place_in(tmp_path), rows=10**8)
    with pytest.raises(UserError, match=r"need 3\.48 GiB here and 0\.75 GiB are free; .*cache_dir"):
        cache.start_building(place)
    assert not place.building.exists()


def test_a_disk_that_fills_up_meanwhile_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    place = place_in(tmp_path)
    with pytest.raises(UserError, match=r"No space left on device\); free some"):
        cache.start_building(place)
    assert not place.building.exists()


def test_a_cache_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    place = place_in(tmp_path / "file")
    with (
        pytest.raises(UserError, match=r"Not a directory\); point cluster\.cache_dir elsewhere"),
        cache.building_lock(place, lambda text: None),
    ):
        pass


def _want(root: Path, pipe: Connection) -> None:
    """In another process: use the cache, make it if it is missing, return what happened."""
    place, said = place_in(root), list[str]()
    pipe.send("starting")
    with cache.building_lock(place, said.append):
        made = cache.open_cache(place) is None
        if made:
            build(place)
    pipe.send((made, said))


def test_the_second_command_waits_and_finds_the_pixels(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    place = place_in(tmp_path)
    with cache.building_lock(place, lambda text: None):
        other = context.Process(target=_want, args=(tmp_path, theirs))
        other.start()
        assert ours.poll(60)
        assert ours.recv() == "starting"
        assert not ours.poll(1.0)  # it waits
        build(place)
    assert ours.poll(60)
    assert ours.recv() == (
        False,
        ["another command is decoding the same images; waiting for its pixels"],
    )
    other.join()


def test_a_killed_command_blocks_nobody_and_leaves_its_finished_chunks(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    context = multiprocessing.get_context("spawn")
    ours, theirs = multiprocessing.Pipe()
    other = context.Process(target=_hold, args=(tmp_path, theirs))
    other.start()
    assert ours.poll(60)
    other.kill()
    other.join()
    with cache.building_lock(place, lambda text: None):
        file, chunks = cache.resume_building(place)
        assert [chunk.start for chunk in chunks] == [0]
        rest = cache.fill_chunk(file, place, 256, images(256, NUM_ROWS))
        cache.finish_building(place, [*chunks, rest])
    found = cache.open_cache(place)
    assert found is not None
    assert found.faults == FAULTS


def _hold(root: Path, pipe: Connection) -> None:
    place = place_in(root)
    with cache.building_lock(place, lambda text: None):
        begin(place, [0])
        pipe.send("held")
        import time

        time.sleep(600)


def test_manifest_is_json(place: CachePlace) -> None:
    manifest = json.loads((place.folder / "manifest.json").read_bytes())
    assert (manifest["rows"], manifest["bytes"]) == (NUM_ROWS, NUM_ROWS * 36)
