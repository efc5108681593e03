"""Scores: macro F1 over the 18 classes, by which the competition ranks, and its parts.

A class absent from both sides counts 0, as in the competition: on data without every class the
score cannot reach 1.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.labels import NUM_CLASSES, TASKS, class_name, labels_of
from maskcls.core.plain import from_plain

_NUM_OF_TASK = {"mask": 3, "gender": 2, "age": 3}
# Temporary arrays of 0.5 MiB each, whatever the number of rows.
_ROWS_AT_ONCE = 65_536

Confusion = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassScore:
    """A class's scores, 0 to 1; images: rows with this label."""

    number: int
    name: str
    f1: float
    precision: float
    recall: float
    images: int


@dataclass(frozen=True)
class PartScore:
    """Scores of one part of the label (mask, gender or age) by itself, 0 to 1."""

    macro_f1: float
    accuracy: float


@dataclass(frozen=True)
class Score:
    """The full score, 0 to 1; parts: of mask, gender and age alone."""

    macro_f1: float
    accuracy: float
    per_class: tuple[ClassScore, ...]
    parts: dict[str, PartScore]

    def to_json(self) -> dict[str, object]:
        """As files and `score --json` have it: the parts as keys beside the overall scores."""
        return {
            "macro_f1": self.macro_f1,
            "accuracy": self.accuracy,
            "per_class": [{"class": c.number} | _without_number(c) for c in self.per_class],
            **{name: asdict(part) for name, part in self.parts.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Score":
        """Read to_json back."""
        classes = [{"number": c["class"]} | c for c in values["per_class"]]
        return cls(
            values["macro_f1"],
            values["accuracy"],
            tuple(from_plain(ClassScore, c) for c in classes),
            {name: from_plain(PartScore, values[name]) for name in TASKS},
        )


def _without_number(score: ClassScore) -> dict[str, object]:
    # In the file it is called "class", which is no name for a field in Python.
    return {name: value for name, value in asdict(score).items() if name != "number"}


def score(labels: npt.ArrayLike, predicted: npt.ArrayLike) -> Score:
    """The full score; labels, predicted: integers [N] in 0..17, N at least 1."""
    counts = confusion(labels, predicted)
    hits, images = np.diagonal(counts), counts.sum(axis=1)
    precision = hits / np.maximum(counts.sum(axis=0), 1)
    recall = hits / np.maximum(images, 1)
    f1 = _f1(counts)
    per_class = tuple(
        ClassScore(
            k, class_name(k), float(f1[k]), float(precision[k]), float(recall[k]), int(images[k])
        )
        for k in range(NUM_CLASSES)
    )
    part_of_class = labels_of(np.arange(NUM_CLASSES))
    parts = {}
    for task in TASKS:
        which = np.eye(_NUM_OF_TASK[task], dtype=np.int64)[part_of_class[task]]  # [18, values]
        parts[task] = _overall(which.T @ counts @ which)
    overall = _overall(counts)
    return Score(overall.macro_f1, overall.accuracy, per_class, parts)


def confusion(labels: npt.ArrayLike, predicted: npt.ArrayLike) -> Confusion:
    """How often each label was predicted as each class, int64 [18, 18]; a row for each label.

    labels, predicted: integers [N] in 0..17, N at least 1; ValueError otherwise. Counted in
    parts, so that millions of rows of one byte each are never copied to wider integers as a whole.
    """
    truth, guess = _checked(labels, predicted)
    counts = np.zeros(NUM_CLASSES**2, np.int64)
    for start in range(0, len(truth), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        pairs = truth[rows].astype(np.int64) * NUM_CLASSES + guess[rows]
        counts += np.bincount(pairs, minlength=NUM_CLASSES**2)
    return counts.reshape(NUM_CLASSES, NUM_CLASSES)


def macro_f1(labels: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """The macro F1 of `score` alone, for every epoch."""
    return float(_f1(confusion(labels, predicted)).mean())


def accuracy(labels: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Share of rows whose class is correct; labels, predicted: integers [N] in 0..17."""
    return _overall(confusion(labels, predicted)).accuracy


def _overall(counts: Confusion) -> PartScore:
    return PartScore(float(_f1(counts).mean()), float(np.trace(counts) / counts.sum()))


def _f1(counts: Confusion) -> npt.NDArray[np.float64]:
    """F1 of each class of a confusion matrix [C, C]."""
    # 2 tp / (2 tp + fp + fn); where the denominator is 0 so is tp, and 0 / 1 is the 0 it counts.
    both_sides = np.maximum(counts.sum(axis=0) + counts.sum(axis=1), 1)
    return np.asarray(2 * np.diagonal(counts) / both_sides, np.float64)


def _checked(
    labels: npt.ArrayLike, predicted: npt.ArrayLike
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Both as integer arrays [N]; ValueError when they are not."""
    # bincount would accept classes outside 0..17 and count them as other pairs.
    pair = []
    for name, values in (("labels", labels), ("predicted", predicted)):
        array = np.asarray(values)
        if array.ndim != 1 or array.dtype.kind not in "iu" or not len(array):
            raise ValueError(f"{name} must be integers [N], N >= 1: {array.dtype} {array.shape}")
        if array.min() < 0 or array.max() >= NUM_CLASSES:
            raise ValueError(f"{name} must lie in 0..17, got {array.min()}..{array.max()}")
        pair.append(array)
    if len(pair[0]) != len(pair[1]):
        raise ValueError(f"{len(pair[0])} labels for {len(pair[1])} predictions")
    return pair[0], pair[1]
