"""An epoch's rows in their order; a function of settings, seed, fold and epoch only.

A row's ticket (random sort key) depends on its number, so leaving other rows out does not change the
order of the rest.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskcls.config.schema import Rows
from maskcls.core.labels import NUM_CLASSES, labels_of
from maskcls.core.random_streams import tickets, uniform
from maskcls.sampling.training_rows import RowCopies, TrainingLabels

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Epoch:
    """rows: int64 [M], in the order they train. copies: int64 [M]: 0 for a row itself, 1, 2, ... for
    its repetitions in the epoch."""

    rows: Int64
    copies: Int64

    def __len__(self) -> int:
        return len(self.rows)


def draw_epoch(
    training: RowCopies, labelled: TrainingLabels, settings: Rows, seed: int, fold: int, epoch: int
) -> Epoch:
    """Draw an epoch: mask images left out, rows sampled or copied, all in random order."""
    kept = _mask_images(training.rows, labelled, settings.mask_images, (seed, fold, epoch))
    rows, times = training.rows[kept], training.copies[kept]
    if settings.sampler == "weighted":
        rows, copies = _weighted(rows, labelled.classes[rows], (seed, fold, epoch))
    else:
        rows = np.repeat(rows, times)
        copies = np.concatenate([np.arange(n) for n in times]) if len(times) else rows
    order = _order(rows, copies, len(labelled.classes), (seed, fold, epoch))
    return Epoch(rows[order], copies[order])


def _mask_images(
    rows: Int64, labelled: TrainingLabels, maximum: int, numbers: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    """Which rows are kept when each person has at most `maximum` images with the mask worn."""
    worn = labels_of(labelled.classes[rows])["mask"] == 0
    # Eval images have no known person (-1) and are not limited.
    limited = np.flatnonzero(worn & (labelled.person[rows] >= 0))
    kept = np.ones(len(rows), bool)
    # A person has at most five such images, so nothing need be drawn.
    if maximum >= 5 or not len(limited):
        return kept
    # For all rows of the table, then those of interest: which images a person keeps does not depend on
    # who else trains.
    ticket = tickets(len(labelled.classes), "mask images", *numbers)[rows[limited]]
    person = labelled.person[rows[limited]]
    # By person, then ticket; `place` counts from 0 within each person. Without a loop over people,
    # which in Python would take seconds for a million rows.
    order = np.lexsort((ticket, person))
    starts = np.r_[True, np.diff(person[order]) != 0]
    place = np.arange(len(order)) - np.maximum.accumulate(
        np.where(starts, np.arange(len(order)), 0)
    )
    kept[limited[order[place >= maximum]]] = False
    return kept


def _weighted(rows: Int64, classes: Int64, numbers: tuple[int, ...]) -> tuple[Int64, Int64]:
    """As many rows, drawn with replacement, all classes equally often; and their copy numbers."""
    counts = np.bincount(classes, minlength=NUM_CLASSES)
    # Inverse of the cumulative weights. The clip is for a product that rounds up to the last edge.
    edges = np.cumsum(1.0 / counts[classes])
    at = uniform(tickets(len(rows), "sampler", *numbers)) * edges[-1]
    drawn = np.sort(rows[np.searchsorted(edges, at, side="right").clip(max=len(rows) - 1)])
    # Sorted, so equal rows are neighbours: the distance to the first of them numbers the copies, and
    # each copy gets other augmentation.
    first = np.searchsorted(drawn, drawn)
    return drawn, np.arange(len(drawn)) - first


def _order(rows: Int64, copies: Int64, num_rows: int, numbers: tuple[int, ...]) -> Int64:
    ticket = np.empty(len(rows), np.uint64)
    for copy in np.unique(copies).tolist():
        mine = copies == copy
        # Copy 0 uses the stream of an epoch without copies, so that oversampling does not change the
        # order of the rows themselves.
        more = (copy,) if copy else ()
        ticket[mine] = tickets(num_rows, "order", *numbers, *more)[rows[mine]]
    # Stable, so that equal tickets, however improbable, have one order everywhere.
    order: Int64 = np.argsort(ticket, kind="stable")
    return order
