"""The pixel pass on Ray Data: images in, one memory-mapped file of pixels out, once per machine.

Each row of the Ray Data table is a chunk of images, whose paths lie in a file beside the pixels. A
task reads, decodes, crops and resizes the chunk's images directly into their slice of the file and
returns the chunk's faults, its rows without a face and its checksum; neither pixels nor paths travel
through Ray. No trainer has a dataset: lazy datasets under trainers deadlock when the workers hold every
CPU (reproduced with Ray 2.60), and decode everything once per fold and epoch.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from maskcls.core.errors import StorageError, UserError
from maskcls.core.progress import Progress
from maskcls.core.system import usable_cores
from maskcls.pixels import cache, faces
from maskcls.pixels.cache import CachedPixels, CachePlace, ChunkStatus, Image, NoFace
from maskcls.pixels.decode import DecodeError, decode
from maskcls.pixels.fingerprint import read_image
from maskcls.store.folder import Folder


def ensure_pixels(
    place: CachePlace,
    images: Folder,
    paths: "pd.Series[str]",
    progress: Progress,
    node: str | None = None,
) -> CachedPixels:
    """Open the decoded images, after decoding them if they are not there; Ray must be running.

    paths: relative to images, in row order, [place.rows]; "" is an image that is missing. node: Ray's
    name of this machine, where it is one of several, or the caller is a worker that holds CPUs itself.
    Safe when several commands need the same pixels: one decodes, the others wait and report it.
    Raises UserError when the disk has too little space; when an image that exists cannot be read (the
    cause may be transient, and the pixels are permanent, so they are not made without it); or when
    the crop needs faces and the detector is not installed. After a StorageError (storage that is
    unavailable), Ctrl-C or a kill, the next start decodes only what is missing.
    """
    # First without the lock: reading pixels that are complete must not wait for anything.
    found = cache.open_cache(place)
    if found is not None:
        return _report_faces(found, progress)
    if place.geometry.needs_face:
        faces.find_model()  # a missing detector is raised here, not by the first task on Ray
    with cache.building_lock(place, progress.say):
        found = cache.open_cache(place)  # another command may have made it while we waited
        if found is None:
            try:
                _build(place, images, paths, progress, node)
            except _RESUMABLE:
                raise
            except BaseException:  # it may be many GiB, and the next start might fail on it again
                cache.give_up_building(place)
                raise
            found = cache.open_cache(place)
    if found is None:
        raise RuntimeError(f"{place.folder}: the decoded pixels were damaged as they were written")
    return _report_faces(found, progress)


_RESUMABLE = (StorageError, KeyboardInterrupt, SystemExit)
"""What ends decoding without a fault in the data: the finished chunks are kept."""


def _build(
    place: CachePlace,
    images: Folder,
    paths: "pd.Series[str]",
    progress: Progress,
    node: str | None,
) -> None:
    """Make the cache, continuing what an earlier command left; the lock must be held."""
    file, chunks = cache.resume_building(place)
    done = sum(chunk.stop - chunk.start for chunk in chunks)
    earlier = f" ({done:,} of them were decoded by an earlier start)" if done else ""
    progress.say(
        f"decoding {place.rows:,} images{earlier} to {place.geometry.size} once,"
        f" {place.num_bytes / 2**30:.2f} GiB in {place.folder}"
    )
    # In any order: each chunk has a fixed slice of the file, so the result is bit-identical.
    finished = {chunk.start for chunk in chunks}
    starts = [s for s in range(0, place.rows, cache.CHUNK_ROWS) if s not in finished]
    for chunk in _fill(file, starts, place, images, paths, node):
        chunks.append(chunk)
        done += chunk.stop - chunk.start
        progress.count("decoded", done, place.rows)
    cache.finish_building(place, chunks)


def _report_faces(found: CachedPixels, progress: Progress) -> CachedPixels:
    """The pixels, after reporting how many images had no face; also when they were made earlier."""
    missed, images = len(found.fallbacks), len(found.pixels) - len(found.faults)
    if missed:
        progress.say(
            f"no face found in {missed:,} of {images:,} images ({100 * missed / images:.1f} %);"
            " their centre crop is used"
        )
    return found


def _fill(
    file: Path,
    starts: Sequence[int],
    place: CachePlace,
    images: Folder,
    paths: "pd.Series[str]",
    node: str | None,
) -> Iterator[ChunkStatus]:
    """Fill the chunks that begin at `starts`, on Ray; yields each as it is finished, in any order."""
    import ray

    if not starts:
        return
    list_file = file.parent / "paths.arrow"
    write_paths(list_file, paths)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it logs every data set
    # Enough tasks to keep all cores busy to the end, but not one per chunk: each costs the driver
    # some 100 KB until decoding ends.
    cpus = usable_cores() if node else int(ray.cluster_resources().get("CPU", 1))
    blocks = min(len(starts), 32 * max(1, cpus))
    chunks = [{"start": start} for start in starts]
    data = ray.data.from_items(chunks, override_num_blocks=blocks).map_batches(
        _Fill(str(file), str(list_file), place, images.location),
        batch_size=1,
        **_task_placement(node, blocks),
    )
    yield from map(_status, data.iter_rows())


def write_paths(file: Path, paths: "pd.Series[str]") -> None:
    """Write the images' paths for the tasks: an Arrow file with a batch for each chunk.

    Passed through Ray they would be in memory three times; a task reads one batch of the file.
    """
    schema = pa.schema({"path": pa.large_string()})
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for start in range(0, len(paths), cache.CHUNK_ROWS):
            chunk = pa.array(paths.iloc[start : start + cache.CHUNK_ROWS], pa.large_string())
            writer.write_batch(pa.record_batch([chunk], schema=schema))


def _read_paths(file: str, start: int) -> list[str]:
    with pa.OSFile(file, "rb") as source:
        batch = pa.ipc.open_file(source).get_batch(start // cache.CHUNK_ROWS)
        paths: list[str] = batch["path"].to_pylist()
        return paths


class _Row(TypedDict):
    """What a task returns for one chunk; the fields of a ChunkStatus and the error, as plain values."""

    start: int
    stop: int
    crc32: int
    fault_rows: npt.NDArray[np.int64]
    fault_reasons: list[str]
    fallback_rows: npt.NDArray[np.int64]
    error: str
    is_transient: bool


class _Placement(TypedDict):
    """Arguments of map_batches that say where its tasks run."""

    num_cpus: int
    label_selector: NotRequired[dict[str, str]]
    concurrency: NotRequired[int]


class _Fill:
    """Fills one chunk; a class so that its few arguments are sent once, not with every chunk."""

    def __init__(self, file: str, list_file: str, place: CachePlace, images: str) -> None:
        self.file, self.list_file, self.place, self.images = file, list_file, place, images
        self.error: UserError | None = None

    def __call__(self, batch: dict[str, npt.NDArray[Any]]) -> dict[str, list[object]]:
        start = int(batch["start"][0])
        status = ChunkStatus(start, start, 0, {})
        # After an error the task starts no other chunk: each might wait as long for the storage.
        if self.error is None:
            try:
                status = self._fill(start)
            except UserError as e:
                self.error = e
        error = self.error
        row: _Row = {
            "start": status.start,
            "stop": status.stop,
            "crc32": status.crc32,
            "fault_rows": np.array(list(status.faults), np.int64),
            "fault_reasons": list(status.faults.values()),
            "fallback_rows": np.array(status.fallbacks, np.int64),
            # As a value: Ray logs what a task raises with its traceback, and wraps it.
            "error": "" if error is None else str(error),
            "is_transient": isinstance(error, StorageError),
        }
        return {name: [value] for name, value in row.items()}  # a batch of one row

    def _fill(self, start: int) -> ChunkStatus:
        paths = _read_paths(self.list_file, start)
        images = read_images(Folder.at(self.images), paths, self.place)
        status = cache.fill_chunk(Path(self.file), self.place, start, images)
        # Here, not in the driver: what a task has returned is lost when another task fails.
        cache.note_finished(self.place, status)
        return status


def _status(row: _Row) -> ChunkStatus:
    """What _Fill returned for one chunk; raises its UserError."""
    if row["error"]:
        raise (StorageError if row["is_transient"] else UserError)(row["error"])
    faults = dict(zip(map(int, row["fault_rows"]), row["fault_reasons"], strict=True))
    fallbacks = tuple(map(int, row["fallback_rows"]))
    return ChunkStatus(row["start"], row["stop"], row["crc32"], faults, fallbacks)


def _task_placement(node: str | None, blocks: int) -> _Placement:
    """Where the tasks run: anywhere on the only machine, or on the caller's node."""
    if node is None:
        return {"num_cpus": 1}
    # The workers hold this node's CPUs, so tasks that requested any would wait without end. Since
    # 0 CPUs set no limit, `concurrency` does.
    here = {"ray.io/node-id": node}  # a label that Ray gives every node
    return {"num_cpus": 0, "label_selector": here, "concurrency": min(usable_cores(), blocks)}


def read_images(images: Folder, paths: Sequence[str], place: CachePlace) -> Iterator[Image]:
    """Pixels of each image at the place's geometry, or the reason why it has none.

    Where the geometry crops to the face and none is found, they come as NoFace.
    Raises what read_image raises.
    """
    for path in paths:
        data = read_image(images, path)
        if data is None:
            yield "the file is missing"
            continue
        try:
            pixels, found = place.geometry.apply_and_report(decode(data))
        except DecodeError as e:
            yield str(e)
            continue
        yield pixels if found else NoFace(pixels)
