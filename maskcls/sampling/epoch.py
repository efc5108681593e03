"""An epoch's rows in their order; a function of settings, seed, fold and epoch only.

A row's ticket (random sort key) depends on its number, so leaving other rows out does not change the
order of the rest.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskcls.config.schema import Rows
from maskcls.core.random_streams import tickets, uniform
from maskcls.core.task import Task
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
    training: RowCopies, labelled: TrainingLabels, settings: Rows, task: Task,
    numbers: tuple[int, int, int],
) -> Epoch:  # fmt: skip
    """Draw an epoch: mask images left out, rows sampled or copied, all in random order.

    numbers: seed, fold and epoch.
    """
    kept = np.ones(len(training.rows), bool)
    # A person has at most five images with the mask worn, so nothing need be drawn.
    if task.is_mask and settings.mask_images < 5:
        code = task.part("mask").values.index("worn")  # a copy may have another order
        worn = task.codes_of(labelled.classes[training.rows])["mask"] == code
        kept = _at_most(settings.mask_images, worn, training.rows, labelled, numbers)
    rows, times = training.rows[kept], training.copies[kept]
    if settings.sampler == "weighted":
        rows, copies = _weighted(rows, labelled.classes[rows], numbers)
    else:
        rows = np.repeat(rows, times)
        copies = np.concatenate([np.arange(n) for n in times]) if len(times) else rows
    order = _order(rows, copies, len(labelled.classes), numbers)
    return Epoch(rows[order], copies[order])


def _at_most(
    maximum: int, counted: npt.NDArray[np.bool_], rows: Int64, labelled: TrainingLabels,
    numbers: tuple[int, ...],
) -> npt.NDArray[np.bool_]:  # fmt: skip
    """Which rows are kept, bool [M], when each group has at most `maximum` of those that count."""
    # Eval images have no known group (-1) and are not limited.
    limited = np.flatnonzero(counted & (labelled.group[rows] >= 0))
    kept = np.ones(len(rows), bool)
    if not len(limited):
        return kept
    # For all rows of the table, then those of interest: which images a group keeps does not depend on
    # who else trains.
    ticket = tickets(len(labelled.classes), "mask images", *numbers)[rows[limited]]
    group = labelled.group[rows[limited]]
    # By group, then ticket; `place` counts from 0 within each group. Without a loop over groups,
    # which in Python would take seconds for a million rows.
    order = np.lexsort((ticket, group))
    starts = np.r_[True, np.diff(group[order]) != 0]
    place = np.arange(len(order)) - np.maximum.accumulate(
        np.where(starts, np.arange(len(order)), 0)
    )
    kept[limited[order[place >= maximum]]] = False
    return kept


def _weighted(rows: Int64, classes: Int64, numbers: tuple[int, ...]) -> tuple[Int64, Int64]:
    """As many rows, drawn with replacement, all classes equally often; and their copy numbers."""
    counts = np.bincount(classes)
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
