"""How many images of each class each group has, as a sparse matrix."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassCounts:
    """Images of each class [G groups, K classes]; of each group only the classes that it has.

    starts: where each group's entries begin, int64 [G + 1]. classes, images: of each entry, int64;
    a group's classes rise.
    """

    num_classes: int
    starts: Int64
    classes: Int64
    images: Int64

    @classmethod
    def of(
        cls, group_of_row: npt.ArrayLike, labels: npt.ArrayLike, num_groups: int, num_classes: int
    ) -> "ClassCounts":
        """Count rows; group_of_row: codes [N] in 0..num_groups-1; labels: [N] in 0..num_classes-1.

        Raises ValueError for a group without rows.
        """
        # One number for a pair: sorting those is several times faster than sorting pairs.
        key = np.asarray(group_of_row).astype(np.int64)
        key *= num_classes
        key += np.asarray(labels)
        key.sort()
        first = np.flatnonzero(np.diff(key, prepend=-1))
        images = np.diff(first, append=len(key))
        groups, classes = np.divmod(key[first], num_classes)
        starts = np.searchsorted(groups, np.arange(num_groups + 1))
        if num_groups and not np.diff(starts).all():
            raise ValueError(f"group {int(np.argmin(np.diff(starts)))} has no image")
        return cls(num_classes, starts.astype(np.int64), classes, images.astype(np.int64))

    @property
    def num_groups(self) -> int:
        """Number of groups."""
        return len(self.starts) - 1

    @property
    def sizes(self) -> Int64:
        """Images of each group, int64 [G]."""
        found: Int64 = np.add.reduceat(self.images, self.starts[:-1])
        return found

    @property
    def totals(self) -> Int64:
        """Images of each class, int64 [K]."""
        found: Int64 = np.zeros(self.num_classes, np.int64)
        np.add.at(found, self.classes, self.images)
        return found

    @property
    def groups_with(self) -> Int64:
        """Groups that have an image of each class, int64 [K]."""
        found: Int64 = np.bincount(self.classes, minlength=self.num_classes).astype(np.int64)
        return found
