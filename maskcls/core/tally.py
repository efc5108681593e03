"""Scores of rows that come in parts, and keeping no more of them than the task's metrics need.

macro F1, accuracy, balanced accuracy, kappa    a confusion matrix
log loss                                        a sum
AUC                                             of every row: one float32 for two classes, else K
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.metrics import Confusion, Score, Values, auc, full_score, of_confusion
from maskcls.core.task import Task

LEAST_PROBABILITY = 1e-15
"""Smaller ones count as this in log loss, so that one row cannot make it infinite."""
_VALUES_AT_ONCE = 1 << 20
"""Temporary arrays of at most 8 MiB each, whatever the numbers of rows and classes."""


class Tally:
    """Rows of a task, counted; the metrics of all rows that were added."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._confusion: Confusion = np.zeros((task.num_classes,) * 2, np.int64)
        self._log_loss = 0.0
        self._labels: list[npt.NDArray[np.int16]] = []
        self._ranks: list[npt.NDArray[np.float32]] = []

    @classmethod
    def of(cls, task: Task, labels: npt.ArrayLike, logits: npt.ArrayLike) -> "Tally":
        """The tally of these rows; see add."""
        tally = cls(task)
        tally.add(labels, logits)
        return tally

    @classmethod
    def together(cls, task: Task, tallies: Iterable["Tally"]) -> "Tally":
        """The rows of all of them, which are shared and not copied."""
        whole = cls(task)
        for one in tallies:
            whole._confusion += one._confusion
            whole._log_loss += one._log_loss
            whole._labels += one._labels
            whole._ranks += one._ranks
        return whole

    def add(self, labels: npt.ArrayLike, logits: npt.ArrayLike) -> None:
        """Count rows; labels: integers [N] in 0..K-1, logits: finite floats [N, K]; N may be 0.

        The prediction is the class with the highest logit, the first of equals. Raises ValueError for
        other shapes and values.
        """
        logits_NK = np.asarray(logits)
        num_classes = self.task.num_classes
        if logits_NK.ndim != 2 or logits_NK.shape[1] != num_classes:
            raise ValueError(f"logits must be [N, {num_classes}]: {logits_NK.shape}")
        if not len(logits_NK) and not np.size(labels):
            return
        truth, guess = checked(num_classes, labels, logits_NK.argmax(axis=1))
        self._confusion += confusion(num_classes, truth, guess)
        metrics = self.task.metrics
        if "log_loss" in metrics:
            self._log_loss += _log_loss_sum(truth, logits_NK)
        if "auc" in metrics:
            self._labels.append(truth.astype(np.int16))
            self._ranks.append(ranks_of(logits_NK))

    @property
    def confusion(self) -> Confusion:
        """How often each label was predicted as each class, [K, K]; a row for each label."""
        return self._confusion

    @property
    def rows(self) -> int:
        """Number of rows that were added."""
        return int(self._confusion.sum())

    def values(self) -> Values:
        """The task's metrics, those that are defined; one row at least must have been added."""
        known = of_confusion(self.task, self._confusion) | self._of_probabilities()
        return {name: known[name] for name in self.task.metrics if name in known}

    def score(self) -> Score:
        """The full score; one row at least must have been added."""
        return full_score(self.task, self._confusion, self._of_probabilities())

    def _of_probabilities(self) -> Values:
        found: Values = {}
        if "log_loss" in self.task.metrics:
            found["log_loss"] = self._log_loss / self.rows
        if "auc" in self.task.metrics:
            labels, ranks = np.concatenate(self._labels), np.concatenate(self._ranks)
            area = auc(labels, ranks, self.task.num_classes)
            found |= {} if area is None else {"auc": area}
        return found


def score_predictions(
    task: Task, labels: npt.ArrayLike, predicted: npt.ArrayLike, probs: npt.ArrayLike | None = None
) -> Score:
    """The full score of predictions, such as a submission's.

    labels, predicted: integers [N] in 0..K-1, N at least 1. probs: probabilities [N, K]; without them,
    metrics that need them are left out, and if the task's own does, its score is None.
    """
    truth, guess = checked(task.num_classes, labels, predicted)
    others: Values = {}
    if probs is not None:
        others = _of_given_probabilities(task, truth, np.asarray(probs, np.float64))
    return full_score(task, confusion(task.num_classes, truth, guess), others)


def _of_given_probabilities(
    task: Task, labels: npt.NDArray[Any], probs: npt.NDArray[np.float64]
) -> Values:
    if np.shape(probs) != (len(labels), task.num_classes) or not np.isfinite(probs).all():
        raise ValueError(f"probs must be finite [{len(labels)}, {task.num_classes}]: {probs.shape}")
    found: Values = {}
    if "log_loss" in task.metrics:
        of_truth = probs[np.arange(len(labels)), labels]
        found["log_loss"] = float(-np.log(np.clip(of_truth, LEAST_PROBABILITY, 1)).mean())
    if "auc" in task.metrics:
        ranks = probs[:, 1] if task.num_classes == 2 else probs
        area = auc(labels, ranks, task.num_classes)
        found |= {} if area is None else {"auc": area}
    return found


def confusion(num_classes: int, labels: npt.ArrayLike, predicted: npt.ArrayLike) -> Confusion:
    """How often each label was predicted as each class, int64 [K, K]; a row for each label.

    labels, predicted: integers [N] in 0..K-1, N at least 1; ValueError otherwise. Counted in
    parts, so that millions of rows of two bytes each are never copied to wider integers as a whole.
    """
    truth, guess = checked(num_classes, labels, predicted)
    counts = np.zeros(num_classes**2, np.int64)
    for rows in _slices(len(truth), _VALUES_AT_ONCE // 8):
        pairs = truth[rows].astype(np.int64) * num_classes + guess[rows]
        counts += np.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def checked(
    num_classes: int, labels: npt.ArrayLike, predicted: npt.ArrayLike
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Both as integer arrays [N]; ValueError when they are not, or not in 0..K-1."""
    # bincount would accept classes outside and count them as other pairs.
    pair = []
    for name, values in (("labels", labels), ("predicted", predicted)):
        array = np.asarray(values)
        if array.ndim != 1 or array.dtype.kind not in "iu" or not len(array):
            raise ValueError(f"{name} must be integers [N], N >= 1: {array.dtype} {array.shape}")
        if array.min() < 0 or array.max() >= num_classes:
            last = num_classes - 1
            raise ValueError(f"{name} must lie in 0..{last}, got {array.min()}..{array.max()}")
        pair.append(array)
    if len(pair[0]) != len(pair[1]):
        raise ValueError(f"{len(pair[0])} labels for {len(pair[1])} predictions")
    return pair[0], pair[1]


def _log_loss_sum(labels: npt.NDArray[Any], logits_NK: npt.NDArray[Any]) -> float:
    total = 0.0
    for rows in _slices(len(labels), _VALUES_AT_ONCE // logits_NK.shape[1]):
        of_rows = _log_probs(logits_NK[rows])
        of_truth = of_rows[np.arange(len(of_rows)), labels[rows]]
        total -= float(np.maximum(of_truth, np.log(LEAST_PROBABILITY)).sum())
    return total


def ranks_of(logits_NK: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """What orders rows as their probabilities do: for two classes [N], else [N, K].

    Log probabilities and not probabilities, of which float32 rounds all above 1 - 3e-8 to ties at 1.
    """
    num_rows, num_classes = logits_NK.shape
    if num_classes == 2:
        return np.asarray(logits_NK[:, 1] - logits_NK[:, 0], np.float32)
    ranks = np.empty((num_rows, num_classes), np.float32)
    for rows in _slices(num_rows, _VALUES_AT_ONCE // num_classes):
        ranks[rows] = _log_probs(logits_NK[rows])
    return ranks


def _log_probs(logits_NK: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    shifted = logits_NK.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def _slices(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, max(size, 1)):
        yield slice(start, start + max(size, 1))
