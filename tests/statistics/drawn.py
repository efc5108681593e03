"""Rows that the tests of statistics share: small, in unequal groups, with ties."""

from dataclasses import replace

import numpy as np

from maskcls.core.task import Part, Task
from maskcls.statistics.rows import Rows

EVERY_METRIC = Task(
    "grades", (Part("grade", ("a", "b", "c", "d")),), "macro_f1",
    ("accuracy", "balanced_accuracy", "quadratic_kappa", "auc", "log_loss"), has_groups=True,
)  # fmt: skip
"""Four classes with an order, and all metrics."""
TWO_CLASSES = replace(EVERY_METRIC, parts=(Part("grade", ("a", "b")),), metric="auc")


def drawn(task: Task, groups: int, seed: int = 0, margin: float = 1.0) -> Rows:
    """Rows of unequal groups: a class with its group's own error; logits on a grid, so with ties.

    The last class has no label, where there are more than two.
    """
    rng = np.random.default_rng(seed)
    classes = max(2, task.num_classes - 1)
    codes = np.repeat(np.arange(groups), rng.integers(1, 6, groups))
    labels = rng.integers(0, classes, groups)[codes]
    other = (rng.random(len(codes)) < 0.3) * rng.integers(0, classes, len(codes))
    labels = np.where(other > 0, other, labels)
    logits = rng.normal(0, 1, (groups, task.num_classes))[codes]
    logits += rng.normal(0, 1, logits.shape)
    logits[np.arange(len(codes)), labels] += margin
    folds = rng.integers(0, 3, groups)[codes]
    return Rows(labels, (logits.round(1)).astype(np.float32), codes, folds)
