"""The decoded images of a run: for training, of eval, and of rows.extra."""

from pathlib import Path

import pandas as pd

from maskcls.config.schema import Image
from maskcls.core.progress import Progress
from maskcls.pixels.cache import CachedPixels, open_cache
from maskcls.pixels.geometry import Geometry
from maskcls.runs.dataset import DataSet, Images
from maskcls.store.run import Faults

_MAX_NAMED = 20  # a folder of another kind has thousands of faults; all are in faults.json
Pixels = tuple[CachedPixels, CachedPixels | None]
"""Of the training images, and of eval if there is one."""


class RunPixels:
    """Where a run's pixels are on this machine, and which images have none.

    place, eval_place, extra_place: in the cache; None where there are no such images. extra_places:
    where the images of rows.extra are in their folder.
    """

    def __init__(
        self, data_set: DataSet, extra: Images | None, image: Image, cache: Path, progress: Progress
    ) -> None:
        geometry = Geometry(image.crop, image.size)
        self._data_set, self._extra, self._progress = data_set, extra, progress
        self.place = data_set.train.place(cache, geometry)
        eval_images = data_set.eval_images
        self.eval_place = eval_images.place(cache, geometry) if eval_images else None
        self.extra_place = extra.place(cache, geometry) if extra else None
        self.extra_places = extra.places if extra else None
        self._extra_faults: dict[str, str] = {}

    def there(self) -> Pixels | None:
        """The pixels that collecting needs; None if some are missing."""
        # rows.extra is not among them: it is neither validated nor predicted.
        pixels = open_cache(self.place)
        eval_pixels = open_cache(self.eval_place) if self.eval_place else None
        if pixels is None or (eval_pixels is None and self.eval_place is not None):
            return None
        return pixels, eval_pixels

    def ensure(self, node: str | None) -> Pixels:
        """All pixels, decoded on this machine if they are missing; reports what cannot be decoded.

        node: see ensure_pixels.
        """
        from maskcls.cluster.ingest import ensure_pixels

        data_set, extra = self._data_set, self._extra
        train, eval_images = data_set.train, data_set.eval_images
        pixels = ensure_pixels(self.place, train.folder, train.paths, self._progress, node)
        self._report_faults(pixels, train.paths, data_set.table.task.places.images or "DATA")
        if extra is not None and self.extra_place is not None:
            found = ensure_pixels(self.extra_place, extra.folder, extra.paths, self._progress, node)
            self._report_faults(found, extra.paths, "rows.extra")
            self._extra_faults = _named(found, extra.paths)
        if eval_images is None or self.eval_place is None:
            return pixels, None
        folder, paths = eval_images.folder, eval_images.paths
        eval_pixels = ensure_pixels(self.eval_place, folder, paths, self._progress, node)
        rows = data_set.table.eval_images
        # By the name that the user knows from the table and finds again in the submission.
        where = data_set.table.task.places.eval or "DATA"
        self._report_faults(eval_pixels, paths if rows is None else rows["image"], where)
        return pixels, eval_pixels

    def faults(self, pixels: CachedPixels, eval_pixels: CachedPixels | None) -> Faults:
        """The reasons why images could not be decoded, by the images' names."""
        table = self._data_set.table
        # Rows of the table without an image, too: the user looks for both in one place.
        train = table.missing | _named(pixels, self._data_set.train.paths)
        ids = table.eval_images
        evals = {}
        if eval_pixels is not None and ids is not None:
            evals = _named(eval_pixels, ids["image"])
        return Faults(train, evals, self._extra_faults)

    def _report_faults(self, pixels: CachedPixels, paths: "pd.Series[str]", where: str) -> None:
        for row, reason in sorted(pixels.faults.items())[:_MAX_NAMED]:
            self._progress.warn(f"{where}/{paths.iloc[row]}: not used, {reason}")
        if len(pixels.faults) > _MAX_NAMED:
            more = len(pixels.faults) - _MAX_NAMED
            self._progress.warn(f"{where}: {more} more cannot be decoded")


def _named(pixels: CachedPixels, names: "pd.Series[str]") -> dict[str, str]:
    return {names.iloc[row]: why for row, why in sorted(pixels.faults.items())}
