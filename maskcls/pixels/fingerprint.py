"""What is in the images, as one name: a digest of every file's bytes, remembered by its stat.

A data set's fingerprint decides whether decoded pixels can be used again and whether a run may be
resumed, so it is made from contents. Reading a gigabyte at every start would be waste: a file whose
path, size and modification time are those of last time keeps its digest, as in git's index.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.core.errors import UserError
from maskcls.core.hashing import digest_of_bytes
from maskcls.store.paths import Folder

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
    cache: folder that remembers digests; written when something new was read. Raises UserError when
    it cannot be, or when a file that is there cannot be read: the run would be one of other data.
    """
    name = digest_of_bytes(images.location.encode("utf-8", "surrogateescape")).hex()
    index = cache / "digests" / f"{name}.npy"
    known = _load(index)
    stats = np.empty((len(paths), _BYTES), np.uint8)
    for row, path in enumerate(paths):
        text = f"{path}\0{sizes[row]}\0{mtimes[row]}".encode("utf-8", "surrogateescape")
        stats[row] = np.frombuffer(digest_of_bytes(text), np.uint8)
    found, digests = _look_up(known, stats)
    dated = mtimes != 0
    found &= dated  # without a modification time nothing says that the file is still the same
    missing = np.flatnonzero(~found)
    lasting = dated & found

    def save() -> None:
        if lasting[missing].any():
            _save(index, stats[lasting], digests[lasting])

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
                # Where all storage is away, each of the others takes as long.
                pool.shutdown(wait=False, cancel_futures=True)
                with suppress(OSError, UserError):
                    save()  # the next start need not read again what was read
                raise
    save()
    return digests


def _digest(images: Folder, path: str) -> bytes | None:
    data = read_image(images, path)
    return None if data is None else digest_of_bytes(data)


def _load(index: Path) -> npt.NDArray[np.uint8]:
    """Known pairs, uint8 [M, 2, 16], sorted by the first; empty when there is no sound file."""
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
    # As byte strings of one length, 16 bytes compare as one value.
    keys = np.ascontiguousarray(known[:, 0]).view(f"S{_BYTES}").ravel()
    wanted = stats.view(f"S{_BYTES}").ravel()
    at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    found = (known[at, 0] == stats).all(axis=1)
    digests[found] = known[at[found], 1]
    return found, digests


def _save(index: Path, stats: Digests, digests: Digests) -> None:
    order = np.argsort(stats.view(f"S{_BYTES}").ravel(), kind="stable")
    pairs = np.empty((len(order), 2, _BYTES), np.uint8)
    pairs[:, 0], pairs[:, 1] = stats[order], digests[order]

    def fill(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, pairs, allow_pickle=False)

    Folder.at(index.parent).fill_file(index.name, fill)


_PAUSES_S = (0.2, 1.0)  # between tries


def read_image(images: Folder, path: str) -> bytes | None:
    """An image's bytes; None when there is no such file, or path is "".

    Raises UserError when it is there and cannot be read, after three tries: that may pass, so it must
    not be kept for a fault of the image.
    """
    if not path:  # info.csv names an image that is not there
        return None
    for pause_s in (*_PAUSES_S, None):
        try:
            return images.read_bytes(path)
        except FileNotFoundError:
            return None
        except (OSError, UserError) as e:
            if pause_s is None:
                reason = os.strerror(e.errno) if isinstance(e, OSError) and e.errno else str(e)
                raise UserError(
                    f"{images.shown}/{path}: cannot be read ({reason});"
                    " mend that, or take the image away, and run the same command again."
                ) from e
            time.sleep(pause_s)
    return None
