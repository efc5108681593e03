"""Means of several runs' answers for the same rows, and their scores: what a selection searches."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.metrics import oriented
from maskcls.core.task import MetricName, Task
from maskcls.statistics.measures import Measure, measure_of
from maskcls.statistics.rows import Rows
from maskcls.statistics.sums import ClassSums, macro_f1

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_LEAST = 1e-30
"""A mean probability of 0 has no logarithm; log loss clips far above this."""
_FAST: frozenset[MetricName] = frozenset({"macro_f1", "accuracy", "balanced_accuracy", "log_loss"})
"""Metrics of sums by class or row, so that those of all parts come from one pass."""


@dataclass(frozen=True)
class Answers:
    """What R runs answer for the same N rows, none of which they trained on.

    labels: integers [N] in 0..K-1. values: finite float32 [R, N, K], what an ensemble averages: logits,
    probabilities or votes. groups: int64 [N], 0..G-1. probabilities: whether values are some.
    """

    labels: npt.NDArray[Any]
    values: Float32
    groups: Int64
    probabilities: bool = False

    @property
    def num_runs(self) -> int:
        """Number of runs, R."""
        return len(self.values)

    @property
    def num_groups(self) -> int:
        """Number of groups, G."""
        return int(self.groups.max(initial=-1)) + 1

    def mean(self, weights: npt.ArrayLike) -> Float32:
        """The weighted mean of the runs' values, float32 [N, K]; weights: [R], not all 0."""
        shares = np.asarray(weights, np.float64)
        shares = shares / shares.sum()
        total = np.zeros(self.values.shape[1:], np.float32)
        for share, one in zip(shares, self.values, strict=True):
            if share:
                total += np.float32(share) * one
        return total

    def rows_of(self, mean: npt.NDArray[Any]) -> Rows:
        """The rows with a mean [N, K] as their logits."""
        logits = np.log(np.maximum(mean, _LEAST)) if self.probabilities else mean
        return Rows(self.labels, logits, self.groups, np.zeros(len(self.labels), np.int64))

    def score_at(self, task: Task, mean: npt.NDArray[Any]) -> Measure:
        """The task's score of a mean [N, K], higher is better, as a function of the groups' weights."""
        metric = task.metric
        measure = measure_of(task, self.rows_of(mean))
        sign = oriented(metric, 1.0)
        return lambda weights: np.asarray(sign * measure(weights))


class Mixtures:
    """Scores of means in which run r counts n_r times, each computed once.

    parts: number of each row's part [N], 0..J-1. A score is that of the rows outside of one part, or
    (part J) of all rows. Scores that are not defined are -inf: never chosen.
    """

    def __init__(self, task: Task, answers: Answers, parts: Int64, num_parts: int) -> None:
        self._task, self._answers = task, answers
        self._parts, self._num_parts = parts, num_parts
        self._size = task.num_classes
        self._labels = answers.labels.astype(np.int64)
        self._cells = parts * self._size
        self._of_labels = self._count(self._labels, None)
        self._known: dict[tuple[int, ...], Float64] = {}

    @property
    def num_runs(self) -> int:
        """Number of runs, R."""
        return self._answers.num_runs

    @property
    def evaluated(self) -> int:
        """How many different means were scored."""
        return len(self._known)

    def total(self, counts: Sequence[int]) -> Float32:
        """The sum of the values of the runs, each as often as it counts, [N, K]."""
        found = np.zeros(self._answers.values.shape[1:], np.float32)
        for count, one in zip(counts, self._answers.values, strict=True):
            if count:
                found += np.float32(count) * one
        return found

    def add(self, total: Float32, run: int) -> None:
        """Add a run's values to a total, in place."""
        total += self._answers.values[run]

    def score(
        self, counts: Sequence[int], part: int, without: Float32 | None = None, run: int = -1
    ) -> float:
        """The score of the rows outside of a part.

        without, run: the total of the counts but for one of run `run`, which saves summing up.
        """
        # Twice as often of each is the same mean.
        key = tuple(count // gcd(*counts) for count in counts)
        found = self._known.get(key)
        if found is None:
            total = self.total(counts) if without is None else without + self._answers.values[run]
            found = self._known[key] = self._scores(total, sum(counts))
        return float(found[part])

    def _scores(self, total: Float32, count: int) -> Float64:
        metric = self._task.metric
        if metric == "log_loss":
            found = self._log_losses(total / np.float32(count))
        elif metric in _FAST:
            found = self._of_classes(total.argmax(axis=1), metric)
        else:
            found = self._by_measure(total / np.float32(count), metric)
        return np.where(np.isfinite(found), found, -np.inf)

    def _count(self, classes: Int64, chosen: npt.NDArray[np.bool_] | None) -> Float64:
        """Rows of each class, of all rows but those of each part, and of all: [J + 1, K]."""
        cells = self._cells + classes
        size = self._num_parts * self._size
        counts = np.bincount(cells if chosen is None else cells[chosen], minlength=size)
        return _outside(counts.reshape(self._num_parts, self._size).astype(np.float64))

    def _of_classes(self, answers: Int64, metric: MetricName) -> Float64:
        hits = self._count(answers, answers == self._labels)
        labels = self._of_labels
        if metric == "macro_f1":
            sums = ClassSums(hits, labels, self._count(answers, None))
            return macro_f1(sums, self._task.absent)
        with np.errstate(invalid="ignore"):
            if metric == "accuracy":
                return np.asarray(hits.sum(axis=1) / labels.sum(axis=1))
            return np.asarray(np.nanmean(hits / np.where(labels > 0, labels, np.nan), axis=1))

    def _log_losses(self, mean: Float32) -> Float64:
        own = mean[np.arange(len(mean)), self._labels]
        if self._answers.probabilities:
            losses = -np.log(np.maximum(own, np.float32(1e-15)))
        else:
            highest = mean.max(axis=1)
            losses = np.log(np.exp(mean - highest[:, None]).sum(axis=1)) + highest - own
            losses = np.minimum(losses, np.float32(-np.log(1e-15)))
        of_part = np.bincount(self._parts, losses, self._num_parts).astype(np.float64)
        total = _outside(of_part[:, None])[:, 0]
        with np.errstate(invalid="ignore"):
            return np.asarray(-total / self._of_labels.sum(axis=1))

    def _by_measure(self, mean: Float32, metric: MetricName) -> Float64:
        rows = self._answers.rows_of(mean)
        if metric == "auc":
            chosen = [self._parts != part for part in range(self._num_parts + 1)]
            return np.array([value_of(self._task, rows.where(own)) for own in chosen])
        # The parts as groups, each left out once.
        measure = measure_of(self._task, Rows(rows.labels, rows.logits, self._parts, rows.folds))
        weights = np.vstack([1 - np.eye(self._num_parts), np.ones(self._num_parts)])
        return np.asarray(oriented(metric, 1.0) * measure(weights))


def value_of(task: Task, rows: Rows) -> float:
    """The ranking metric of these rows; a ranking metric needs them alone, not as weights of more."""
    return float(measure_of(task, rows)(np.ones((1, rows.num_groups)))[0])


def _outside(of_part: Float64) -> Float64:
    """Sums outside of each part and, last, of all: [J, M] to [J + 1, M]."""
    whole = of_part.sum(axis=0, keepdims=True)
    return np.concatenate([whole - of_part, whole])
