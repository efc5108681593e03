"""On a machine that has not decoded the photos yet: decode them there, once, before a fold runs.

The command decodes on its own machine. A fold that Ray places on another one, such as a node that has
just started for it, finds no pixels there and makes them by the same pass, pinned to that node; the
folds that come after it wait for the same lock and find them.
"""

import logging
import platform
from collections.abc import Callable, Sequence

import pandas as pd

from maskcls.cluster.ingest import ensure_pixels
from maskcls.core.errors import UserError
from maskcls.core.table import TRAIN_CSV
from maskcls.pixels.cache import CachePlace, open_cache
from maskcls.store.paths import Folder
from maskcls.store.tables import read_table
from maskcls.training.job import FoldJob
from maskcls.training.watcher import Watcher

_log = logging.getLogger(__name__)


def require_here(job: FoldJob) -> None:
    """UserError when this machine does not reach the run's folder and the photos.

    The driver asks the machines that are there when it starts (see reach); others come later.
    """
    files = [(Folder.at(job.run), "config.json"), (Folder.at(job.data), TRAIN_CSV)]
    if job.extra_pixels is not None:
        files.append((Folder.at(job.config["rows"]["extra"]), TRAIN_CSV))
    require_files(files, "DATA, RUN and rows.extra")


def require_files(files: Sequence[tuple[Folder, str]], arguments: str) -> None:
    """UserError when this machine does not reach one of the files.

    files: folder and name, for all that lies beside them. arguments: what of the command line they
    belong to, for the message.
    """
    for folder, name in files:
        if not folder.exists(name):
            raise UserError(
                f"{folder}: not there on machine {platform.node()}; with several machines,"
                f" {arguments} must lie on storage that all of them reach (an object store, or NFS)."
            )


def ensure_here(job: FoldJob, watcher: Watcher | None) -> None:
    """Make the fold's pixels on this machine, unless they are there.

    watcher: hears of it; None where nobody listens, and this process's log has it.
    """
    run, data = Folder.at(job.run), Folder.at(job.data)
    _ensure(job.pixels, data.child("train", "images"), run, "table.parquet", watcher)
    if job.extra_pixels is not None:
        extra = Folder.at(job.config["rows"]["extra"]).child("train", "images")
        _ensure(job.extra_pixels, extra, run, "extra_table.parquet", watcher)
    if job.eval_pixels is not None:
        images = data.child("eval", "images")
        _ensure(job.eval_pixels, images, run, "eval_table.parquet", watcher)


def _ensure(
    place: CachePlace, photos: Folder, run: Folder, table: str, watcher: Watcher | None
) -> None:
    ensure_photos(place, photos, lambda: read_table(run, table)["path"], watcher)


def ensure_photos(
    place: CachePlace,
    photos: Folder,
    paths: Callable[[], "pd.Series[str]"],
    watcher: Watcher | None = None,
) -> None:
    """Make some photos' pixels on this machine, unless they are there.

    place: on this machine. paths: gives their paths below photos, in row order, [place.rows]; called
    only when they are needed. watcher: see ensure_here. Errors as in ingest.ensure_pixels.
    """
    if open_cache(place) is not None:
        return
    import ray

    here = ray.get_runtime_context().get_node_id()
    ensure_pixels(place, photos, paths(), _Telling(watcher), node=here)


class _Telling:
    """A Progress that passes lines on to a fold's watcher, or to the log."""

    def __init__(self, watcher: Watcher | None) -> None:
        self._watcher = watcher

    def say(self, text: str) -> None:
        """See Progress."""
        if self._watcher is None:
            _log.info("%s", text)
        else:
            self._watcher.say(f"machine {platform.node()}: {text}")

    def warn(self, text: str) -> None:
        """See Progress."""
        self.say(text)

    def count(self, what: str, done: int, total: int) -> None:
        """See Progress; a sign of life for the queue's watch over silent folds."""
        if self._watcher is not None:
            self._watcher.predicted(done, total)

    def folds(self, states: object) -> None:
        """See Progress; a worker has no other folds."""
