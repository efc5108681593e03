"""What a greedy selection of runs is worth, on groups that it was not chosen on.

A selection is judged too well on the rows it was chosen on. So it is made again without each of some
parts of the groups, and each part is scored by the weights chosen without it (nested cross-validation,
Varma & Simon 2006). The best single run, with which it is compared, is chosen in the same way.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from maskcls.core.metrics import SHARES
from maskcls.core.task import Task
from maskcls.statistics.greedy import best_single, select
from maskcls.statistics.intervals import Interval, interval_of
from maskcls.statistics.mixtures import Answers, Mixtures
from maskcls.statistics.resampling import RESAMPLES, estimate

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

PARTS = 5
_RESAMPLES_OF_AUC = 500
"""Each takes all rows, not sums by group."""
_MOST_VALUES, _LEAST_ROWS = 1 << 19, 5_000
"""Rows times classes that a search looks at, so that it takes a minute at most: a draw of the groups."""
_MOST_VALUES_OF_AUC, _LEAST_ROWS_OF_AUC = 1 << 15, 1_000


@dataclass(frozen=True)
class Gain:
    """A difference of scores, above 0 where the selection is better.

    value, interval: on groups it was not chosen on. in_sample: on those it was chosen on, too high.
    """

    value: float
    interval: Interval
    in_sample: float


@dataclass(frozen=True)
class Selection:
    """A greedy selection of R runs.

    weights: whole numbers [R], 0 for a run left out. best: the best single run. score: of the nested
    selection, higher is better. over_best: its gain over the best single run, over_mean: over the mean
    of all runs. parts: number of nested parts. searched: number of rows it was chosen on.
    """

    weights: list[int]
    best: int
    score: float
    over_best: Gain
    over_mean: Gain
    parts: int
    searched: int

    @property
    def is_better(self) -> bool:
        """Whether the interval of the gain over the mean of all lies above 0."""
        return self.over_mean.interval.low > 0


def fit_selection(
    task: Task, answers: Answers, mean: npt.ArrayLike | None = None, seed: int = 0
) -> Selection:
    """Choose weights by the task's metric, and judge the choice.

    mean: weights [R] of the mean to compare with; None: equal ones. seed: of bags, parts and resamples.
    The intervals are of the groups; that another data set would give other weights is not in them.
    Raises ValueError for one run or one group.
    """
    if answers.num_runs < 2 or answers.num_groups < 2:
        raise ValueError("a selection needs two runs and two groups at least")
    parts_of = _parts(answers.num_groups, seed)
    num_parts, parts = int(parts_of.max()) + 1, parts_of[answers.groups]
    searched = _searched(task, answers, seed)
    some = replace(
        answers, labels=answers.labels[searched], values=answers.values[:, searched],
        groups=answers.groups[searched],
    )  # fmt: skip
    mixtures = Mixtures(task, some, parts[searched], num_parts)
    nested = np.empty_like(answers.values[0])
    of_best = np.empty_like(nested)
    for part in range(num_parts):
        own = parts == part
        of_part = replace(answers, labels=answers.labels[own], values=answers.values[:, own])
        nested[own] = of_part.mean(select(mixtures, part, seed))
        of_best[own] = of_part.values[best_single(mixtures, part)]
    weights, best = select(mixtures, num_parts, seed), best_single(mixtures, num_parts)
    of_mean = answers.mean(np.ones(answers.num_runs) if mean is None else mean)
    value, intervals = _differences(task, answers, nested, (of_best, of_mean), seed)
    chosen = answers.mean(weights)
    in_sample = _values(task, answers, chosen, (answers.values[best], of_mean))
    over_best, over_mean = (
        Gain(float(v), i, float(s)) for v, i, s in zip(value, intervals, in_sample[1:], strict=True)
    )
    score = float(_values(task, answers, nested, ())[0])
    found = int(searched.sum())
    return Selection(weights, best, score, over_best, over_mean, num_parts, found)


@dataclass(frozen=True)
class Against:
    """A score minus another of the same rows, and its interval; own, others: of the two scores."""

    gain: float
    interval: Interval
    own: Interval
    others: Interval


def against(
    task: Task, answers: Answers, mean: npt.NDArray[np.float32], other: npt.NDArray[np.float32]
) -> Against:
    """The score of a mean [N, K] against that of another; both are scored on the same groups."""
    first, second = (answers.score_at(task, one) for one in (mean, other))

    def both(weights: npt.NDArray[np.float64]) -> Float64:
        own, others = first(weights), second(weights)
        return np.stack([own - others, own, others], axis=1)

    value = np.atleast_1d(estimate(both, answers.num_groups))
    shares = [False, *[task.metric in SHARES] * 2]
    intervals = interval_of(both, answers.num_groups, _resamples(task), shares=shares)
    return Against(float(value[0]), *intervals)


def _resamples(task: Task) -> int:
    return _RESAMPLES_OF_AUC if task.metric == "auc" else RESAMPLES


def _parts(num_groups: int, seed: int) -> Int64:
    """Each group's part, int64 [G]: of equal numbers of groups, at random."""
    order = np.random.default_rng([seed, num_groups, 2]).permutation(num_groups)
    return np.asarray(order % min(PARTS, num_groups), np.int64)


def _searched(task: Task, answers: Answers, seed: int) -> npt.NDArray[np.bool_]:
    """The rows of as many groups, drawn at random, as a search takes; all of few rows."""
    values, least = _MOST_VALUES, _LEAST_ROWS
    if task.metric == "auc":
        values, least = _MOST_VALUES_OF_AUC, _LEAST_ROWS_OF_AUC
    most = max(values // task.num_classes, least)
    order = np.random.default_rng([seed, answers.num_groups, 3]).permutation(answers.num_groups)
    place = np.empty(answers.num_groups, np.int64)
    place[order] = np.arange(answers.num_groups)
    rows = np.bincount(answers.groups, minlength=answers.num_groups)[order].cumsum()
    # One of each nested part at least, however large the groups are.
    count = max(int((rows <= most).sum()), min(2 * PARTS, answers.num_groups))
    return np.asarray(place[answers.groups] < count)


def _values(
    task: Task, answers: Answers, chosen: npt.NDArray[np.float32],
    others: tuple[npt.NDArray[np.float32], ...],
) -> Float64:  # fmt: skip
    """The score of a mean, and its gains over others."""
    measures = [answers.score_at(task, mean) for mean in (chosen, *others)]
    found = np.array([float(estimate(measure, answers.num_groups)) for measure in measures])
    return np.concatenate([found[:1], found[0] - found[1:]])


def _differences(
    task: Task, answers: Answers, chosen: npt.NDArray[np.float32],
    others: tuple[npt.NDArray[np.float32], ...], seed: int,
) -> tuple[Float64, list[Interval]]:  # fmt: skip
    """Gains of a mean over others with intervals: both are scored on the same groups."""
    first, *rest = [answers.score_at(task, mean) for mean in (chosen, *others)]

    def gains(weights: npt.NDArray[np.float64]) -> Float64:
        score = first(weights)
        return np.stack([score - other(weights) for other in rest], axis=1)

    value = np.atleast_1d(estimate(gains, answers.num_groups))
    return value, interval_of(gains, answers.num_groups, _resamples(task), seed)
