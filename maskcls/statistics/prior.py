"""The class shares of unlabelled images, from the predictions on them, and whether to believe them.

The networks are calibrated one by one, since an ensemble is calibrated otherwise than the single
networks that the held-out rows tell of. Means of probabilities over networks are what the held-out
rows' means tell of, too, so the equations of the folds are averaged and solved once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import f as f_distribution

from maskcls.core.task import Task
from maskcls.statistics.calibration import (
    Calibration,
    calibrate_folds,
    design_effect,
    log_probabilities,
)
from maskcls.statistics.mixture import Equations, drawn, solve, whiten
from maskcls.statistics.moments import Labelled, Unlabelled
from maskcls.statistics.resampling import draws
from maskcls.statistics.rows import Int64, Rows

Float64 = npt.NDArray[np.float64]

DRAWS = 400
ALPHA = 0.01
"""Level of the two tests: of a shift, and of whether label shift explains the predictions."""
MIN_GROUPS = 5
"""Cells of fewer groups keep their shares relative to each other."""
GROUPS_PER_CELL = 10
FEWEST_GROUPS = 50
MIN_EVAL = 50
MAX_CELLS = 100
MAX_CONDITION = 100.0
"""Condition number of the mean predictions by cell above which the cells look too much alike."""


@dataclass(frozen=True)
class PriorEstimate:
    """Shares [K] of the classes, each summing to 1.

    training: of the held-out rows. estimated: of the eval images; low, high: its 95 % interval.
    used: whether the estimate is to be trusted; why: in a sentence. draws: [B, K], of the
    estimate's posterior; a single one, the shares themselves, where they are given or where nothing can
    be estimated and all are the training shares.
    """

    training: Float64
    estimated: Float64
    low: Float64
    high: Float64
    used: bool
    why: str
    draws: Float64

    @property
    def is_estimated(self) -> bool:
        """Whether predictions told anything, be it trusted or not."""
        return len(self.draws) > 1

    @property
    def ratio(self) -> Float64:
        """How many rows a row of each class stands for, [K]: ones where it is not used."""
        if not self.used:
            return np.ones(len(self.training))
        return class_ratio(self.training, self.estimated)


def class_ratio(training: Float64, estimated: Float64) -> Float64:
    """estimated / training, [..., K]; 1 for a class that the held-out rows lack."""
    one = np.ones(np.broadcast_shapes(training.shape, estimated.shape))
    return np.asarray(np.divide(estimated, training, out=one, where=training > 0))


def estimate_prior(
    task: Task, rows: Rows, eval_logits: npt.NDArray[Any], folds: Int64,
    eval_groups: npt.NDArray[Any] | None = None, seed: int = 0,
) -> PriorEstimate:  # fmt: skip
    """The shares of the eval images, without labels (see moments.py and mixture.py).

    rows: held-out rows with the networks' own logits (not calibrated). eval_logits: [F, M, K] of
    the networks folds [F], numbered as rows.folds; NaN rows are missing. eval_groups: [M], or None:
    not known; then eval images are taken to be as alike within groups as the held-out rows are.
    Several runs: their rows one after the other, with one numbering of groups and distinct numbers
    of folds.

    Where the task names strata, the shares are a stratum's times the training shares within it:
    known shares within a person stay as they are. Not used (used=False, with the reason) where
    there are too few images or groups; where the mean predictions by cell are ill conditioned or do
    not differ from the held-out ones (Hotelling's test, 1 %; Lipton et al. 2018); where the shares'
    expected error is above the estimated shift, as with cells that look alike; and where label
    shift leaves more than half of the difference unexplained, significantly (J-test of Hansen 1982,
    1 %).
    """
    rows = rows.where(np.isin(rows.folds, folds))
    counts = np.bincount(rows.labels.astype(np.int64), minlength=task.num_classes)
    training = np.asarray(counts / max(counts.sum(), 1), np.float64)
    calibrated, calibrations = calibrate_folds(task, rows)
    cells = _cells(task, rows)
    features, there = _mean_features(eval_logits, folds, calibrations, cells)
    why = _too_few(cells, rows, int(there.sum()), num_groups=rows.num_groups)
    if why:
        return PriorEstimate(training, training, training, training, False, why, training[None])
    known = None if eval_groups is None else np.asarray(eval_groups)[there]
    estimator = _Estimator(calibrated, features[there], cells, known)
    shares, found = estimator.estimate(), estimator.draws(seed)
    within = np.asarray(
        np.divide(
            training, estimator.shares[cells], out=np.zeros_like(training), where=training > 0
        )
    )
    used, why = estimator.judge(shares, found)
    of_class = found[:, cells] * within
    low, high = np.quantile(of_class, [0.025, 0.975], axis=0)
    return PriorEstimate(training, shares[cells] * within, low, high, used, why, of_class)


def _cells(task: Task, rows: Rows) -> Int64:
    """Number of the cell of each class, int64 [K]: its stratum, or itself; rare ones are one cell."""
    classes = np.arange(task.num_classes)
    if task.strata:
        codes = task.codes_of(classes)
        cells = task.stratum_of({name: codes[name] for name in task.strata})
    else:
        cells = classes
    of_row = cells[rows.labels.astype(np.int64)]
    pairs = np.unique(of_row * np.int64(rows.num_groups) + rows.groups)
    groups = np.bincount(pairs // rows.num_groups, minlength=int(cells.max()) + 1)
    rare = groups < MIN_GROUPS
    # One that is rare even together joins the smallest of the others.
    if 0 < groups[rare].sum() < MIN_GROUPS and not rare.all():
        rare[np.flatnonzero(~rare)[groups[~rare].argmin()]] = True
    number = np.where(rare, -1, np.cumsum(~rare) - 1)
    number[rare] = number.max() + 1
    return np.asarray(number[cells], np.int64)


def _mean_features(
    eval_logits: npt.NDArray[Any], folds: Int64, calibrations: dict[int, Calibration], cells: Int64
) -> tuple[Float64, npt.NDArray[np.bool_]]:
    """Mean features [M, D] over the networks that have the row, and which rows [M] any has.

    Of each network by itself and then averaged: so are those of the held-out rows.
    """
    count = np.zeros(eval_logits.shape[1])
    total = np.zeros((len(count), 2 * (int(cells.max()) + 1)))
    for fold, logits in zip(np.asarray(folds).tolist(), eval_logits, strict=True):
        if fold in calibrations:
            there = np.isfinite(logits).all(axis=1)
            total[there] += _features(calibrations[fold].apply(logits[there]), cells)
            count += there
    return np.asarray(total / np.maximum(count, 1)[:, None]), count > 0


def _features(logits: Float64, cells: Int64) -> Float64:
    """Probabilities of the cells, and their squares, [N, 2 S], of calibrated logits [N, K]."""
    probs = np.exp(log_probabilities(logits)) @ np.eye(int(cells.max()) + 1)[cells]
    return np.concatenate([probs, probs**2], axis=1)


def _too_few(cells: Int64, rows: Rows, images: int, num_groups: int) -> str:
    of_rows = np.unique(cells[rows.labels.astype(np.int64)])
    number = int(cells.max()) + 1
    if len(of_rows) < 2:
        return "the held-out images are of one class"
    if len(of_rows) < number or num_groups < max(FEWEST_GROUPS, GROUPS_PER_CELL * number):
        return f"too few held-out groups ({num_groups:,}) for {number} shares"
    if number > MAX_CELLS:
        return f"too many shares to estimate ({number}, at most {MAX_CELLS})"
    if images < max(MIN_EVAL, GROUPS_PER_CELL * number):
        return f"too few eval images ({images:,}) for {number} shares"
    return ""


class _Estimator:
    def __init__(
        self, rows: Rows, features: Float64, cells: Int64, eval_groups: npt.NDArray[Any] | None
    ) -> None:
        """rows: with calibrated logits. features: [M, D], of the eval images. cells: [K]."""
        self._size = int(cells.max()) + 1
        held_out = _features(rows.logits, cells)
        effects = [design_effect(held_out[:, s], rows.groups) for s in range(self._size)]
        of_row = cells[rows.labels.astype(np.int64)]
        self._held_out = Labelled(of_row, held_out, rows.groups, self._size)
        self._eval = Unlabelled.of(features, eval_groups, float(np.median(effects)))
        self.shares = self._held_out.shares

    def _equations(self, shares: Float64) -> Equations:
        covariance = self._held_out.covariance(shares) + self._eval.covariance()
        return Equations(self._held_out.means(), self._eval.means(), covariance)

    def estimate(self) -> Float64:
        shares = self.shares
        # The covariance depends on the shares, but little.
        for _ in range(3):
            shares = solve(self._equations(shares), self.shares)
        return shares

    def draws(self, seed: int) -> Float64:
        """Draws [B, S] of the shares: groups and eval images resampled."""
        whitening = whiten(self._equations(self.estimate()).covariance)
        rng = np.random.default_rng([seed, 3])
        means = np.concatenate(
            [self._held_out.resampled(w) for w in draws(self._held_out.num_groups, DRAWS, seed)]
        )
        found = np.concatenate(list(self._eval.resampled(DRAWS, seed + 1)))
        pairs = zip(means, found, strict=True)
        return np.stack([drawn(whitening, m, e, self.shares, rng) for m, e in pairs])

    def judge(self, shares: Float64, found: Float64) -> tuple[bool, str]:
        """Whether the shares are to be used, and why or why not."""
        size, units = self._size, min(self._held_out.num_groups, self._eval.units)
        every = self._equations(self.shares)
        same = every.first(size)
        p = _hotelling(same.misfit(self.shares), len(whiten(same.covariance)), units)
        if p >= ALPHA:
            return False, f"no significant difference from the training shares (p {p:.2f})"
        shift = float(np.abs(shares - self.shares).sum())
        error = float(np.abs(found - shares).sum(axis=1).mean())
        if error >= shift:
            return False, f"the shares cannot be told: error {error:.2f}, shift {shift:.2f}"
        condition = float(np.linalg.cond(same.means))
        if condition > MAX_CONDITION:
            return False, f"the networks confuse the classes too much (condition {condition:.0f})"
        before, every = every.misfit(self.shares), self._equations(shares)
        left = every.misfit(shares)
        degrees = len(whiten(every.covariance)) - (size - 1)
        if degrees > 0 and left > before / 2 and _hotelling(left, degrees, units) < ALPHA:
            return False, "other shares do not explain the predictions: the images look different"
        return True, f"the predictions show other shares (p {p:.1g})"


def _hotelling(statistic: float, dimensions: int, units: float) -> float:
    """p of Hotelling's T squared with a covariance of as many units."""
    if units <= dimensions + 1:
        return 1.0
    scaled = statistic * (units - dimensions) / (dimensions * (units - 1))
    return float(f_distribution.sf(scaled, dimensions, units - dimensions))
