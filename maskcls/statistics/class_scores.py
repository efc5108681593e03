"""F1 of each class, and macro F1 of each part, as functions of the groups' weights."""

from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.task import Task
from maskcls.statistics.measures import Measure
from maskcls.statistics.rows import Rows
from maskcls.statistics.sums import Float64, PredictedSums, f1, macro_f1
from maskcls.statistics.training_noise import Maker


def class_scores(task: Task) -> Maker:
    """Makes of rows the F1 of each class, [B, K]."""

    def make(rows: Rows) -> Measure:
        answers = rows.logits.argmax(axis=1)
        sums = PredictedSums(rows.labels, answers, rows.groups, task.num_classes)
        return lambda weights: f1(sums.at(weights))

    return make


def part_scores(task: Task) -> Maker:
    """Makes of rows the macro F1 of each part of the task, [B, P]."""

    def make(rows: Rows) -> Measure:
        labels, answers = task.codes_of(rows.labels), task.codes_of(rows.logits.argmax(axis=1))
        sums = [
            PredictedSums(labels[part.name], answers[part.name], rows.groups, len(part.values))
            for part in task.parts
        ]

        def at(weights: npt.NDArray[Any]) -> Float64:
            return np.stack([macro_f1(one.at(weights), task.absent) for one in sums], axis=1)

        return at

    return make
