"""What workers have to do, and what they return; without torch, since the driver uses both."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from maskcls.config.schema import Config
from maskcls.core.task import Places, Task
from maskcls.pixels.cache import CachePlace
from maskcls.store.attempt import Attempt


@dataclass(frozen=True)
class FoldJob:
    """What a worker needs to know to train a fold; sent from the driver to its process.

    run, data: locations of the run's folder and of DATA; no repr shows them, since a URI may carry
    credentials and Ray keeps reprs. fold: running number, see store/run.py. pixels, eval_pixels,
    extra_pixels: where the decoded images are on the driver's machine; see with_cache_at. threads: of
    this worker.
    """

    run: str = field(repr=False)
    data: str = field(repr=False)
    fold: int
    config: Config
    pixels: CachePlace
    eval_pixels: CachePlace | None
    device: Literal["cpu", "cuda"]
    threads: int
    task: Task = field(kw_only=True)
    extra_pixels: CachePlace | None = None
    """Pixels of the images in rows.extra."""
    extra_places: Places | None = None
    """Where the images are in rows.extra."""
    asked_at: float | None = None
    """When the worker was requested [s since 1970], to measure how long it took to start."""
    attempt: Attempt | None = None
    """The token that lets the worker write into the fold's folder; None where nothing competes."""
    home: str | None = None
    """Ray's name of the driver's machine; None when there is no other."""

    def with_cache_at(self, root: Path) -> "FoldJob":
        """The job for a machine that keeps its decoded images under another root."""
        # Workers on other nodes decode into their own cache; key and geometry stay the driver's, so
        # that all of them train on the same pixels.
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


@dataclass(frozen=True)
class RangeTest:
    """Result of a learning-rate range test.

    lr, loss, smooth: of each step. steepest: rate where the smooth loss falls fastest;
    lowest: rate of its lowest point.
    """

    lr: list[float]
    loss: list[float]
    smooth: list[float]
    steepest: float
    lowest: float
