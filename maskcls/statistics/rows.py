"""Labelled rows in groups: what all statistics of a run are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """Held-out rows with their logits; arrays are shared, never written to.

    labels: integers [N] in 0..K-1. logits: finite floats [N, K]. groups: int64 [N], numbers 0..G-1 of
    the groups, which are drawn as wholes; each occurs at least once. folds: int64 [N], the running
    number of the fold that held the row out (over all repeats, so that a row counts once per repeat).
    """

    labels: npt.NDArray[Any]
    logits: npt.NDArray[Any]
    groups: Int64
    folds: Int64

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_groups(self) -> int:
        """Number of groups, G."""
        return int(self.groups.max(initial=-1)) + 1

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return int(self.logits.shape[1])

    def where(self, chosen: Bool) -> Self:
        """The chosen rows, their groups numbered anew; chosen: bool [N]."""
        _, groups = np.unique(self.groups[chosen], return_inverse=True)
        return replace(
            self, labels=self.labels[chosen], logits=self.logits[chosen],
            groups=groups.astype(np.int64), folds=self.folds[chosen],
        )  # fmt: skip

    def with_logits(self, logits: npt.NDArray[Any]) -> Self:
        """The same rows with other logits [N, K], such as calibrated ones."""
        return replace(self, logits=logits)


def numbered(names: Sequence[str] | npt.NDArray[Any]) -> Int64:
    """Numbers 0..G-1 of groups by their names [N], in the order of the names."""
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)
