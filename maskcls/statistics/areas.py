"""AUC as a function of how often each group counts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.statistics.sums import Float64, GroupSums, Int64, mean_of

_EXACT = 2_000
"""Rows times classes up to which each resample ranks its rows."""


def auc_of(
    labels: npt.NDArray[Any], ranks: npt.NDArray[Any], groups: Int64, num_classes: int
) -> Callable[[npt.NDArray[Any]], Float64]:
    """AUC [B] at weights [B, G], the mean over the classes for which it is defined; NaN without any.

    labels: integers [N]. ranks: see core.tally.ranks_of. Of more than 2,000 rows times classes it is
    computed from placement values (DeLong 1988): the mean of the shares of negative rows that each
    positive one ranks above, and of those of positive rows, both of all rows. That leaves out only what
    depends on which positive is drawn together with which negative, of the order of 1 / groups.
    """
    kinds = [1] if num_classes == 2 else list(range(num_classes))
    columns = ranks.reshape(len(labels), -1)
    pairs = [(labels == kind, columns[:, place]) for place, kind in enumerate(kinds)]
    of_each = (_exact if columns.size <= _EXACT else _by_placement)(pairs, groups)

    def at(weights: npt.NDArray[Any]) -> Float64:
        found = of_each(np.asarray(weights, np.float64))
        return mean_of(found, ~np.isnan(found))

    return at


_Pairs = list[tuple[npt.NDArray[np.bool_], npt.NDArray[Any]]]
"""Of each class: which rows are positive, and what ranks them."""


def _exact(pairs: _Pairs, groups: Int64) -> Callable[[Float64], Float64]:
    curves = [_Curve(*pair) for pair in pairs]

    def at(weights: Float64) -> Float64:
        of_rows = weights[:, groups]
        return np.stack([curve.areas(of_rows) for curve in curves], axis=1)

    return at


class _Curve:
    """The area under a class's ROC curve for weighted rows; sorted once."""

    def __init__(self, is_positive: npt.NDArray[np.bool_], rank: npt.NDArray[Any]) -> None:
        self._order: Int64 = np.argsort(rank, kind="stable")
        ordered = rank[self._order]
        self._starts = np.flatnonzero(np.diff(ordered, prepend=-np.inf) > 0)
        self._is_positive = is_positive[self._order]

    def areas(self, weights: Float64) -> Float64:
        """AUC [B] at weights of each row [B, N]; NaN where all rows that count are of one kind."""
        ordered = weights[:, self._order]
        positive = np.add.reduceat(ordered * self._is_positive, self._starts, axis=1)
        negative = np.add.reduceat(ordered * ~self._is_positive, self._starts, axis=1)
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        below = np.cumsum(negative, axis=1) - negative / 2  # ties count half
        nothing = np.full(len(pairs), np.nan)
        return np.asarray(
            np.divide((positive * below).sum(axis=1), pairs, out=nothing, where=pairs > 0)
        )


def _by_placement(pairs: _Pairs, groups: Int64) -> Callable[[Float64], Float64]:
    curves = [_Placements(*pair, groups) for pair in pairs]
    return lambda weights: np.stack([curve.areas(weights) for curve in curves], axis=1)


class _Placements:
    """The same from the rows' placement values, whose sums by group are linear in the weights."""

    def __init__(
        self, is_positive: npt.NDArray[np.bool_], rank: npt.NDArray[Any], groups: Int64
    ) -> None:
        place = np.zeros(len(rank))
        place[is_positive] = _share_below(rank[is_positive], rank[~is_positive])
        place[~is_positive] = 1 - _share_below(rank[~is_positive], rank[is_positive])
        self._area = float(place[is_positive].mean()) if is_positive.any() else float("nan")
        kind = is_positive.astype(np.int64)
        self._sums = GroupSums(groups, [(kind, place), (kind, None)])
        self._has_both = bool(is_positive.any() and not is_positive.all())

    def areas(self, weights: Float64) -> Float64:
        """AUC [B] at weights [B, G]."""
        nothing = np.full((len(weights), 2), np.nan)
        if not self._has_both:
            return nothing[:, 0]
        sums, counts = self._sums.at(weights)
        means = np.divide(sums, counts, out=nothing, where=counts > 0)
        return np.asarray(means.sum(axis=1) - self._area)


def _share_below(rank: npt.NDArray[Any], others: npt.NDArray[Any]) -> Float64:
    """Share of the others that each ranks above, ties counting half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, rank, "left") + np.searchsorted(ordered, rank, "right")
    return np.asarray(below / (2 * max(len(others), 1)))
