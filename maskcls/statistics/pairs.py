"""Rows by group and class: what weights of groups and of classes act on.

Rows of one group and class count alike, so a pair of both stands for them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.statistics.rows import Float64, Int64, Rows


class Pairs:
    """The P pairs of group and class that occur in some rows.

    groups, classes: int64 [P], of each pair. counts: float64 [P], rows of each.
    """

    groups: Int64
    classes: Int64
    counts: Float64

    def __init__(self, rows: Rows) -> None:
        size = np.int64(rows.num_classes)
        pairs, numbers, counts = np.unique(
            rows.groups * size + rows.labels.astype(np.int64),
            return_inverse=True, return_counts=True,
        )  # fmt: skip
        self.groups, self.classes = pairs // size, pairs % size
        self.counts = counts.astype(np.float64)
        self._numbers = numbers.astype(np.int64)

    def as_groups(self, rows: Rows) -> Rows:
        """The same rows, or those with other logits, with pairs in the place of groups."""
        return Rows(rows.labels.astype(np.int64), rows.logits, self._numbers, rows.folds)

    def weights(self, of_groups: npt.NDArray[Any], of_classes: Float64 | None) -> Float64:
        """How much a row of each pair counts [B, P]: as its group [B, G] times its class [K] do.

        of_classes: None: each class once.
        """
        found = np.asarray(of_groups, np.float64)[:, self.groups]
        return found if of_classes is None else found * of_classes[self.classes]
