"""How classes are decided from log-probabilities, and what that is worth: tuned weights, honestly.

Weights fitted on all rows look better on them than they are. So their gain is measured on nested folds
of whole groups: fitted without a fold, applied to it, the folds' answers pooled (Varma & Simon 2006).
How far they are shrunk towards argmax is chosen within the rest of the groups in the same way. Seeds
are fixed, so that the same rows give the same decision.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.metrics import TITLES
from maskcls.core.task import MetricName, Task
from maskcls.statistics.class_weights import (
    Decidable,
    best_weights,
    cells_of,
    kappa_of_sums,
    metric_of_sums,
)
from maskcls.statistics.intervals import LEVEL, Interval, interval_of
from maskcls.statistics.resampling import RESAMPLES, Statistic, replicates
from maskcls.statistics.rows import Rows
from maskcls.statistics.sums import ClassSums, GroupSums

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

DECIDED: tuple[MetricName, ...] = ("macro_f1", "accuracy", "balanced_accuracy", "quadratic_kappa")
"""Metrics of decided classes; the others are of probabilities, which are calibrated, not decided."""
SHRINKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_SHRINK_RESAMPLES = 100
_FOLDS = 5
_FEWEST_GROUPS = 10
_MOST_WEIGHTS = 100
_MOST_WORK = 50_000_000
"""Rows times weights squared: tens of seconds. With more, a random part of the groups is fitted on."""


@dataclass(frozen=True)
class Decision:
    """A rule, and what it is worth: answers are argmax_k (z_k + log_weights_k).

    rule: "argmax" or "tuned". log_weights: float64 [K], of mean 0. value: the metric of the nested
    answers, plain: of argmax, gain: their difference, interval: its own, paired, by resampling groups;
    NaN where nothing was fitted. shrink: 0 is argmax, 1 the fitted weights. why: in a few words.
    measured: the rule that value, gain and interval are of, which is another one where it was refused.
    """

    rule: str
    log_weights: Float64
    value: float
    plain: float
    gain: float
    interval: Interval
    shrink: float = 0.0
    why: str = ""
    measured: str = "argmax"

    @property
    def is_better(self) -> bool:
        """Whether the whole interval of the gain lies above 0."""
        return self.interval.low > 0


@dataclass(frozen=True)
class Tuned:
    """Fitted weights: log_weights [K] of all rows; nested: the class [N] that each row is given by the
    weights of the other groups; shrink: as in Decision."""

    log_weights: Float64
    nested: Int64
    shrink: float


def no_decision(task: Task, why: str) -> Decision:
    """Argmax, because nothing else can be fitted."""
    unknown = Interval(LEVEL, float("nan"), float("nan"))
    nothing = float("nan")
    return Decision(
        "argmax", np.zeros(task.num_classes), nothing, nothing, nothing, unknown, 0, why
    )


def fit_decision(task: Task, rows: Rows, class_ratio: Float64 | None = None) -> Decision:
    """Tuned weights and their honest gain over argmax; "argmax" with a reason where none can be fitted.

    class_ratio: [K], rows of a class count this much (q / pi: as often as where they will be used).
    """
    reason = why_not(task, rows)
    if reason:
        return no_decision(task, reason)
    tuned = tune(task, rows, class_ratio)
    plain = rows.logits.argmax(axis=1)
    (plain_value, value), (_, interval) = judged(task, rows, [plain, tuned.nested], class_ratio)
    gain = value - plain_value
    return Decision("tuned", tuned.log_weights, value, plain_value, gain, interval, tuned.shrink)


def why_not(task: Task, rows: Rows) -> str:
    """Why no weights can be fitted, in a few words; "" where they can."""
    if task.metric not in DECIDED:
        return f"{TITLES[task.metric]} is a metric of probabilities"
    if rows.num_groups < _FEWEST_GROUPS:
        return f"{rows.num_groups} groups are too few to fit weights"
    count = len(np.unique(cells_of(task)))
    if count > _MOST_WEIGHTS:
        return f"{count:,} weights are too many to fit"
    if len(np.unique(rows.labels)) < 2:
        return "the held-out images are of one class"
    return ""


def tune(
    task: Task, rows: Rows, class_ratio: Float64 | None = None, start: Float64 | None = None
) -> Tuned:
    """Fit weights; see Decision. start: log weights [K] that they are added to and shrunk towards (None:
    equal ones); the result includes them."""
    start = np.zeros(task.num_classes) if start is None else start
    cells, folds = cells_of(task), nested_folds(rows)
    every = Decidable.of(cells, rows.labels, rows.logits + start, _counts(rows, class_ratio))
    fitted_on = _sample(rows, every.best.shape[1])
    # Without two folds, of which one may be the same: for the shrinkage within each outer fold's rest.
    places = np.unique(folds).tolist()
    pairs = [*combinations(places, 2), *((k, k) for k in places)]
    without = {}
    for one, other in pairs:
        kept = fitted_on & (folds != one) & (folds != other)
        weights = best_weights(task, task.metric, every.where(kept))
        without[one, other] = without[other, one] = weights
    nested = np.empty(len(rows), np.int64)
    for fold in places:
        inner = {k: without[fold, k] for k in places if k != fold}
        shrink = _best_shrink(task, rows, every, folds, inner, class_ratio)
        here = folds == fold
        nested[here] = every.where(here).decided(shrink * without[fold, fold])
    outer = {k: without[k, k] for k in places}
    shrink = _best_shrink(task, rows, every, folds, outer, class_ratio)
    whole = shrink * best_weights(task, task.metric, every.where(fitted_on))
    log_weights = whole[cells] + start
    return Tuned(log_weights - log_weights.mean(), nested, shrink)


def _best_shrink(
    task: Task, rows: Rows, every: Decidable, folds: Int64, weights: dict[int, Float64],
    class_ratio: Float64 | None,
) -> float:  # fmt: skip
    """The factor with the best metric of the folds' pooled answers; weights: to use on each fold.

    The mean of the best factors in resamples of the groups (bagging: Breiman 1996): the metric depends
    so little on the factor that the single best one is mostly luck.
    """
    answers = np.empty((len(SHRINKS), len(folds)), np.int64)
    for fold, of_fold in weights.items():
        here = folds == fold
        mine = every.where(here)
        answers[:, here] = [mine.decided(shrink * of_fold) for shrink in SHRINKS]
    used = np.isin(folds, list(weights))
    judged_on = rows.where(used)
    statistic = values_of(task, judged_on, list(answers[:, used]), class_ratio)
    values = replicates(statistic, judged_on.num_groups, _SHRINK_RESAMPLES)
    best = values.argmax(axis=1)  # the first of equals: the smallest
    return float(np.take(SHRINKS, best).mean())


def nested_folds(rows: Rows) -> Int64:
    """A fold 0..4 for each row, [N], whole groups in one, drawn within each of the run's folds.

    So each has rows of every network: weights are used on eval images that the same networks answer.
    """
    own = np.full(rows.num_groups, np.iinfo(np.int64).max)
    np.minimum.at(own, rows.groups, rows.folds)
    drawn = np.random.default_rng([0, rows.num_groups]).permutation(rows.num_groups)
    places = np.empty(rows.num_groups, np.int64)
    places[np.lexsort((drawn, own))] = np.arange(rows.num_groups) % _FOLDS
    return np.asarray(places[rows.groups], np.int64)


def judged(
    task: Task, rows: Rows, answers: Sequence[npt.NDArray[Any]],
    class_ratio: Float64 | None = None, resamples: int = RESAMPLES,
) -> tuple[list[float], list[Interval]]:  # fmt: skip
    """The metric of each of some answers [N], and the interval of its difference to the first one's."""
    values = values_of(task, rows, answers, class_ratio)

    def differences(weights: npt.NDArray[Any]) -> Float64:
        found = values(weights)
        return np.asarray(found - found[:, :1])

    whole = values(np.ones((1, rows.num_groups)))[0]
    return whole.tolist(), interval_of(differences, rows.num_groups, resamples)


def values_of(
    task: Task, rows: Rows, answers: Sequence[npt.NDArray[Any]], class_ratio: Float64 | None = None
) -> Statistic:
    """The metric of each of some answers [N], as a function of the groups' weights."""
    counts = _counts(rows, class_ratio)
    measures = [_Answered(task, rows, one, counts) for one in answers]

    def values(weights: npt.NDArray[Any]) -> Float64:
        return np.stack([measure.at(weights) for measure in measures], axis=1)

    return values


class _Answered:
    """The task's metric of answers whose rows count differently, at weights of the groups."""

    def __init__(self, task: Task, rows: Rows, answers: npt.NDArray[Any], counts: Float64) -> None:
        self._task, size = task, task.num_classes
        labels, answers = rows.labels.astype(np.int64), answers.astype(np.int64)
        columns: list[tuple[Int64 | None, Float64 | None]] = [
            (np.where(labels == answers, labels, -1), counts), (labels, counts), (answers, counts),
        ]  # fmt: skip
        if task.metric == "quadratic_kappa":
            columns.append((None, counts * (labels - answers) ** 2))
        self._sums, self._size = GroupSums(rows.groups, columns), size

    def at(self, weights: npt.NDArray[Any]) -> Float64:
        """The metric, [B], at weights [B, G]."""
        found = self._sums.at(weights)
        wide = [np.pad(one, ((0, 0), (0, self._size - one.shape[1]))) for one in found[:3]]
        sums = ClassSums(*wide)
        if self._task.metric == "quadratic_kappa":
            return kappa_of_sums(sums, found[3][:, 0])
        return metric_of_sums(self._task, self._task.metric, sums)


def _counts(rows: Rows, class_ratio: Float64 | None) -> Float64:
    return np.ones(len(rows)) if class_ratio is None else np.asarray(class_ratio)[rows.labels]


def _sample(rows: Rows, num_weights: int) -> npt.NDArray[np.bool_]:
    """The rows that weights are fitted on: all, or those of a random part of the groups."""
    share = _MOST_WORK / (len(rows) * num_weights**2)
    if share >= 1:
        return np.ones(len(rows), np.bool_)
    rng = np.random.default_rng([1, rows.num_groups])
    return np.asarray((rng.random(rows.num_groups) < share)[rows.groups])
