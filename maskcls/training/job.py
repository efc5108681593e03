"""The orders that workers get; free of torch, since the driver writes them."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from maskcls.pixels.cache import CachePlace


@dataclass(frozen=True)
class FoldJob:
    """What a worker needs to know to train a fold; travels between processes.

    run, data: locations of the run's folder and of DATA; no repr shows them, since a URI may carry
    credentials and Ray keeps reprs. fold: running number, see store/run_files.py. config: the
    configuration as JSON. pixels, eval_pixels, extra_pixels: where the decoded images lie on the
    driver's machine; see with_cache_at. threads: of this worker.
    """

    run: str = field(repr=False)
    data: str = field(repr=False)
    fold: int
    config: dict[str, Any]
    pixels: CachePlace
    eval_pixels: CachePlace | None
    device: Literal["cpu", "cuda"]
    threads: int
    extra_pixels: CachePlace | None = None
    """Pixels of the images in rows.extra."""
    asked_at: float | None = None
    """When the worker was asked for [s since 1970]; says how long it took to start."""
    home: str | None = None
    """Ray's name of the driver's machine; None when there is no other."""

    def with_cache_at(self, root: Path) -> "FoldJob":
        """The job for a machine that keeps its decoded images under another root."""
        moved = {
            name: replace(place, root=root)
            for name in ("pixels", "eval_pixels", "extra_pixels")
            if (place := getattr(self, name)) is not None
        }
        return replace(self, **moved)


@dataclass(frozen=True)
class PredictJob:
    """What a worker needs to know to predict with a finished fold.

    checkpoints: location of fold-K/checkpoints; name: the checkpoint in it.
    """

    checkpoints: str = field(repr=False)
    name: str
    pixels: CachePlace
    device: Literal["cpu", "cuda"]
    threads: int
