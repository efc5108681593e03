"""Mean predictions of labelled and unlabelled rows, and how sure they are: what a prior is read from.

The rows' features are their probabilities of some cells (classes, or strata of them) and the
squares of these. Under label shift (p(x | class) is the same), the unlabelled rows' means are the
labelled rows' means of each cell, mixed by the cells' unknown shares (Lipton et al. 2018; the
squares tell whether it holds).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from maskcls.statistics.resampling import draws
from maskcls.statistics.rows import Int64

Float64 = npt.NDArray[np.float64]


class Labelled:
    """Features of labelled rows, by group and cell."""

    def __init__(self, cells: Int64, features: Float64, groups: Int64, num_cells: int) -> None:
        """cells: integers [N] in 0..S-1, each of which occurs. features: [N, D]. groups: [N]."""
        pairs, numbers = np.unique(cells * (groups.max() + 1) + groups, return_inverse=True)
        self.num_groups = int(groups.max()) + 1
        self._group = pairs % self.num_groups
        bounds = np.searchsorted(pairs, np.arange(num_cells + 1) * self.num_groups)
        self._parts = [slice(a, b) for a, b in pairwise(bounds)]
        order = np.argsort(numbers, kind="stable")
        starts = np.searchsorted(numbers[order], np.arange(len(pairs)))
        self._sums = np.add.reduceat(features[order], starts, axis=0)
        self._counts = np.bincount(numbers).astype(np.float64)
        self.shares = np.bincount(cells, minlength=num_cells) / len(cells)
        self.groups_of_cell = np.array([part.stop - part.start for part in self._parts])

    def means(self) -> Float64:
        """Mean features of each cell, [D, S]."""
        return np.asarray(self.resampled(np.ones((1, self.num_groups)))[0])

    def resampled(self, weights: Float64) -> Float64:
        """Mean features of each cell, [B, D, S], at weights [B, G].

        Of all rows where a resample has none of a cell.
        """
        found = np.empty((len(weights), self._sums.shape[1], len(self._parts)))
        for cell, part in enumerate(self._parts):
            of_pair = weights[:, self._group[part]]
            total = of_pair @ self._counts[part]
            sums = np.where(
                total[:, None] > 0, of_pair @ self._sums[part], self._sums[part].sum(axis=0)
            )
            found[:, :, cell] = sums / np.where(total > 0, total, self._counts[part].sum())[:, None]
        return found

    def covariance(self, shares: Float64) -> Float64:
        """Covariance [D, D] of the means mixed by shares [S], with groups as units."""
        apart = np.zeros((self.num_groups, self._sums.shape[1]))
        means = self.means()
        for cell, part in enumerate(self._parts):
            size = self._counts[part].sum()
            residual = self._sums[part] - self._counts[part][:, None] * means[:, cell]
            # A cell of few groups fits its own mean: as with the n - 1 of a variance.
            count = part.stop - part.start
            inflation = np.sqrt(count / max(count - 1, 1))
            apart[self._group[part]] += residual * (shares[cell] / size * inflation)
        return np.asarray(apart.T @ apart)


@dataclass(frozen=True)
class Unlabelled:
    """Sums of the features of unlabelled rows [U, D] and their number [U], by unit: groups or rows.

    effect: how many times the variance of a mean is that of independent units.
    """

    sums: Float64
    counts: Float64
    effect: float

    @classmethod
    def of(cls, features: Float64, groups: npt.NDArray[Any] | None, effect: float) -> Self:
        """features: [M, D]. groups: [M], or None: unknown, rows being units with this effect."""
        if groups is None:
            return cls(features, np.ones(len(features)), effect)
        _, numbers = np.unique(groups, return_inverse=True)
        order = np.argsort(numbers, kind="stable")
        starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
        counts = np.bincount(numbers).astype(np.float64)
        return cls(np.add.reduceat(features[order], starts, axis=0), counts, 1.0)

    @property
    def units(self) -> float:
        """Number of independent units."""
        return len(self.counts) / self.effect

    def means(self) -> Float64:
        """Mean features, [D]."""
        return np.asarray(self.sums.sum(axis=0) / self.counts.sum())

    def resampled(self, resamples: int, seed: int) -> Iterator[Float64]:
        """Mean features of resamples of the units, in blocks [b, D]."""
        means = self.means()
        for weights in draws(len(self.counts), resamples, seed):
            found = (weights @ self.sums) / (weights @ self.counts)[:, None]
            yield means + np.sqrt(self.effect) * (found - means)

    def covariance(self) -> Float64:
        """Covariance [D, D] of the mean features."""
        apart = (self.sums - self.counts[:, None] * self.means()) / self.counts.sum()
        return np.asarray(apart.T @ apart * self.effect)
