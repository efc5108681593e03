"""Folds of groups without strata: every fold gets an even share of each class and of all images.

Groups are placed one after another, those with a rare class first, then the larger ones, each in the
fold where it disturbs the shares least; then, in some rounds, each may move. Own code instead of
scikit-learn's StratifiedGroupKFold: folds are part of a run's identity and must not move with the
version of a library.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.folds.class_counts import ClassCounts, Int64
from maskcls.folds.names import order_by_name

Floats = npt.NDArray[np.float64]
_SIZE_WEIGHT = 3.0
"""Of the folds' sizes, relative to one class. Of 0.3, 1, 3 and 10, folds of camera-like data (python -m
tests.benchmarks folds) were the most even with it."""
_MOVED_GROUPS = 20_000
"""With more groups nothing is moved any more: the many small ones have evened out what there was."""
_SWEEPS = 10
_RUNS_AT_ONCE = 65_536


def assign_evenly(
    names: "pd.Series[str]", counts: ClassCounts, count: int, seed: int
) -> npt.NDArray[np.int16]:
    """Draw a fold for each group.

    names: unique [G]; counts: of the same groups; count: number of folds. Returns int16 [G] in
    0..count-1, the same for any order of the groups. No fold is empty when there are as many groups as
    folds, and the folds' sizes differ by at most the images of the largest group; with one image a
    group by at most one, and so does each class.
    """
    bits = np.random.PCG64(seed)
    placed = _place(names, counts, np.ones(count), bits)
    # Ties go to the first fold; so that it is not always fold 0, the numbers are drawn.
    return np.argsort(bits.random_raw(count), kind="stable").astype(np.int16)[placed]


def hold_out_evenly(
    names: "pd.Series[str]", counts: ClassCounts, share: float, seed: int
) -> npt.NDArray[np.int16]:
    """Draw the groups to hold out once: about `share` of each class and of all images.

    Returns int16 [G]: 0 for those held out, -1 for the others.
    """
    placed = _place(names, counts, np.array([share, 1 - share]), np.random.PCG64(seed))
    return np.where(placed == 0, 0, -1).astype(np.int16)


def _place(
    names: "pd.Series[str]", counts: ClassCounts, weights: Floats, bits: np.random.PCG64
) -> Int64:
    """Side of each group, int64 [G] in 0..len(weights)-1; weights: how large the sides should be."""
    order, pattern = _in_turn(names, counts, bits)
    sides = _Sides(weights, counts)
    placed = np.empty(len(order), np.int64)
    kinds = []
    for begin, num, classes, images in _runs(order, pattern, counts):
        placed[begin : begin + num] = sides.place_all(classes, images, num)
        if len(order) <= _MOVED_GROUPS:
            kinds += [(classes, images)] * num
    for _ in range(_SWEEPS if kinds else 0):
        before = placed.copy()
        for place, kind in enumerate(kinds):
            placed[place] = sides.move(int(placed[place]), *kind)
        if (placed == before).all():
            break
    found = np.empty(len(order), np.int64)
    found[order] = placed
    return found


def _in_turn(
    names: "pd.Series[str]", counts: ClassCounts, bits: np.random.PCG64
) -> tuple[Int64, npt.NDArray[np.uint64]]:
    """The groups in the order in which they are placed, int64 [G]; and the pattern of each group.

    By rarest class, then by size in powers of two, then by pattern, then by ticket. A finer order of
    sizes would leave nothing to the seed, where no two groups are alike: each repeat would be the
    same split.
    """
    # Raw bits: NumPy guarantees that PCG64's bits stay the same in later versions, but not
    # the results of Generator's methods, and the folds are part of every result.
    factor = bits.random_raw(counts.num_classes)
    # Equal for equal counts. For others by chance: 1 in 2^63, and then only the shares are less even.
    pattern = np.add.reduceat(
        factor[counts.classes] * counts.images.astype(np.uint64), counts.starts[:-1]
    )
    ticket = np.empty(counts.num_groups, np.uint64)
    ticket[order_by_name(names)] = bits.random_raw(counts.num_groups)
    rank = np.empty(counts.num_classes, np.int64)
    rank[np.argsort(counts.totals, kind="stable")] = np.arange(counts.num_classes)
    rarest = np.minimum.reduceat(rank[counts.classes], counts.starts[:-1])
    _, bit_length = np.frexp(counts.sizes.astype(np.float64))
    order = np.lexsort((ticket, pattern, -bit_length, rarest))
    return order.astype(np.int64), pattern


def _runs(
    order: Int64, pattern: npt.NDArray[np.uint64], counts: ClassCounts
) -> Iterator[tuple[int, int, list[int], list[int]]]:
    """Groups with the same images of each class, which stand together in `order`, to be placed at once:
    place in it, how many, their classes and the images of each.
    """
    first = np.flatnonzero(np.diff(pattern[order], prepend=pattern[order[:1]] + np.uint64(1)))
    length = np.diff(first, append=len(order))
    # Some at a time: as Python's integers, all would take ten times the memory.
    for at in range(0, len(first), _RUNS_AT_ONCE):
        some = slice(at, at + _RUNS_AT_ONCE)
        groups = order[first[some]]
        numbers = (first[some], length[some], counts.starts[groups], counts.starts[groups + 1])
        for begin, num, start, end in zip(*(n.tolist() for n in numbers), strict=True):
            yield begin, num, counts.classes[start:end].tolist(), counts.images[start:end].tolist()


class _Sides:
    """What the sides hold so far, S of them.

    The cost that is kept small: the sum over classes, and over all images as one more class, of
    (share of the class - weight)^2 / weight over the sides. A group adds to it, up to what is the same
    for all sides,  sum over classes of  c (2 n + c) / T^2 / weight:  c images of T come to n.
    """

    def __init__(self, weights: Floats, counts: ClassCounts) -> None:
        self._weights = weights
        self._filled = np.zeros((counts.num_classes, len(weights)))
        self._sizes = np.zeros(len(weights))
        self._scale = (1 / np.maximum(counts.totals, 1).astype(np.float64) ** 2).tolist()
        sizes = counts.sizes
        self._size_scale = _SIZE_WEIGHT / float(sizes.sum()) ** 2
        # A side may be fuller than the emptiest by one group, the largest at most (and by rounding).
        self._bound = float(sizes.max()) / float(weights.min()) * (1 + 1e-9)

    def place(self, classes: list[int], images: list[int]) -> int:
        """Put a group on the best side, and say which."""
        size = sum(images)
        costs = self._costs(classes, images)
        side = int(costs.argmin())
        fill = self._sizes / self._weights
        after = (self._sizes + size) / self._weights
        if after[side] - fill.min() > self._bound:
            # The emptiest side is always within the bound.
            costs[after - fill.min() > self._bound] = np.inf
            side = int(costs.argmin())
        self._add(side, classes, images, 1)
        return side

    def move(self, side: int, classes: list[int], images: list[int]) -> int:
        """Put a group of a side on the best one, and say which."""
        self._add(side, classes, images, -1)
        best = self.place(classes, images)
        if best != side and self._is_uneven():
            self._add(best, classes, images, -1)
            self._add(side, classes, images, 1)
            return side
        return best

    def place_all(self, classes: list[int], images: list[int], num: int) -> Int64:
        """Put so many groups on sides, int64 [num]; as `place` one after another, but faster."""
        if num == 1:
            return np.array([self.place(classes, images)])
        many = self._level(classes, images, num)
        for side in np.flatnonzero(many):
            self._add(int(side), classes, images, int(many[side]))
        if self._is_uneven():
            for side in np.flatnonzero(many):
                self._add(int(side), classes, images, -int(many[side]))
            many[:] = 0
        rest = [self.place(classes, images) for _ in range(num - int(many.sum()))]
        return np.concatenate([np.repeat(np.arange(len(many)), many), np.array(rest, np.int64)])

    def _is_uneven(self) -> bool:
        fill = self._sizes / self._weights
        return bool(fill.max() - fill.min() > self._bound)

    def _level(self, classes: list[int], images: list[int], num: int) -> Int64:
        """How many of the groups each side surely gets, int64 [S]: most of them, if they are many."""
        many = np.zeros(len(self._weights), np.int64)
        if num <= 2 * len(many):
            return many
        costs = self._costs(classes, images)
        step = 2 * self._size_scale * sum(images) ** 2
        for k, c in zip(classes, images, strict=True):
            step += 2 * self._scale[k] * c * c
        # Costs rise by step / weight with each group, so all end near one level, like water; sides that
        # are above it get none.
        by_cost = np.argsort(costs, kind="stable")
        rate = self._weights / step
        level = np.inf
        for last in range(len(many), 0, -1):
            low = by_cost[:last]
            level = (num + (costs[low] * rate[low]).sum()) / rate[low].sum()
            if level >= costs[low[-1]]:
                break
        # One less: rounding must not decide what `place` then decides exactly.
        sure: Int64 = np.maximum(np.floor((level - costs) * rate) - 1, 0).astype(np.int64)
        return sure

    def _costs(self, classes: list[int], images: list[int]) -> Floats:
        # Element by element, in this order: a library's sums may round differently in another version.
        size = sum(images)
        costs = (2 * self._sizes + size) * (size * self._size_scale)
        for k, c in zip(classes, images, strict=True):
            costs += (2 * self._filled[k] + c) * (c * self._scale[k])
        costs /= self._weights
        return costs

    def _add(self, side: int, classes: list[int], images: list[int], num: int) -> None:
        for k, c in zip(classes, images, strict=True):
            self._filled[k, side] += num * c
        self._sizes[side] += num * sum(images)
