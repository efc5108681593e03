"""Weights of classes that maximise a metric of the decided classes, by coordinate ascent.

The decision is argmax_k (z_k + w_k): probabilities times exp(w). Macro F1 and its relatives are not
differentiable in w, but with all weights but one fixed a row changes its answer at one value of that
one, so that a histogram of these values gives the metric at every candidate at once. For F1, the best
decision has this form or nearly so (Narasimhan et al. 2015; thresholds of single labels: Lipton 2014).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.task import MetricName, Task
from maskcls.statistics.sums import ClassSums, macro_f1

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

CANDIDATES = np.round(np.arange(-30, 31) * 0.1, 1)
"""Log weights that are tried: a class counts a twentieth to twenty times as much."""
_SMOOTHING = np.array([0.15, 0.2, 0.3, 0.2, 0.15])
"""Over neighbouring candidates: the middle of a plateau is better than a spike beside it."""
_SWEEPS = 6
_LEAST_RISE = 1e-9


def cells_of(task: Task) -> Int64:
    """Which weight each class has, int64 [K], numbers from 0.

    Where the task names strata, one for each combination of their values (of the mask task: gender and
    age), as the classes of one stratum differ in what the network tells well; else one per class.
    """
    classes = np.arange(task.num_classes)
    if not task.strata:
        return classes
    strata = task.stratum_of(task.codes_of(classes))
    return np.unique(strata, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class Decidable:
    """Rows as far as a decision by weights depends on them: N rows, C weights, K classes.

    cells: see cells_of. best: [N, C], highest logit of each weight's classes; which: [N, C], the class
    that has it. labels: [N]. counts: float64 [N], what each row counts.
    """

    cells: Int64
    best: Float64
    which: Int64
    labels: Int64
    counts: Float64

    @classmethod
    def of(
        cls, cells: Int64, labels: npt.NDArray[Any], logits: npt.NDArray[Any], counts: Float64
    ) -> "Decidable":
        """cells: [K]. labels: [N]. logits: [N, K]. counts: [N]."""
        size = int(cells.max()) + 1
        best = np.empty((len(labels), size))
        which = np.empty((len(labels), size), np.int64)
        for cell in range(size):
            members = np.flatnonzero(cells == cell)
            inside = logits[:, members]
            place = inside.argmax(axis=1)
            best[:, cell] = np.take_along_axis(inside, place[:, None], axis=1)[:, 0]
            which[:, cell] = members[place]
        return cls(cells, best, which, labels.astype(np.int64), counts)

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return len(self.cells)

    def where(self, chosen: npt.NDArray[Any]) -> "Decidable":
        """The chosen rows."""
        return replace(
            self, best=self.best[chosen], which=self.which[chosen], labels=self.labels[chosen],
            counts=self.counts[chosen],
        )  # fmt: skip

    def decided(self, weights: Float64) -> Int64:
        """The class of each row, [N], at log weights [C]."""
        winner = (self.best + weights).argmax(axis=1)
        return np.asarray(self.which[np.arange(len(winner)), winner])


def best_weights(task: Task, metric: MetricName, rows: Decidable) -> Float64:
    """Log weights [C] of mean 0 that maximise the metric of these rows; deterministic.

    It climbs from equal weights: in a fixed order each weight goes to its best candidate given the
    others, until none moves. A weight of which no row has a label stays.
    """
    size = rows.best.shape[1]
    weights = np.zeros(size)
    occurring = np.unique(rows.cells[rows.labels[rows.counts > 0]])
    if size < 2 or len(occurring) < 2:
        return weights
    for _ in range(_SWEEPS):
        moved = False
        for cell in occurring.tolist():
            values = _smooth(_values(task, metric, rows, weights, cell))
            # The candidate nearest to the present weight: it stays unless another is better.
            here = int(np.abs(CANDIDATES - weights[cell]).argmin())
            if values.max() > values[here] + _LEAST_RISE:
                weights[cell], moved = CANDIDATES[values.argmax()], True
        if not moved:
            break
    return np.asarray(weights - weights.mean())


def _smooth(values: Float64) -> Float64:
    width = len(_SMOOTHING) // 2
    return np.convolve(np.pad(values, width, mode="edge"), _SMOOTHING, mode="valid")


def _values(
    task: Task, metric: MetricName, rows: Decidable, weights: Float64, cell: int
) -> Float64:
    """The metric at each candidate of one weight, [len(CANDIDATES)], the others fixed."""
    scores = rows.best + weights
    scores[:, cell] = -np.inf
    others = scores.argmax(axis=1)
    every = np.arange(len(scores))
    without, inside = rows.which[every, others], rows.which[:, cell]
    # From the first candidate above this on, the row is of the cell's class.
    border = scores[every, others] - rows.best[:, cell]
    first = np.searchsorted(CANDIDATES, border, side="right")
    table = _Table(len(CANDIDATES) + 1, rows.num_classes, first, rows.counts)
    labels = np.bincount(rows.labels, rows.counts, minlength=rows.num_classes)
    predicted = table.change(without, inside)
    hits = table.change(
        np.where(without == rows.labels, without, -1), np.where(inside == rows.labels, inside, -1)
    )
    sums = ClassSums(hits, np.broadcast_to(labels, hits.shape), predicted)
    if metric != "quadratic_kappa":
        return metric_of_sums(task, metric, sums)
    apart = [((rows.labels - classes) ** 2).astype(np.float64) for classes in (without, inside)]
    return kappa_of_sums(sums, table.total(*apart))


class _Table:
    """Sums at each candidate of rows that change at one of them."""

    def __init__(self, size: int, num_classes: int, first: Int64, counts: Float64) -> None:
        self._shape, self._first, self._counts = (size, num_classes), first, counts

    def change(self, before: Int64, after: Int64) -> Float64:
        """Counts by class, [candidates, K]; before, after: classes [N], -1 for none."""
        size = self._shape[0]
        start = self._by_class(before).sum(axis=0)
        moved = self._by_class(after) - self._by_class(before)
        return np.asarray(start + moved.cumsum(axis=0)[: size - 1])

    def total(self, before: Float64, after: Float64) -> Float64:
        """Sums of a value of each row, [candidates]; before, after: [N]."""
        size = self._shape[0]
        moved = np.bincount(self._first, (after - before) * self._counts, minlength=size)
        return np.asarray((before * self._counts).sum() + moved.cumsum()[: size - 1])

    def _by_class(self, classes: Int64) -> Float64:
        size, num_classes = self._shape
        there = classes >= 0
        places = self._first[there] * num_classes + classes[there]
        found = np.bincount(places, self._counts[there], minlength=size * num_classes)
        return np.asarray(found.reshape(size, num_classes), np.float64)


def metric_of_sums(task: Task, metric: MetricName, sums: ClassSums) -> Float64:
    """A metric of decided classes, [B], but kappa."""
    if metric == "macro_f1":
        return macro_f1(sums, task.absent)
    if metric == "accuracy":
        return np.asarray(sums.hits.sum(axis=1) / np.maximum(sums.labels.sum(axis=1), 1e-12))
    assert metric == "balanced_accuracy", metric
    there = sums.labels > 0
    recall = np.divide(sums.hits, sums.labels, out=np.zeros_like(sums.hits), where=there)
    return np.asarray(recall.sum(axis=1) / np.maximum(there.sum(axis=1), 1))


def kappa_of_sums(sums: ClassSums, happened: Float64) -> Float64:
    """Quadratic kappa, [B]; happened: sums of squared distances of label and answer, [B]."""
    place = np.arange(sums.labels.shape[1], dtype=np.float64)
    distance = (place[:, None] - place) ** 2
    total = np.maximum(sums.labels.sum(axis=1), 1e-12)
    by_chance = np.einsum("bi,ij,bj->b", sums.labels, distance, sums.predicted) / total
    share = np.divide(happened, by_chance, out=np.zeros_like(by_chance), where=by_chance > 0)
    return np.asarray(1.0 - share)
