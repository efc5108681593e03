"""On a machine that has not decoded the photos yet: decode them there, once, before a fold trains.

The command decodes on its own machine. A fold that Ray places on another one, such as a node that has
just started for it, finds no pixels there and makes them by the same pass, pinned to that node; the
folds that come after it wait for the same lock and find them.
"""

import platform

from maskcls.cluster.ingest import ensure_pixels
from maskcls.core.errors import UserError
from maskcls.pixels.cache import CachePlace, open_cache
from maskcls.store.paths import Folder
from maskcls.store.tables import read_table
from maskcls.training.job import FoldJob
from maskcls.training.watcher import Watcher


def ensure_here(job: FoldJob, watcher: Watcher) -> None:
    """Make the fold's pixels on this machine, unless they are there.

    Raises UserError when this machine reaches neither the run's folder nor the photos.
    """
    run, data = Folder.at(job.run), Folder.at(job.data)
    for folder in (run, data):
        if not folder.exists():
            raise UserError(
                f"{folder}: not there on machine {platform.node()}; with several machines, DATA and"
                " RUN must lie on storage that all of them reach (an object store, or NFS)."
            )
    _ensure(job.pixels, data.child("train", "images"), run, "table.parquet", watcher)
    if job.extra_pixels is not None:
        extra = Folder.at(job.config["rows"]["extra"]).child("train", "images")
        _ensure(job.extra_pixels, extra, run, "extra_table.parquet", watcher)
    if job.eval_pixels is not None:
        images = data.child("eval", "images")
        _ensure(job.eval_pixels, images, run, "eval_table.parquet", watcher)


def _ensure(place: CachePlace, photos: Folder, run: Folder, table: str, watcher: Watcher) -> None:
    if open_cache(place) is not None:
        return
    import ray

    paths = read_table(run, table)["path"]
    here = ray.get_runtime_context().get_node_id()
    ensure_pixels(place, photos, paths, _Telling(watcher), node=here)


class _Telling:
    """A Progress that passes lines on to a fold's watcher."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def say(self, text: str) -> None:
        """See Progress."""
        self._watcher.say(f"machine {platform.node()}: {text}")

    def warn(self, text: str) -> None:
        """See Progress."""
        self.say(text)

    def count(self, what: str, done: int, total: int) -> None:
        """See Progress; a sign of life for the queue's watch over silent folds."""
        self._watcher.predicted(done, total)

    def folds(self, states: object) -> None:
        """See Progress; a worker has no other folds."""
