"""Means over the images of each group, where the answer is one per patient, lesion or camera."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


class GroupMeans:
    """Means of rows by group, in one pass over parts of a table whose groups may be anywhere.

    Held in memory: a sum per group and class and a count per group, float64 [G, K] and int64 [G]; for
    two million groups of ten classes 180 MB, beside their names.
    """

    def __init__(self, num_groups: int, num_classes: int) -> None:
        self._sums = np.zeros((num_groups, num_classes))
        self._counts = np.zeros(num_groups, np.int64)
        self._classes = np.arange(num_classes)

    def add(self, codes: npt.NDArray[np.integer], values: npt.NDArray[np.floating]) -> None:
        """Add rows; codes: number of each row's group [N]; values: [N, K]. NaN rows do not count."""
        there = ~np.isnan(values).any(axis=1)
        codes, values = codes[there], values[there]
        grow = int(codes.max(initial=-1)) + 1 - len(self._counts)
        if grow > 0:
            # By half at least: groups that turn up one by one would be copied each time.
            grow = max(grow, len(self._counts) // 2)
            self._sums = np.pad(self._sums, ((0, grow), (0, 0)))
            self._counts = np.pad(self._counts, (0, grow))
        # In the order of the rows, so that the sums do not depend on the parts; flat, which is 15 times
        # as fast here (4,096 rows of 10 classes, numpy 2.4.6).
        places = codes[:, None].astype(np.int64) * self._sums.shape[1] + self._classes
        np.add.at(self._sums.reshape(-1), places.reshape(-1), values.astype(np.float64).reshape(-1))
        np.add.at(self._counts, codes, 1)

    def means(self, num_groups: int) -> Float64:
        """Means of the first groups, float64 [num_groups, K]; NaN for a group without rows."""
        sums, counts = self._sums[:num_groups], self._counts[:num_groups]
        missing = num_groups - len(sums)
        sums, counts = np.pad(sums, ((0, missing), (0, 0))), np.pad(counts, (0, missing))
        with np.errstate(invalid="ignore"):  # 0 / 0
            means: Float64 = sums / counts[:, None]
        return means


class GroupCodes:
    """Numbers of groups by their names, in the order in which they turn up."""

    def __init__(self) -> None:
        self._code_of: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """The names so far, in the order of their numbers."""
        return list(self._code_of)

    def of(self, names: Sequence[str]) -> Int64:
        """The number of each name, int64 [N]; a new name gets the next one."""
        known = self._code_of
        return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


@dataclass(frozen=True)
class GroupedRows:
    """Rows averaged by group.

    labels: int64 [G], logits: float64 [G, K], of the groups with logits whose images share a label.
    mixed: number of groups that were left out, as their images have several labels. groups: int64 [G],
    the numbers of those that are here.
    """

    labels: Int64
    logits: Float64
    mixed: int
    groups: Int64


class LabelledGroups:
    """Averages labelled rows by group, part by part; see GroupMeans for the memory."""

    def __init__(self, num_groups: int, num_classes: int) -> None:
        self._means = GroupMeans(num_groups, num_classes)
        self._num = num_groups
        self._low = np.full(num_groups, np.iinfo(np.int64).max)
        self._high = np.full(num_groups, -1)

    def add(
        self, groups: npt.NDArray[np.integer], labels: npt.NDArray[np.integer],
        logits: npt.NDArray[np.floating],
    ) -> None:  # fmt: skip
        """Add rows: numbers of their groups [N], classes [N], logits [N, K], NaN without any.

        A row without logits counts for whether a group has one label, and for nothing else.
        """
        np.minimum.at(self._low, groups, labels)
        np.maximum.at(self._high, groups, labels)
        self._means.add(groups, logits)

    def result(self) -> GroupedRows:
        """The groups, in the order of their numbers."""
        means = self._means.means(self._num)
        mixed = (self._high >= 0) & (self._low != self._high)
        kept = (self._high >= 0) & ~mixed & ~np.isnan(means).any(axis=1)
        return GroupedRows(
            self._high[kept], means[kept], int(mixed.sum()), np.flatnonzero(kept).astype(np.int64)
        )


def by_group(
    labels: npt.NDArray[np.integer],
    logits: npt.NDArray[np.floating],
    groups: npt.NDArray[np.integer],
) -> GroupedRows:
    """Average the logits of each group's rows; groups: numbers from 0 [N], in any order.

    labels: [N]. logits: [N, K], NaN for rows without. For a table in parts, see LabelledGroups.
    """
    found = LabelledGroups(int(groups.max(initial=-1)) + 1, logits.shape[1])
    found.add(groups, labels, logits)
    return found.result()
