"""Which rows train in a fold, with which labels; validation rows are never changed.

Row numbers are consecutive: the table's rows, then those of the extra folder, then the eval images,
which train with pseudo-labels only. Shape letters: T all rows, N the table's.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from maskcls.config.schema import Rows
from maskcls.config.values import AgeRanges, Factors
from maskcls.core.task import Task

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TrainingLabels:
    """Rows with their training labels; all int64 [T].

    classes: with border and corrections applied. ages: in years; 0 for tasks without ages. group: a
    number for each group; -1 for images without a known one, such as the eval images.
    """

    classes: Int64
    ages: Int64
    group: Int64


@dataclass(frozen=True)
class RowCopies:
    """A fold's training rows: rows int64 [M], and how often each is in an epoch, int64 [M]."""

    rows: Int64
    copies: Int64


def training_task(task: Task, settings: Rows) -> Task:
    """The task as it trains: the last age group may begin at another age (rows.age_border)."""
    part = task.numbered
    if part is None or settings.age_border == "auto":
        return task
    moved = replace(part, borders=(*part.borders[:-1], settings.age_border))
    return replace(task, parts=tuple(moved if p == part else p for p in task.parts))


def training_rows(
    candidates: Int64, labelled: TrainingLabels, settings: Rows, task: Task
) -> RowCopies:
    """Drop ages and count copies; candidates: the rows of the fold's training side, in order.

    Raises ValueError when nothing is left.
    """
    # Without a known group, the age is an estimate, by which no image should be dropped.
    known = labelled.group[candidates] >= 0
    rows = candidates[~(known & _in(settings.drop_ages, labelled.ages[candidates]))]
    if not len(rows):
        raise ValueError(
            f"rows.drop_ages={settings.drop_ages} leaves no training image; drop fewer"
        )
    # By the class as it trains, after corrections: that is what oversampling should balance.
    factors = factor_of_class(settings.oversample, task)
    return RowCopies(rows, factors[labelled.classes[rows]])


def _in(ranges: AgeRanges, ages: Int64) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(ages), bool)
    for low, high in ranges.ranges:
        # Both ends included, as the setting is written: 57-59 drops three years.
        inside |= (ages >= low) & (ages <= high)
    return inside


def factor_of_class(factors: Factors, task: Task) -> Int64:
    """Copies of each class, int64 [K]; of two factors that both apply, the larger counts.

    Raises ValueError for a factor of neither a class nor a value of a part, and for a number that is the
    name of another class.
    """
    found = np.ones(task.num_classes, np.int64)
    codes = task.codes_of(np.arange(task.num_classes))
    for name, factor in factors.factors:
        is_meant = _classes_meant(name, task, codes)
        found[is_meant] = np.maximum(found[is_meant], factor)
    return found


def _classes_meant(name: str, task: Task, codes: dict[str, Int64]) -> npt.NDArray[np.bool_]:
    """The classes that a name, a number, or PART=VALUE stands for, bool [K]; codes: of each class."""
    named, numbered = np.zeros((2, task.num_classes), bool)
    for part in task.parts:
        for code, value in enumerate(part.values):
            if name in (value, f"{part.name}={value}"):
                named |= codes[part.name] == code
    if name.isdecimal():
        numbered[int(name) : int(name) + 1] = True
    if named.any() and numbered.any() and (named != numbered).any():
        part = next(part for part in task.parts if name in part.values)
        number = int(name)
        raise ValueError(
            f"rows.oversample: {name} is a value of {part.name} and the number of class {number}"
            f" ({task.classes[number]}); write {part.name}={name} for the value"
            + (f", or {part.name}={part.values[number]}" if len(task.parts) == 1 else "")
        )
    if not (named | numbered).any():
        values = ", ".join(value for part in task.parts for value in part.values[:6])
        raise ValueError(
            f"rows.oversample: {name} is neither a class from 0 to {task.num_classes - 1} nor one of"
            f" {values}"
        )
    return named | numbered
