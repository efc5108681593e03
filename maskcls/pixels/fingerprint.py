"""Digests of the images' bytes, cached by path, size and modification time.

A data set's fingerprint decides whether decoded pixels can be used again and whether a run may be
resumed, so it depends on contents. To avoid reading a gigabyte at every start, a file whose path, size
and modification time are unchanged keeps its digest, as in git's index.
"""

import errno
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.core.errors import StorageError, UserError
from maskcls.core.hashing import digest_of_bytes, digest_of_chunks
from maskcls.pixels.image_files import MAX_FILE_BYTES
from maskcls.store.folder import Folder

_BYTES = 16
_AT_ONCE = 4096  # rows in flight; keeps the driver's memory flat
Digests = npt.NDArray[np.uint8]


def digests_of(
    images: Folder,
    paths: "pd.Series[str]",
    sizes: npt.NDArray[np.int64],
    mtimes: npt.NDArray[np.int64],
    cache: Path,
) -> Digests:
    """Digest of each image's bytes, uint8 [N, 16]; a file that is missing counts as empty.

    paths: relative to images, [N]; sizes [bytes] and mtimes [ns] as listed, [N]; an mtime of 0 is
    unknown.
    cache: folder of known digests; written when something new was read. Raises UserError when that
    fails, and what read_image raises: without that file, the run would have other data.
    """
    # A cache for each location; hashed, since it may contain slashes and credentials.
    name = digest_of_bytes(images.location.encode("utf-8", "surrogateescape")).hex()
    index = cache / "digests" / f"{name}.npy"
    known = _load(index)
    stats = np.empty((len(paths), _BYTES), np.uint8)
    for row, path in enumerate(paths):
        # NUL cannot be part of a path, so no two triples give the same text.
        text = f"{path}\0{sizes[row]}\0{mtimes[row]}".encode("utf-8", "surrogateescape")
        stats[row] = np.frombuffer(digest_of_bytes(text), np.uint8)
    found, digests = _look_up(known, stats)
    dated = mtimes != 0
    found &= dated  # without a modification time, a change cannot be noticed
    missing = np.flatnonzero(~found)
    # Only these are cached: a missing file counts as empty only as long as it is missing.
    lasting = dated & found

    def save() -> None:
        if lasting[missing].any():
            _save(index, stats[lasting], digests[lasting])

    # Threads: reading and hashing release the interpreter lock. Object stores answer slowly, but many
    # requests at once.
    workers = 2 * (os.cpu_count() or 1) if images.is_local else 16
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(missing), _AT_ONCE):
            chunk = missing[start : start + _AT_ONCE].tolist()
            read = pool.map(lambda row: _digest(images, paths.iloc[row]), chunk)
            try:
                for row, digest in zip(chunk, read, strict=True):
                    lasting[row] = dated[row] and digest is not None
                    digests[row] = np.frombuffer(digest or digest_of_bytes(b""), np.uint8)
            except UserError:
                # If the whole storage is unavailable, each of the others takes as long.
                pool.shutdown(wait=False, cancel_futures=True)
                with suppress(OSError, UserError):
                    save()  # so that the next start need not read them again
                raise
    save()
    return digests


def _digest(images: Folder, path: str) -> bytes | None:
    # In pieces: dozens of threads read at once, and a scan as TIFF may have gigabytes.
    return _tried(images, path, lambda: digest_of_chunks(images.read_chunks(path)))


def _load(index: Path) -> npt.NDArray[np.uint8]:
    """Known pairs, uint8 [M, 2, 16], sorted by the first; empty when there is no valid file."""
    try:
        pairs: npt.NDArray[np.uint8] = np.load(index, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return np.empty((0, 2, _BYTES), np.uint8)
    sound = pairs.dtype == np.uint8 and pairs.ndim == 3 and pairs.shape[1:] == (2, _BYTES)
    return pairs if sound else np.empty((0, 2, _BYTES), np.uint8)


def _look_up(known: npt.NDArray[np.uint8], stats: Digests) -> tuple[npt.NDArray[np.bool_], Digests]:
    digests = np.zeros_like(stats)
    if not len(known):
        return np.zeros(len(stats), bool), digests
    # As byte strings of one length, so that 16 bytes compare as one value. searchsorted
    # returns a position for unknown values, too, hence the comparison below.
    keys = np.ascontiguousarray(known[:, 0]).view(f"S{_BYTES}").ravel()
    wanted = stats.view(f"S{_BYTES}").ravel()
    at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    found = (known[at, 0] == stats).all(axis=1)
    digests[found] = known[at[found], 1]
    return found, digests


def _save(index: Path, stats: Digests, digests: Digests) -> None:
    # Rewritten as a whole, without files that no longer exist, so it never grows beyond the data set.
    order = np.argsort(stats.view(f"S{_BYTES}").ravel(), kind="stable")
    pairs = np.empty((len(order), 2, _BYTES), np.uint8)
    pairs[:, 0], pairs[:, 1] = stats[order], digests[order]

    def fill(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, pairs, allow_pickle=False)

    Folder.at(index.parent).fill_file(index.name, fill)


_PAUSES_S = (0.2, 1.0, 2.0, 4.0, 8.0)
"""Waits between tries, about 15 s in total: enough for most throttling of a storage service and short
losses of a mount. Permanent errors get the first two."""
_LASTING_TRIES = 3
_LASTING = (errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


def read_image(images: Folder, path: str) -> bytes | None:
    """An image's bytes; None when there is no such file, or path is "".

    Of a file larger than MAX_FILE_BYTES only so many and some more, which `decode` refuses.

    When it exists and cannot be read, that must not be recorded as a fault of the image: raises
    StorageError when the reason may be temporary (after about 15 s of trying), else UserError.
    """
    return _tried(images, path, lambda: _read(images, path))


def _read(images: Folder, path: str) -> bytes:
    chunks, size = [], 0
    for chunk in images.read_chunks(path):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_FILE_BYTES:
            break
    return b"".join(chunks)


def _tried(images: Folder, path: str, read: Callable[[], bytes]) -> bytes | None:
    """What `read` returns, in several tries; None without a file. Raises what read_image raises."""
    if not path:  # info.csv names an image that does not exist
        return None
    for num_tries, pause_s in enumerate((*_PAUSES_S, None), start=1):
        try:
            return _read_once(images, read)
        except (OSError, UserError) as e:
            lasting = _is_lasting(e)
            if pause_s is None or (lasting and num_tries >= _LASTING_TRIES):
                raise _sentence(images, path, e, lasting) from e
            time.sleep(pause_s)
    return None


def _read_once(images: Folder, read: Callable[[], bytes]) -> bytes | None:
    try:
        return read()
    except FileNotFoundError:
        if images.exists():
            return None
        raise  # all images are unavailable, such as with their mount; this one need not be missing


def _is_lasting(error: OSError | UserError) -> bool:
    if isinstance(error, OSError):
        return error.errno in _LASTING
    return not isinstance(error, StorageError)  # such as a missing permission or bucket


def _sentence(images: Folder, path: str, error: OSError | UserError, lasting: bool) -> UserError:
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    what = f"{images.shown}/{path}: cannot be read ({reason})"
    if lasting:
        return UserError(f"{what}; fix that, or remove the image, and run the same command again.")
    return StorageError(
        f"{what}, in {len(_PAUSES_S) + 1} tries; run the same command again once the storage"
        " is available."
    )
