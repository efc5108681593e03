"""The orders that workers get; free of torch, since the driver writes them."""

from dataclasses import dataclass, field
from typing import Any, Literal

from maskcls.pixels.cache import CachePlace


@dataclass(frozen=True)
class FoldJob:
    """What a worker needs to know to train a fold; travels between processes.

    run, data: locations of the run's folder and of DATA; no repr shows them, since a URI may carry
    credentials and Ray keeps reprs. config: the configuration as JSON. pixels, eval_pixels: where
    the decoded photos lie on this machine. threads: of this worker.
    """

    run: str = field(repr=False)
    data: str = field(repr=False)
    fold: int
    config: dict[str, Any]
    pixels: CachePlace
    eval_pixels: CachePlace | None
    device: Literal["cpu", "cuda"]
    threads: int
    asked_at: float | None = None
    """When the worker was asked for [s since 1970]; says how long it took to start."""


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
