"""Calibrated probabilities: one temperature and a bias for each class (Alexandari et al. 2020)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from maskcls.core.task import Task
from maskcls.statistics.rows import Int64, Rows

Float64 = npt.NDArray[np.float64]

_TEMPERATURE_SPREAD = 1.0
_BIAS_SPREAD = 0.5
"""Standard deviations of Gaussian priors of log temperature and of each bias."""


_PARTS = 5
_MOST_VALUES = 2_000_000
"""Rows times classes that one calibration is fitted on: a second or two."""


@dataclass(frozen=True)
class Calibration:
    """logits / temperature + bias; bias: [K], mean 0."""

    temperature: float
    bias: Float64

    def apply(self, logits: npt.NDArray[Any]) -> Float64:
        """Calibrated logits, float64, of logits [..., K]; NaN stays NaN."""
        return np.asarray(logits, np.float64) / self.temperature + self.bias


def no_calibration(num_classes: int) -> Calibration:
    """The one that changes nothing."""
    return Calibration(1.0, np.zeros(num_classes))


def log_probabilities(logits: npt.NDArray[Any]) -> Float64:
    """Log softmax over the last axis, float64; NaN rows stay NaN."""
    values = np.asarray(logits, np.float64)
    shifted = values - values.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def fit_calibration(
    task: Task, labels: npt.NDArray[Any], logits: npt.NDArray[Any], groups: Int64 | None = None
) -> Calibration:
    """The calibration of one network from rows that it was not trained on.

    labels: integers [N]. logits: finite [N, K]. groups: integers [N], rows that are alike; None: each
    row by itself. Bias-corrected temperature scaling (Alexandari, Kundaje & Shrikumar 2020) by penalised
    likelihood: log temperature has a Gaussian prior of deviation 1, each bias one of .5, so that a class
    with few rows keeps a bias near 0. Rows of a group count as fewer, by the design effect of their log
    losses (Kish 1965), or the likelihood of 7 photos of a person would outweigh the prior 7 times. With
    no rows it changes nothing.
    """
    num_classes = task.num_classes
    if not len(labels):
        return no_calibration(num_classes)
    labels = np.asarray(labels, np.int64)
    values = np.asarray(logits, np.float64)
    values = values - values.max(axis=1, keepdims=True)
    losses = -log_probabilities(values)[np.arange(len(labels)), labels]
    share = 1 / (design_effect(losses, groups) if groups is not None else 1.0)
    counts = np.bincount(labels, minlength=num_classes).astype(np.float64)
    own = values[np.arange(len(labels)), labels].sum()

    def loss(parameters: Float64) -> tuple[float, Float64]:
        slope, bias = np.exp(-parameters[0]), parameters[1:]
        scores = values * slope + bias
        top = scores.max(axis=1, keepdims=True)
        probs = np.exp(scores - top)
        total = probs.sum(axis=1, keepdims=True)
        probs /= total
        likelihood = slope * own + bias @ counts - (np.log(total) + top).sum()
        of_slope = own - (probs * values).sum()
        of_bias = counts - probs.sum(axis=0)
        penalty = (parameters[0] / _TEMPERATURE_SPREAD) ** 2 + ((bias / _BIAS_SPREAD) ** 2).sum()
        gradient = -share * np.concatenate([[-slope * of_slope], of_bias])
        gradient += (
            parameters / np.r_[_TEMPERATURE_SPREAD**2, np.full(num_classes, _BIAS_SPREAD**2)]
        )
        return float(penalty / 2 - share * likelihood), gradient

    start = np.zeros(num_classes + 1)
    bounds = [(-5.0, 5.0)] + [(None, None)] * num_classes
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Calibration(float(np.exp(found[0])), found[1:] - found[1:].mean())


def design_effect(values: npt.NDArray[Any], groups: Int64) -> float:
    """How many times the variance of the mean of values [N] is that of independent rows; at least 1."""
    apart = np.asarray(values, np.float64) - np.mean(values)
    alone = float((apart**2).sum())
    together = float((np.bincount(groups, weights=apart) ** 2).sum())
    return max(1.0, together / alone) if alone > 0 else 1.0


def calibrate_folds(task: Task, rows: Rows) -> tuple[Rows, dict[int, Calibration]]:
    """The rows with calibrated logits, and the calibration of each fold's network, from all its rows.

    The calibration is for images that it was not fitted on; so a held-out row is calibrated by the other
    groups of its fold, in five parts, or whatever is judged on the rows would look too good.
    """
    logits = np.empty(rows.logits.shape, np.float64)
    found = {}
    part_of = np.random.default_rng([0, rows.num_groups]).permutation(rows.num_groups)
    parts = part_of[rows.groups] % _PARTS
    for fold in np.unique(rows.folds).tolist():
        mine = rows.folds == fold
        found[fold] = _fitted(task, rows, mine)
        for part in np.unique(parts[mine]):
            here = mine & (parts == part)
            logits[here] = _fitted(task, rows, mine & ~here).apply(rows.logits[here])
    return rows.with_logits(logits), found


def _fitted(task: Task, rows: Rows, chosen: npt.NDArray[np.bool_]) -> Calibration:
    places = np.flatnonzero(chosen)
    if len(places) * task.num_classes > _MOST_VALUES:
        # Whole groups, in an order drawn once.
        order = np.random.default_rng([1, rows.num_groups]).permutation(rows.num_groups)
        nearest = np.argsort(order[rows.groups[places]], kind="stable")
        places = places[nearest[: max(1, _MOST_VALUES // task.num_classes)]]
    return fit_calibration(task, rows.labels[places], rows.logits[places], rows.groups[places])
