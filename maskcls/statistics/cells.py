"""A metric where classes are as frequent as elsewhere: rows count as their class and their group do.

A group is drawn as a whole, and a class counts q / pi, its share there by its share here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.task import Task
from maskcls.statistics.measures import Measure, measure_of
from maskcls.statistics.pairs import Pairs
from maskcls.statistics.resampling import draws
from maskcls.statistics.rows import Rows

Float64 = npt.NDArray[np.float64]


class Cells:
    """The metric at weights of classes and groups: rows of one group and class count alike."""

    def __init__(self, task: Task, rows: Rows, answers: npt.NDArray[Any] | None) -> None:
        self._pairs = Pairs(rows)
        self._num_groups = rows.num_groups
        self._measure: Measure = measure_of(task, self._pairs.as_groups(rows), predicted=answers)
        # A group occurs in each repeat, in one fold.
        parts = np.unique(rows.groups * (rows.folds.max() + 1) + rows.folds)
        self.images_per_group = len(rows) / len(parts)

    def at(self, ratio: Float64, weights: Float64) -> float:
        """The metric, at how often a row of each class [K] and each group [G] counts."""
        return float(self._measure(self._pairs.weights(weights[None], ratio))[0])

    def scored(
        self, ratio: Float64, weights: Float64, number: int, rng: np.random.Generator
    ) -> Float64:
        """Weights [G] of so many groups drawn from those with these weights, as classes' ratios tell."""
        pairs = self._pairs
        total = np.bincount(pairs.groups, pairs.counts * ratio[pairs.classes], self._num_groups)
        size = np.bincount(pairs.groups, pairs.counts, self._num_groups)
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
