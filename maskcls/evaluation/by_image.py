"""The held-out rows of several runs, brought together by image: each run's mean over its repeats.

For choosing among runs, and for naming those that lag behind (selected.py): each run is one answer, as
its split does not matter. aligned.py keeps the repeats apart, to compare pairs of networks; pooled.py
weights splits and keeps each network's own rows, to calibrate and decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError
from maskcls.evaluation.held_out import HeldOut, read_held_out
from maskcls.store.run import Run

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Aligned:
    """Held-out rows of R runs, and the images that all of them have.

    held_out: of each run, all its rows. places: of each run, int64 [rows]: the shared image that a row
    is of, -1 for none; a run with repeats has several rows of an image. images: str [N]. labels,
    groups: int64 [N]; groups are numbers 0..G-1, as the first run has them. left_out: number of
    images that some run has and another has not.
    """

    held_out: list[HeldOut]
    places: list[Int64]
    images: npt.NDArray[Any]
    labels: Int64
    groups: Int64
    left_out: int

    def of(self, runs: Sequence[int]) -> "Aligned":
        """The same images, with the rows of some of the runs."""
        held_out, places = [self.held_out[r] for r in runs], [self.places[r] for r in runs]
        return replace(self, held_out=held_out, places=places)

    def mean_by_image(self, run: int, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Mean over an image's repeats of a run's values [rows, K], float32 [N, K]."""
        kept = self.places[run] >= 0
        places = self.places[run][kept]
        if len(places) == len(self.images):  # once each
            found = np.empty((len(places), values.shape[1]), np.float32)
            found[places] = values[kept]
            return found
        total = np.zeros((len(self.images), values.shape[1]))
        np.add.at(total, places, values[kept])
        count = np.bincount(places, minlength=len(self.images))
        return np.asarray(total / count[:, None], np.float32)


def read_aligned(runs: Sequence[Run]) -> Aligned:
    """The held-out rows of runs of one task, one at least.

    Raises UserError as read_held_out, for runs without a common image, and for an image whose label
    differs between two of them.
    """
    held_out = [read_held_out(run) for run in runs]
    own = [np.unique(one.images) for one in held_out]
    shared, every = own[0], own[0]
    for run, images in zip(runs, own, strict=True):
        shared, every = np.intersect1d(shared, images), np.union1d(every, images)
        if not len(shared):
            raise UserError(
                f"{run}: it has no held-out image in common with {runs[0]}, so they cannot be"
                " compared; name runs on the same data."
            )
    places = [_places(shared, one.images) for one in held_out]
    labels = [
        _by_image(one.rows.labels, place) for one, place in zip(held_out, places, strict=True)
    ]
    for run, of_run in zip(runs, labels, strict=True):
        if len(differ := np.flatnonzero(of_run != labels[0])):
            raise UserError(
                f"{run}: {shared[differ[0]]} has another label than in {runs[0]}; only runs on the"
                " same labels can be compared."
            )
    names = _by_image(held_out[0].rows.groups, places[0])
    groups = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return Aligned(held_out, places, shared, labels[0], groups, len(every) - len(shared))


def _places(shared: npt.NDArray[Any], images: npt.NDArray[Any]) -> Int64:
    """Where each of the images is among the shared ones, which are sorted; -1: nowhere."""
    place = np.minimum(np.searchsorted(shared, images), len(shared) - 1)
    return np.where(shared[place] == images, place, -1).astype(np.int64)


def _by_image(values: npt.NDArray[Any], places: Int64) -> Int64:
    kept = places >= 0
    found = np.empty(int(places.max()) + 1, np.int64)
    found[places[kept]] = values[kept]
    return found
