"""Which run makes an ensemble worse, and which fold of a run scores below the others.

The first is a one-sided test of a difference divided by its standard error (a bootstrap over groups),
with Holm's correction (1979) for the number of runs; the second a permutation of the groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from maskcls.core.metrics import oriented
from maskcls.core.task import Task
from maskcls.statistics.measures import measure_of
from maskcls.statistics.mixtures import Answers, value_of
from maskcls.statistics.paired import holm
from maskcls.statistics.resampling import Statistic, estimate, replicates
from maskcls.statistics.rows import Rows

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

ALPHA = 0.05
_RESAMPLES = 500
"""Enough for a standard error, which they give to 3 %."""
_RESAMPLES_OF_AUC = 100
_DEALS, _DEALS_OF_AUC = 1999, 199
_LEAST_GROUPS = 10


@dataclass(frozen=True)
class Without:
    """The score of an ensemble without one of its runs, minus that with it; p after Holm's."""

    run: int
    difference: float
    p: float

    @property
    def is_harmful(self) -> bool:
        """Whether the ensemble is better without the run."""
        return self.p < ALPHA


@dataclass(frozen=True)
class FoldBelow:
    """A fold's score and the mean of the other folds' of its repeat; p: see low_folds.

    run, fold: its run, from 0, and its running number. Scores: higher is better.
    """

    run: int
    fold: int
    score: float
    others: float
    p: float

    @property
    def is_low(self) -> bool:
        """Whether the fold lies below the others by more than its groups explain."""
        return self.p < ALPHA


def without_each(task: Task, answers: Answers, weights: npt.ArrayLike) -> list[Without]:
    """The ensemble of weights [R], none of them 0, without each run; [] of a single run."""
    if answers.num_runs < 2:
        return []
    shares = np.asarray(weights, np.float64)
    every = answers.score_at(task, answers.mean(shares))
    alone = np.eye(len(shares), dtype=bool)
    rest = [answers.score_at(task, answers.mean(np.where(out, 0, shares))) for out in alone]

    def differences(at: npt.NDArray[np.float64]) -> Float64:
        whole = every(at)
        return np.stack([other(at) - whole for other in rest], axis=1)

    value, error = _value_and_error(task, differences, answers.num_groups)
    adjusted = holm([_p_above(v, e) for v, e in zip(value, error, strict=True)])
    return [
        Without(run, float(v), p) for run, (v, p) in enumerate(zip(value, adjusted, strict=True))
    ]


def low_folds(task: Task, runs: Sequence[tuple[Rows, int]]) -> list[FoldBelow]:
    """Each fold of some runs against the mean of the other folds of its repeat.

    runs: rows, and number of folds per repeat. The test deals the groups out to folds of the same
    numbers of groups anew: p is how often the lowest fold then lies as far below the others (Westfall &
    Young 1993), times the number of repeats of all runs. An error from a bootstrap within each fold
    would be too small: resamples lack rare classes. Which groups a fold has is no reason, then; a fold
    below was trained worse, or its data differs in a way that its groups share. Repeats of fewer than
    three folds or with fewer than 10 groups in one are left out.
    """
    found = []
    for number, (rows, per_repeat) in enumerate(runs):
        repeats = rows.folds // per_repeat
        for repeat in np.unique(repeats).tolist():
            found.append(_of_repeat(task, number, rows.where(repeats == repeat)))
    tested = sum(map(bool, found))
    return [replace(one, p=min(1.0, tested * one.p)) for folds in found for one in folds]


def _of_repeat(task: Task, run: int, rows: Rows) -> list[FoldBelow]:
    folds, fold_of_row = np.unique(rows.folds, return_inverse=True)
    fold_of = np.zeros(rows.num_groups, np.int64)
    fold_of[rows.groups] = fold_of_row
    if len(folds) < 3 or np.bincount(fold_of, minlength=len(folds)).min() < _LEAST_GROUPS:
        return []
    measure, sign = measure_of(task, rows), oriented(task.metric, 1.0)

    def scores(of_groups: Int64) -> Float64:
        """Score of each fold, [F]; of_groups: fold of each group [G]."""
        if task.metric == "auc":
            chosen = [of_groups[rows.groups] == fold for fold in range(len(folds))]
            return np.array([value_of(task, rows.where(own)) for own in chosen])
        weights = (of_groups == np.arange(len(folds))[:, None]).astype(np.float64)
        return np.asarray(sign * measure(weights))

    def below(score: Float64) -> Float64:
        """How far each lies below the mean of the others."""
        return np.asarray((score.sum() - score) / (len(score) - 1) - score)

    value = scores(fold_of)
    if not np.isfinite(value).all():  # AUC of a fold of one class
        return []
    rng = np.random.default_rng([0, rows.num_groups, 4])
    deals = _DEALS_OF_AUC if task.metric == "auc" else _DEALS
    lowest = np.array([below(scores(rng.permutation(fold_of))).max() for _ in range(deals)])
    lowest = lowest[np.isfinite(lowest)]
    return [
        FoldBelow(run, int(fold), float(score), float(score + under), _share(lowest, under))
        for fold, score, under in zip(folds, value, below(value), strict=True)
    ]


def _share(drawn: Float64, value: float) -> float:
    """How often a value as high is drawn; itself counts as one draw."""
    return float((1 + (drawn >= value - 1e-12).sum()) / (1 + len(drawn)))


def _value_and_error(task: Task, statistic: Statistic, num_groups: int) -> tuple[Float64, Float64]:
    """A statistic of M values and its standard errors, [M] each."""
    resamples = _RESAMPLES_OF_AUC if task.metric == "auc" else _RESAMPLES
    value = np.atleast_1d(estimate(statistic, num_groups))
    drawn = replicates(statistic, num_groups, resamples).reshape(resamples, -1)
    there = np.isfinite(drawn)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, drawn, 0).sum(axis=0) / count
    apart = np.where(there, drawn - mean, 0)
    return value, np.sqrt((apart**2).sum(axis=0) / count)


def _p_above(value: float, error: float) -> float:
    """One-sided p of a value being above 0; 1 where there is no error to measure it by."""
    return float(norm.sf(value / error)) if error > 0 and np.isfinite(value) else 1.0
