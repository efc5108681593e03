"""Scores: macro F1 over the 18 classes, which ranks, and what helps to understand it.

A class absent from both sides counts 0, as in the competition: on data without every class the
score cannot reach 1.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.labels import NUM_CLASSES, TASKS, class_name, labels_of

_NUM_OF_TASK = {"mask": 3, "gender": 2, "age": 3}


def score(labels: npt.ArrayLike, predicted: npt.ArrayLike) -> dict[str, Any]:
    """The full score, by scikit-learn; ready for JSON.

    labels, predicted: integers [N] in 0..17, N at least 1.
    Returns {"macro_f1", "accuracy", "per_class": [18 of {"class", "name", "f1", "precision",
    "recall", "images"}], "mask": {"macro_f1", "accuracy"}, "gender": ..., "age": ...}; all scores
    are floats in 0..1, images counts the rows with that label.
    """
    from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

    truth, guess = _checked(labels, predicted)
    precision, recall, f1, images = precision_recall_fscore_support(
        truth, guess, labels=range(NUM_CLASSES), zero_division=0
    )
    result: dict[str, Any] = {
        "macro_f1": float(f1.mean()),
        "accuracy": float(accuracy_score(truth, guess)),
        "per_class": [
            {
                "class": number,
                "name": class_name(number),
                "f1": float(f1[number]),
                "precision": float(precision[number]),
                "recall": float(recall[number]),
                "images": int(images[number]),
            }
            for number in range(NUM_CLASSES)
        ],
    }
    truth_of, guess_of = labels_of(truth), labels_of(guess)
    for task in TASKS:
        numbers = range(_NUM_OF_TASK[task])
        macro = f1_score(
            truth_of[task], guess_of[task], labels=numbers, average="macro", zero_division=0
        )
        accuracy_of_task = accuracy_score(truth_of[task], guess_of[task])
        result[task] = {"macro_f1": float(macro), "accuracy": float(accuracy_of_task)}
    return result


def macro_f1(labels: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """The same macro F1 as `score`, quickly and without scikit-learn, for every epoch."""
    truth, guess = _checked(labels, predicted)
    pairs = np.bincount(truth * NUM_CLASSES + guess, minlength=NUM_CLASSES**2)
    confusion = pairs.reshape(NUM_CLASSES, NUM_CLASSES)
    hits = np.diagonal(confusion)
    # 2 tp / (2 tp + fp + fn); where the denominator is 0 so is tp, and 0 / 1 is the 0 it counts.
    f1 = 2 * hits / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
    return float(f1.mean())


def accuracy(labels: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Share of rows whose class is right; labels, predicted: integers [N] in 0..17."""
    truth, guess = _checked(labels, predicted)
    return float((truth == guess).mean())


def _checked(
    labels: npt.ArrayLike, predicted: npt.ArrayLike
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Both as int64 [N]; ValueError when that is not what they are."""
    pair = []
    for name, values in (("labels", labels), ("predicted", predicted)):
        array = np.asarray(values)
        if array.ndim != 1 or array.dtype.kind not in "iu" or not len(array):
            raise ValueError(f"{name} must be integers [N], N >= 1: {array.dtype} {array.shape}")
        if array.min() < 0 or array.max() >= NUM_CLASSES:
            raise ValueError(f"{name} must lie in 0..17, got {array.min()}..{array.max()}")
        pair.append(array.astype(np.int64))
    if len(pair[0]) != len(pair[1]):
        raise ValueError(f"{len(pair[0])} labels for {len(pair[1])} predictions")
    return pair[0], pair[1]
