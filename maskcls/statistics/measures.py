"""A metric as a function of how often each group counts, for every metric that a task may have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.tally import LEAST_PROBABILITY, ranks_of
from maskcls.core.task import MetricName, Task
from maskcls.statistics.areas import auc_of
from maskcls.statistics.rows import Rows
from maskcls.statistics.sums import Float64, GroupSums, Int64, PredictedSums, macro_f1, mean_of

Measure = Callable[[npt.NDArray[Any]], Float64]
"""Values [B] of a metric, as its name says, at weights [B, G]; NaN where it is not defined."""


@dataclass(frozen=True)
class Outcome:
    """What metrics need of rows, of which there may be too many to keep the logits.

    labels, predicted: integers [N]. groups: int64 [N], see Rows. losses: log loss of each row [N], None
    where no metric needs it. ranks: for AUC, see core.tally.ranks_of; likewise.
    """

    labels: npt.NDArray[Any]
    predicted: npt.NDArray[Any]
    groups: Int64
    losses: npt.NDArray[Any] | None = None
    ranks: npt.NDArray[Any] | None = None


def measure_of(
    task: Task, rows: Rows, metric: MetricName | None = None,
    predicted: npt.NDArray[Any] | None = None,
) -> Measure:  # fmt: skip
    """The metric of these rows (None: the ranking one).

    predicted: integers [N], the answers; None: the class with the highest logit. AUC and log loss are of
    the logits.
    """
    name = metric or task.metric
    # A rule of decision changes neither.
    answers = rows.logits.argmax(axis=1) if predicted is None else predicted
    outcome = Outcome(
        rows.labels, answers, rows.groups,
        losses_of(rows) if name == "log_loss" else None,
        ranks_of(rows.logits) if name == "auc" else None,
    )  # fmt: skip
    return measure_of_outcome(task, outcome, name)


def measure_of_outcome(task: Task, outcome: Outcome, metric: MetricName) -> Measure:
    """As measure_of; raises ValueError where the outcome lacks what the metric needs."""
    if metric in ("auc", "log_loss"):
        values = outcome.ranks if metric == "auc" else outcome.losses
        if values is None:
            raise ValueError(f"{metric} needs what predictions alone do not tell")
        if metric == "auc":
            return auc_of(outcome.labels, values, outcome.groups, task.num_classes)
        return _mean(values, outcome.groups)
    if metric == "quadratic_kappa":
        return _kappa(outcome, task.num_classes)
    sums = PredictedSums(outcome.labels, outcome.predicted, outcome.groups, task.num_classes)
    if metric == "macro_f1":
        return lambda weights: macro_f1(sums.at(weights), task.absent)
    if metric == "accuracy":
        return lambda weights: _accuracy(sums, weights)
    return lambda weights: _mean_recall(sums, weights)


def _ratio(hits: Float64, total: Float64) -> Float64:
    nothing = np.full(len(total), np.nan)
    return np.asarray(np.divide(hits, total, out=nothing, where=total > 0))


def _accuracy(sums: PredictedSums, weights: npt.NDArray[Any]) -> Float64:
    found = sums.at(weights)
    return _ratio(found.hits.sum(axis=1), found.labels.sum(axis=1))


def _mean_recall(sums: PredictedSums, weights: npt.NDArray[Any]) -> Float64:
    found = sums.at(weights)
    there = found.labels > 0
    recall = np.divide(found.hits, found.labels, out=np.zeros_like(found.hits), where=there)
    return mean_of(recall, there)


def _kappa(outcome: Outcome, num_classes: int) -> Measure:
    sums = PredictedSums(outcome.labels, outcome.predicted, outcome.groups, num_classes)
    apart = (outcome.labels.astype(np.float64) - outcome.predicted) ** 2
    wrong = GroupSums(outcome.groups, [(None, apart)])
    place = np.arange(num_classes, dtype=np.float64)
    distance = (place[:, None] - place) ** 2

    def at(weights: npt.NDArray[Any]) -> Float64:
        found = sums.at(weights)
        total = found.labels.sum(axis=1)
        by_chance = ((found.labels @ distance) * found.predicted).sum(axis=1)
        by_chance /= np.maximum(total, 1)
        happened = wrong.at(weights)[0][:, 0]
        share = np.divide(happened, by_chance, out=np.zeros_like(by_chance), where=by_chance > 0)
        return np.where(total > 0, 1.0 - share, np.nan)

    return at


def losses_of(rows: Rows) -> Float64:
    """Log loss of each row, float64 [N]."""
    shifted = rows.logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    own = shifted[np.arange(len(rows)), rows.labels.astype(np.int64)]
    log_prob = own - np.log(np.exp(shifted).sum(axis=1))
    return np.asarray(-np.maximum(log_prob, np.log(LEAST_PROBABILITY)))


def _mean(values: npt.NDArray[Any], groups: Int64) -> Measure:
    sums = GroupSums(groups, [(None, values.astype(np.float64)), (None, None)])

    def at(weights: npt.NDArray[Any]) -> Float64:
        total, counts = sums.at(weights)
        return _ratio(total[:, 0], counts[:, 0])

    return at
