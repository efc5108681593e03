"""Decoded pixels in one memory-mapped file that every fold, epoch and later run on a machine reads.

    CACHE/pixels/KEY/pixels.u8       uint8 [N, H, W, 3], row-major; row = position in the table
    CACHE/pixels/KEY/manifest.json   format, key, geometry, rows, bytes, checksums, faults,
                                     fallbacks (only where a face crop found no face)
    CACHE/pixels/KEY.lock            held (flock) by the command that makes it
    CACHE/pixels/KEY.checked         see checked.py
    CACHE/pixels/KEY.building/       the same, not complete; the holder of the lock may delete it
    CACHE/pixels/KEY.building/chunks.jsonl   the chunks that are finished, see journal.py

States: absent -> building (lock held) -> whole. The step to whole is one rename after everything
has been flushed. A command that was killed, or lost the storage of its images, leaves a .building
folder: the next one that makes the same pixels uses its finished chunks, one that makes others
deletes it. KEY depends on the images' contents, in order, and on the geometry. Does not use Ray: the
caller decides in how many processes the rows are filled.
"""

import fcntl
import json
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import StorageError
from maskcls.core.hashing import combine
from maskcls.pixels import checked, journal
from maskcls.pixels.geometry import Geometry, GeometryJson
from maskcls.pixels.journal import ChunkStatus as ChunkStatus
from maskcls.store.atomic import rename_into_place, write_file_atomically

# 2: images with odd metadata are decoded, resized by Pillow 13; 3: transparent pixels are white, WebP,
# BMP and TIFF are decoded (before, their reasons were stored as faults).
FORMAT = 3
CHUNK_ROWS = 256
"""Rows that one task fills and one checksum covers."""

Pixels = npt.NDArray[np.uint8]


class Manifest(TypedDict):
    """The content of manifest.json but its own checksum; crc32: of each chunk; faults: by row."""

    format: int
    key: str
    rows: int
    bytes: int
    geometry: GeometryJson
    crc32: list[int]
    faults: dict[str, str]
    fallbacks: NotRequired[list[int]]


@dataclass(frozen=True)
class CachePlace:
    """Location of the pixels of some images at some geometry, whether or not they exist yet."""

    root: Path
    key: str
    rows: int
    geometry: Geometry

    @property
    def folder(self) -> Path:
        """The complete cache, once it exists."""
        return self.root / "pixels" / self.key

    @property
    def building(self) -> Path:
        """The cache while it is being made."""
        return self.root / "pixels" / f"{self.key}.building"

    @property
    def journal(self) -> Path:
        """The finished chunks of a cache that is being made."""
        return self.building / "chunks.jsonl"

    @property
    def checked(self) -> Path:
        """The record of which chunks of the complete cache were checked."""
        return self.root / "pixels" / f"{self.key}.checked"

    @property
    def num_bytes(self) -> int:
        """Size of the pixels [bytes]."""
        return self.rows * self.geometry.bytes_per_image

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the pixels: rows, height, width, 3."""
        return (self.rows, self.geometry.size.height, self.geometry.size.width, 3)


@dataclass(frozen=True)
class CachedPixels:
    """A whole cache, opened: pixels uint8 [N, H, W, 3] (read-only map), faults {row: reason}.

    fallbacks: rows, ascending, whose face was not found, so that they hold the centre crop.
    """

    pixels: Pixels
    faults: Mapping[int, str]
    fallbacks: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class NoFace:
    """An image without a face to crop to; pixels: its centre crop, uint8 [H, W, 3]."""

    pixels: Pixels


Image = Pixels | NoFace | str
"""Result of an image: pixels, pixels without a face, or the reason why there are none."""


def cache_place(root: Path, digests: npt.NDArray[np.uint8], geometry: Geometry) -> CachePlace:
    """Name the cache of these images; digests: uint8 [N, 16] of the images' bytes, in row order."""
    # Sorted keys: the text must not depend on the order in which a dict was filled.
    text = json.dumps(geometry.to_json(), sort_keys=True)
    key = combine([f"pixels {FORMAT}", text, digests.tobytes()])
    return CachePlace(root, key, len(digests), geometry)


def open_cache(place: CachePlace) -> CachedPixels | None:
    """The pixels when they are whole, None when absent or damaged.

    Size and manifest are always checked; the checksums of all chunks at the first opening since the
    machine started or the file changed, after that those of a few in turn (see checked.py).
    """
    manifest = _read_manifest(place)
    if manifest is None:
        return None
    path = place.folder / "pixels.u8"
    try:
        # Before the checks: were the file changed during them, its record would not fit the new one.
        stat = path.stat()
        if stat.st_size != place.num_bytes:
            return None
        # Read-only: all folds of a machine share these pages, and a stray write would change the data
        # of them all. A map of no bytes is an error, hence the empty array.
        pixels: Pixels = (
            np.memmap(path, np.uint8, "r", shape=place.shape)
            if place.rows
            else np.empty(place.shape, np.uint8)
        )
        sums = dict(enumerate(manifest["crc32"]))
        known = checked.Checked(place.checked, stat, len(sums))
        due = {chunk: sums[chunk] for chunk in known.due()}
        if _sound_chunks(path, place, due) != set(due):
            # Else the next opening may check other chunks and accept the file.
            checked.forget(place.checked)
            return None
        known.were_sound()
    except OSError:  # not there or unreadable: the caller decodes again
        return None
    faults = {int(row): why for row, why in manifest["faults"].items()}
    return CachedPixels(pixels, faults, tuple(manifest.get("fallbacks", ())))


def _sound_chunks(path: Path, place: CachePlace, sums: Mapping[int, int]) -> set[int]:
    """Which of some chunks have their checksum; sums: expected CRC-32 by a chunk's number."""
    chunk_bytes = CHUNK_ROWS * place.geometry.bytes_per_image
    found = set()
    # Read, not mapped: pages touched through a map count as this process's memory.
    with path.open("rb") as file:
        for chunk, crc32 in sums.items():
            file.seek(chunk * chunk_bytes)
            if zlib.crc32(file.read(chunk_bytes)) == crc32:
                found.add(chunk)
    return found


def _read_manifest(place: CachePlace) -> Manifest | None:
    try:
        manifest = json.loads((place.folder / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    # Its own checksum first: if it fits, this is what finish_building wrote, of the type Manifest.
    if not isinstance(manifest, dict) or manifest.pop("checksum", None) != _checksum_of(manifest):
        return None
    wanted = {"format": FORMAT, "key": place.key, "rows": place.rows}
    same = all(manifest.get(k) == v for k, v in wanted.items())
    found = cast(Manifest, manifest)
    return found if same and found["geometry"] == place.geometry.to_json() else None


def _checksum_of(manifest: Mapping[str, object]) -> int:
    return zlib.crc32(json.dumps(manifest, sort_keys=True).encode())


def checksum(pixels: Pixels) -> int:
    """CRC-32 of some rows' bytes."""
    return zlib.crc32(np.ascontiguousarray(pixels).data)


@contextmanager
def building_lock(place: CachePlace, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock for making this cache; waits, and says so, while another command has it.

    The lock ends with its process, so a killed command blocks no other. Raises UserError when the
    folder cannot be written.
    """
    path = place.root / "pixels" / f"{place.key}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("a+")
    except OSError as e:
        raise StorageError(
            f"{place.root}: cannot be written ({e.strerror}); point cluster.cache_dir elsewhere."
        ) from e
    with opened as file:
        has_said, since = False, time.monotonic()
        # Polled, since a blocking flock could not report that it waits.
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not has_said or time.monotonic() - since > 60:
                    say("another command is decoding the same images; waiting for its pixels")
                    has_said, since = True, time.monotonic()
                time.sleep(0.5)
        yield


def resume_building(place: CachePlace) -> tuple[Path, list[ChunkStatus]]:
    """As start_building, but with the chunks that an earlier command finished; the lock must be held.

    Returns the file to fill, and the chunks that it already holds.
    """
    finished = _finished_chunks(place)
    # Without any, the file may be missing, of the wrong size, or not reserved: begin anew.
    if not finished:
        return start_building(place), []
    _sweep(place)
    _remove_whole(place)
    return place.building / "pixels.u8", finished


def _finished_chunks(place: CachePlace) -> list[ChunkStatus]:
    """The journal's chunks whose bytes still have their checksum."""
    stops = {s: min(s + CHUNK_ROWS, place.rows) for s in range(0, place.rows, CHUNK_ROWS)}
    # By number: a chunk may be listed twice when two attempts finished it; the last line counts.
    chunks = {
        chunk.start // CHUNK_ROWS: chunk
        for chunk in journal.read_lines(place.journal)
        if stops.get(chunk.start) == chunk.stop
    }
    path = place.building / "pixels.u8"
    try:
        if path.stat().st_size != place.num_bytes:
            return []
        sound = _sound_chunks(path, place, {i: chunk.crc32 for i, chunk in chunks.items()})
    except OSError:
        return []
    return [chunks[i] for i in sorted(sound)]


def note_finished(place: CachePlace, chunk: ChunkStatus) -> None:
    """Record that a chunk is finished, for resume_building; in any process, no lock needed."""
    journal.add_line(place.journal, chunk)


def start_building(place: CachePlace) -> Path:
    """Make an empty file of the right size for the rows; the lock must be held.

    Returns the file to fill. Raises StorageError when the disk has too little space.
    """
    # Deleting comes before measuring what is free.
    _sweep(place)
    shutil.rmtree(place.building, ignore_errors=True)
    _remove_whole(place)
    place.building.mkdir(parents=True)
    free = shutil.disk_usage(place.building).free
    # Some more than the pixels: metadata of the file system, manifest and journal.
    needed = int(place.num_bytes * 1.02) + 64 * 2**20
    if free < needed:
        place.building.rmdir()
        raise StorageError(
            f"{place.root}: decoded pixels need {needed / 2**30:.2f} GiB here and"
            f" {free / 2**30:.2f} GiB are free; free some, or point cluster.cache_dir elsewhere."
        )
    path = place.building / "pixels.u8"
    with path.open("wb") as file:
        try:
            # Reserves the blocks: writing to a sparse map on a full disk would kill with SIGBUS.
            os.posix_fallocate(file.fileno(), 0, max(place.num_bytes, 1))
            file.truncate(place.num_bytes)
        except OSError as e:
            shutil.rmtree(place.building, ignore_errors=True)
            raise StorageError(
                f"{place.root}: {needed / 2**30:.2f} GiB cannot be reserved here ({e.strerror});"
                " free some, or point cluster.cache_dir elsewhere."
            ) from e
    return path


def _remove_whole(place: CachePlace) -> None:
    """Delete the complete cache: open_cache has refused it as damaged."""
    checked.forget(place.checked)
    shutil.rmtree(place.folder, ignore_errors=True)


def _sweep(place: CachePlace) -> None:
    """Delete what others left incomplete, of any images: each already occupies its full size."""
    for folder in place.building.parent.glob("*.building"):
        if folder == place.building:
            continue
        with suppress(OSError), folder.with_suffix(".lock").open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while a command is making it
            shutil.rmtree(folder, ignore_errors=True)


def give_up_building(place: CachePlace) -> None:
    """Delete the incomplete cache; the lock must be held."""
    shutil.rmtree(place.building, ignore_errors=True)


def finish_building(place: CachePlace, chunks: list[ChunkStatus]) -> None:
    """Check that every row was filled, flush, and make the cache appear by one rename."""
    chunks = sorted(chunks, key=lambda c: c.start)
    # A row that was never written is black and would train as a black image.
    edges = [0, *(c.stop for c in chunks)]
    if [c.start for c in chunks] != edges[:-1] or edges[-1] != place.rows:
        raise RuntimeError(f"pixel pass left rows out: {len(chunks)} chunks end at {edges[-1]}")
    if any(c.start % CHUNK_ROWS for c in chunks) or len(chunks) != -(-place.rows // CHUNK_ROWS):
        raise RuntimeError(f"pixel pass used chunks of other than {CHUNK_ROWS} rows")
    manifest: Manifest = {
        "format": FORMAT,
        "key": place.key,
        "rows": place.rows,
        "bytes": place.num_bytes,
        "geometry": place.geometry.to_json(),
        "crc32": [c.crc32 for c in chunks],
        "faults": {str(row): why for c in chunks for row, why in sorted(c.faults.items())},
    }
    # Absent means none: so the file of a cache without a face crop is the same as before fallbacks
    # existed, and one FORMAT is enough.
    if fallbacks := [row for c in chunks for row in c.fallbacks]:
        manifest["fallbacks"] = fallbacks
    # ASCII: a file name in a reason need not be UTF-8.
    text = json.dumps({**manifest, "checksum": _checksum_of(manifest)}) + "\n"
    write_file_atomically(place.building / "manifest.json", text.encode())
    for left in place.building.iterdir():
        if left.name not in ("pixels.u8", "manifest.json"):  # the journal, the tasks' list of paths
            left.unlink()
    rename_into_place(place.building, place.folder)


def fill_chunk(
    file: Path,
    place: CachePlace,
    start: int,
    images: Iterator[Image],
) -> ChunkStatus:
    """Write a chunk's rows into their slice of the file; in any process, no lock needed.

    images: for each row from start on, its pixels [H, W, 3] or the reason why there are none; such
    a row stays black.
    """
    # Several tasks map the same file and write to separate rows, so none needs a lock.
    out = np.memmap(file, np.uint8, "r+", shape=place.shape)
    # One image at a time: a chunk of decoded originals would be gigabytes.
    faults, fallbacks, row = {}, list[int](), start
    for image in images:
        if isinstance(image, str):
            faults[row] = image
            out[row] = 0  # a retry must not keep pixels of the attempt before
        elif isinstance(image, NoFace):
            fallbacks.append(row)
            out[row] = image.pixels
        else:
            out[row] = image
        row += 1
    return ChunkStatus(start, row, checksum(out[start:row]), faults, tuple(fallbacks))
