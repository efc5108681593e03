"""A metric where classes are as frequent as elsewhere: rows count as their class and their group do.

A group is drawn as a whole, and a class counts q / pi, its share there by its share here. Rows of one
group and class count alike, so such pairs stand for them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.task import Task
from maskcls.statistics.measures import Measure, measure_of
from maskcls.statistics.resampling import draws
from maskcls.statistics.rows import Rows

Float64 = npt.NDArray[np.float64]


class Cells:
    """The metric at weights of classes and groups: rows of one group and class count alike."""

    def __init__(self, task: Task, rows: Rows, answers: npt.NDArray[Any] | None) -> None:
        size = np.int64(task.num_classes)
        pairs, numbers, counts = np.unique(
            rows.groups * size + rows.labels.astype(np.int64),
            return_inverse=True, return_counts=True,
        )  # fmt: skip
        self._group, self._class = pairs // size, pairs % size
        self._counts = counts.astype(np.float64)
        self._num_groups = rows.num_groups
        split = Rows(rows.labels, rows.logits, np.asarray(numbers, np.int64), rows.folds)
        self._measure: Measure = measure_of(task, split, predicted=answers)
        # A group occurs in each repeat, in one fold.
        parts = np.unique(rows.groups * (rows.folds.max() + 1) + rows.folds)
        self.images_per_group = len(rows) / len(parts)

    def at(self, ratio: Float64, weights: Float64) -> float:
        """The metric, at how often a row of each class [K] and each group [G] counts."""
        return float(self._measure((ratio[self._class] * weights[self._group])[None])[0])

    def scored(
        self, ratio: Float64, weights: Float64, number: int, rng: np.random.Generator
    ) -> Float64:
        """Weights [G] of so many groups drawn from those with these weights, as classes' ratios tell."""
        total = np.bincount(self._group, self._counts * ratio[self._class], self._num_groups)
        size = np.bincount(self._group, self._counts, self._num_groups)
        likely = weights * total / size
        if not likely.sum() > 0:
            return weights
        times = rng.multinomial(number, likely / likely.sum())
        # A group that is drawn twice as often as it is would count twice in total, so once when drawn.
        return np.asarray(times * np.divide(size, total, out=np.zeros_like(size), where=total > 0))


def values_under(
    task: Task, rows: Rows, answers: Sequence[npt.NDArray[Any]], ratios: Float64, resamples: int,
    seed: int = 0,
) -> Float64:  # fmt: skip
    """The metric of each of some answers [N], in resamples of the groups under other shares, [B, C].

    ratios: [D, K], q / pi of draws from the shares' posterior, which are taken in turn.
    """
    cells = [Cells(task, rows, one) for one in answers]
    weights = (row for block in draws(rows.num_groups, resamples, seed) for row in block)
    return np.array(
        [
            [one.at(ratios[draw % len(ratios)], weight) for one in cells]
            for draw, weight in enumerate(weights)
        ]
    )
