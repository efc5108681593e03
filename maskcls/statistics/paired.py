"""The difference of two settings on the same rows: interval, p-value, corrected for many pairs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.metrics import SHARES
from maskcls.core.task import MetricName, Task
from maskcls.statistics.intervals import LEVEL, Interval, bca, interval_of
from maskcls.statistics.measures import Measure, measure_of
from maskcls.statistics.resampling import RESAMPLES, estimate, replicates, without_blocks
from maskcls.statistics.rows import Rows
from maskcls.statistics.training_noise import (
    Float64,
    Maker,
    Source,
    TrainingNoise,
    columns,
    noise_of,
    stacked,
)

_MOST_UNITS = 5_000
_AT_ONCE = 1 << 22
"""Weights of a block of swaps: 32 MiB."""


@dataclass(frozen=True)
class Paired:
    """B against A, in the metric's score: positive where B is better (log loss with its sign changed).

    p: two-sided, with training noise as the interval has it. p_trained: of these networks alone, without
    it. noise: standard deviation of the difference by training, and what it was measured on: "seeds",
    "folds" (one seed each), None (one seed each and one fold: it is taken for 0). seeds: of A and B.
    NaN where the metric is not defined.
    """

    difference: float
    interval: Interval
    p: float
    p_trained: float
    noise: float
    noise_from: Source | None
    seeds: tuple[int, int]
    groups: int

    @property
    def is_claimed(self) -> bool:
        """Whether the interval excludes 0 and p is below what its level allows."""
        apart = self.interval.low > 0 or self.interval.high < 0
        return apart and self.p < 1 - self.interval.level


def paired_difference(
    task: Task, a: Sequence[Rows], b: Sequence[Rows], metric: MetricName | None = None,
    resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL,
) -> Paired:  # fmt: skip
    """B's mean score minus A's in a metric (None: the ranking one); see paired_differences."""
    make = score_maker(task, metric)
    return paired_differences(make, a, b, resamples, seed, level)[0]


def score_maker(task: Task, metric: MetricName | None = None) -> Maker:
    """Makes the score of rows: the metric so that higher is better."""
    name = metric or task.metric

    def make(rows: Rows) -> Measure:
        measure = measure_of(task, rows, name)
        return (lambda weights: -measure(weights)) if name == "log_loss" else measure

    return make


def paired_differences(
    make: Maker, a: Sequence[Rows], b: Sequence[Rows], resamples: int = RESAMPLES, seed: int = 0,
    level: float = LEVEL,
) -> list[Paired]:  # fmt: skip
    """The difference of each of M values.

    a, b: a run's rows for each seed of a setting; all have the same rows in the same order. make: gives
    the values of rows; see training_noise.Maker.

    The interval is BCa (Efron 1987) of resamples of the groups, the same for both sides (Field & Welsh
    2007), to each of which training noise is added (training_noise.py): groups and training together.
    p is of swaps (Fisher 1935): each group's rows change sides with probability 1/2, which is exact if
    the two networks answer alike, with the +1 of Phipson & Smyth (2010); the same noise is added to
    each. Seeds of both sides are swapped in pairs; of unequal numbers some are in several.

    Of more than 5,000 groups, 5,000 unions of groups, drawn at random, are resampled and swapped: they
    are as independent as the groups are, and 200,000 would take minutes for the same interval.

    Raises ValueError for other rows.
    """
    groups = a[0].num_groups
    a, b = _in_units(a, b)
    found, noise, added = _resampled(make, a, b, resamples, seed, level)
    swapped = _swapped(make, a, b, resamples, seed)
    value = np.array([difference for difference, _ in found])
    p, p_trained = _p(value, swapped + added), _p(value, swapped)
    return [
        Paired(
            *found[m], float(p[m]), float(p_trained[m]), float(noise.deviation[m]), noise.source,
            (len(a), len(b)), groups,
        )
        for m in range(len(value))
    ]  # fmt: skip


def paired_intervals(
    make: Maker, a: Sequence[Rows], b: Sequence[Rows], resamples: int = RESAMPLES, seed: int = 0,
    level: float = LEVEL,
) -> list[tuple[float, Interval]]:  # fmt: skip
    """Difference and interval of each of M values, without a p-value; see paired_differences."""
    return _resampled(make, *_in_units(a, b), resamples, seed, level)[0]


def _in_units(a: Sequence[Rows], b: Sequence[Rows]) -> tuple[Sequence[Rows], Sequence[Rows]]:
    """The same rows, whose groups are unions of groups where there are very many."""
    _refuse_other_rows([*a, *b])
    if (groups := a[0].num_groups) <= _MOST_UNITS:
        return a, b
    unit_of = np.random.default_rng([groups, 5]).permutation(groups) % _MOST_UNITS
    units = unit_of[a[0].groups].astype(np.int64)
    one, other = ([replace(rows, groups=units) for rows in side] for side in (a, b))
    return one, other


def _resampled(
    make: Maker, a: Sequence[Rows], b: Sequence[Rows], resamples: int, seed: int, level: float
) -> tuple[list[tuple[float, Interval]], TrainingNoise, Float64]:
    """Differences with intervals [M], training noise, and what of it is in each resample."""
    groups, noise = a[0].num_groups, noise_of(make, a, b, level)
    difference = _difference([make(rows) for rows in a], [make(rows) for rows in b])
    value = np.atleast_1d(estimate(difference, groups))
    added = noise.drawn(resamples, seed)
    drawn = replicates(difference, groups, resamples, seed) + added
    intervals = bca(value, drawn, without_blocks(difference, groups, seed), level)
    return list(zip(map(float, value), intervals, strict=True)), noise, added


def mean_interval(
    task: Task, runs: Sequence[Rows], resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> Interval:  # fmt: skip
    """Interval of a setting's mean value over its seeds, in the ranking metric as its name says.

    By groups alone, as a run's own interval is; runs: see paired_differences. NaN where not known.
    """
    measures = [measure_of(task, rows) for rows in _in_units(runs, runs)[0]]
    groups = min(runs[0].num_groups, _MOST_UNITS)

    def mean(weights: npt.NDArray[Any]) -> Float64:
        return np.asarray(np.mean([measure(weights) for measure in measures], axis=0))

    is_share = task.metric in SHARES
    return interval_of(mean, groups, resamples, seed, level, shares=is_share)[0]


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted for all of them being looked at (Holm 1979); NaN stays and does not count."""
    values = np.asarray(p, np.float64)
    order = [int(i) for i in np.argsort(values) if np.isfinite(values[i])]
    adjusted, largest = values.copy(), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * values[place]))
        adjusted[place] = largest
    return [float(value) for value in adjusted]


def _refuse_other_rows(runs: Sequence[Rows]) -> None:
    first = runs[0]
    for rows in runs[1:]:
        same = len(rows) == len(first) and (rows.labels == first.labels).all()
        if not same or (rows.groups != first.groups).any():
            raise ValueError("runs can be compared on the same rows in the same order only")


def _difference(
    a: Sequence[Measure], b: Sequence[Measure]
) -> Callable[[npt.NDArray[Any]], Float64]:
    def mean(side: Sequence[Measure], weights: npt.NDArray[Any]) -> Float64:
        return np.asarray(np.mean([columns(measure(weights)) for measure in side], axis=0))

    return lambda weights: mean(b, weights) - mean(a, weights)


def _swapped(
    make: Maker, a: Sequence[Rows], b: Sequence[Rows], resamples: int, seed: int
) -> Float64:
    """Differences after groups changed sides at random, [resamples, M].

    Placement values of AUC, whose reference is the rows of both sides (areas.py), are exact here: each
    row counts once on each side, so what depends on which positive is together with which negative is
    the same on both and cancels.
    """
    groups, pairs = a[0].num_groups, max(len(a), len(b))
    pair_of = [(i % len(a), i % len(b)) for i in range(pairs)]
    measures = [make(stacked([a[i], b[j]])) for i, j in pair_of]
    rng = np.random.default_rng([seed, groups, 4])
    size, found = max(1, min(64, _AT_ONCE // (2 * groups))), []
    for start in range(0, resamples, size):
        change = rng.integers(2, size=(min(size, resamples - start), groups)).astype(np.float64)
        of_a, of_b = np.hstack([1 - change, change]), np.hstack([change, 1 - change])
        found.append(np.mean([columns(m(of_b)) - columns(m(of_a)) for m in measures], axis=0))
    return np.concatenate(found)


def _p(value: Float64, swapped: Float64) -> Float64:
    there = np.isfinite(swapped)
    # Sums in another order differ in their last bits, which must not decide between equal values.
    as_large = (np.abs(swapped) >= np.abs(value) - 1e-12) & there
    p = (1 + as_large.sum(axis=0)) / (1 + there.sum(axis=0))
    return np.where(np.isfinite(value), p, np.nan)
