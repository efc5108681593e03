"""A data set with the fingerprint of its photos: what train, check and predict start from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.core import memory
from maskcls.core.hashing import combine
from maskcls.core.table import Table, read_data
from maskcls.pixels.cache import CachePlace, cache_place
from maskcls.pixels.fingerprint import digests_of
from maskcls.pixels.geometry import Geometry
from maskcls.store.paths import Folder


@dataclass(frozen=True)
class Photos:
    """Photos in row order: where they lie, their paths there, and the digests of their bytes."""

    folder: Folder
    paths: "pd.Series[str]"
    digests: npt.NDArray[np.uint8]

    def place(self, cache: Path, geometry: Geometry) -> CachePlace:
        """Where their pixels at this geometry lie on this machine."""
        return cache_place(cache, self.digests, geometry)


@dataclass(frozen=True)
class DataSet:
    """The checked table and its photos; eval_photos is None without eval/."""

    table: Table
    train: Photos
    eval_photos: Photos | None

    def describe(self, location: str) -> dict[str, Any]:
        """What record.json says of the data: counts and fingerprints of contents and labels."""
        table, photos = self.table, self.table.photos
        labels = [photos["label"].to_numpy(np.int16).tobytes(), self.train.digests.tobytes()]
        people = photos["person"].cat.codes.to_numpy(np.int32).tobytes()
        names = "\n".join(photos["person"].cat.categories)
        ages = photos["age"].to_numpy(np.int16).tobytes()  # those that train may be moved by age
        out = {
            "location": location,
            "images": len(photos),
            "people": len(table.people),
            "fingerprint": combine([*labels, people, names, ages]),
            "eval_images": None,
            "eval_fingerprint": None,
        }
        if table.eval_photos is not None and self.eval_photos is not None:
            ids = "\n".join(table.eval_photos["ImageID"])
            out["eval_images"] = len(table.eval_photos)
            out["eval_fingerprint"] = combine([ids, self.eval_photos.digests.tobytes()])
        return out


def read_data_set(data: Folder, cache: Path) -> DataSet:
    """Read, check and fingerprint DATA; raises UserError for what is wrong with it."""
    table = read_data(data)
    memory.release()
    train = photos_of(data.child("train", "images"), table.photos, cache)
    eval_photos = None
    if table.eval_photos is not None:
        eval_photos = photos_of(data.child("eval", "images"), table.eval_photos, cache)
    return DataSet(table, train, eval_photos)


def photos_of(folder: Folder, rows: pd.DataFrame, cache: Path) -> Photos:
    """Fingerprint photos; rows: columns path, size_bytes, mtime_ns, in row order."""
    sizes = rows["size_bytes"].to_numpy(np.int64)
    mtimes = rows["mtime_ns"].to_numpy(np.int64)
    paths = rows["path"]
    return Photos(folder, paths, digests_of(folder, paths, sizes, mtimes, cache))
