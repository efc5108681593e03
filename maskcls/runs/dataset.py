"""A data set with the fingerprint of its images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.core import system
from maskcls.core.hashing import combine
from maskcls.core.task import Places
from maskcls.data.table import Table
from maskcls.pixels.cache import CachePlace, cache_place
from maskcls.pixels.fingerprint import digests_of
from maskcls.pixels.geometry import Geometry
from maskcls.store.folder import Folder
from maskcls.store.record import Described


@dataclass(frozen=True)
class Images:
    """Images in row order: their folder, their paths below it, and the digests of their bytes.

    places: where they are in the data folder that was named, None for a list of images.
    """

    folder: Folder
    paths: "pd.Series[str]"
    digests: npt.NDArray[np.uint8]
    places: Places | None = None

    def place(self, cache: Path, geometry: Geometry) -> CachePlace:
        """Where their pixels at this geometry are on this machine."""
        return cache_place(cache, self.digests, geometry)


@dataclass(frozen=True)
class DataSet:
    """The checked table and its images; eval_images is None without eval/."""

    table: Table
    train: Images
    eval_images: Images | None

    def describe(self, location: str) -> Described:
        """What record.json contains about the data: counts and fingerprints of contents and labels."""
        # Everything that changes what a fold computes is part of the fingerprint, each with a fixed
        # type: the same data must give the same bytes on every machine.
        table, images = self.table, self.table.images
        labels = [images["label"].to_numpy(np.int16).tobytes(), self.train.digests.tobytes()]
        groups = images["group"].cat.codes.to_numpy(np.int32).tobytes()
        names = "\n".join(images["group"].cat.categories)
        # What else a fold computes from: rows.age_border and drop_ages use ages, given folds the column.
        others = [images[n].to_numpy(np.int16).tobytes() for n in ("age", "fold") if n in images]
        out: Described = {
            "location": location,
            "images": len(images),
            "groups": len(table.groups),
            "fingerprint": combine([*labels, groups, names, *others]),
            "eval_images": None,
            "eval_fingerprint": None,
        }
        if table.eval_images is not None and self.eval_images is not None:
            # With the names, since the same images in another order would get each other's answers.
            ids = "\n".join(table.eval_images["image"])
            out["eval_images"] = len(table.eval_images)
            out["eval_fingerprint"] = combine([ids, self.eval_images.digests.tobytes()])
        return out


def fingerprinted(data: Folder, table: Table, cache: Path) -> DataSet:
    """The table of DATA with the digests of its images; UserError when one cannot be read."""
    # Reading leaves freed memory that the allocator keeps, and the driver lives as long as the run.
    system.release_memory()
    places = table.task.places
    train = images_of(data.below(places.images), table.images, cache, places)
    eval_images = None
    if table.eval_images is not None and places.eval is not None:
        eval_images = images_of(data.below(places.eval), table.eval_images, cache)
    return DataSet(table, train, eval_images)


def images_of(
    folder: Folder, rows: pd.DataFrame, cache: Path, places: Places | None = None
) -> Images:
    """Fingerprint images; rows: columns path, size_bytes, mtime_ns, in row order."""
    sizes = rows["size_bytes"].to_numpy(np.int64)
    mtimes = rows["mtime_ns"].to_numpy(np.int64)
    paths = rows["path"]
    return Images(folder, paths, digests_of(folder, paths, sizes, mtimes, cache), places)
