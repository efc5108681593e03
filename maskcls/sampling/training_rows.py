"""Which rows train in a fold, with which labels; validation rows are never changed.

Row numbers are consecutive: the table's rows, then those of the extra folder, then the eval images,
which train with pseudo-labels only. Shape letters: T all rows, N the table's.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskcls.config.schema import Rows
from maskcls.config.values import AgeRanges, Factors
from maskcls.core.labels import AGE_GROUPS, NUM_CLASSES

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TrainingLabels:
    """Rows with their training labels; all int64 [T].

    classes: 0 to 17, with border and corrections applied. ages: in years. person: a number for each
    person; -1 for images without a known person, such as the eval images.
    """

    classes: Int64
    ages: Int64
    person: Int64


@dataclass(frozen=True)
class RowCopies:
    """A fold's training rows: rows int64 [M], and how often each is in an epoch, int64 [M]."""

    rows: Int64
    copies: Int64


def training_rows(candidates: Int64, labelled: TrainingLabels, settings: Rows) -> RowCopies:
    """Drop ages and count copies; candidates: the rows of the fold's training side, in order.

    Raises ValueError when nothing is left.
    """
    # Without a known person, the age is an estimate, by which no image should be dropped.
    known = labelled.person[candidates] >= 0
    rows = candidates[~(known & _in(settings.drop_ages, labelled.ages[candidates]))]
    if not len(rows):
        raise ValueError(
            f"rows.drop_ages={settings.drop_ages} leaves no training image; drop fewer"
        )
    # By the class as it trains, after corrections: that is what oversampling should balance.
    factors = _factor_of_class(settings.oversample)
    return RowCopies(rows, factors[labelled.classes[rows]])


def _in(ranges: AgeRanges, ages: Int64) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(ages), bool)
    for low, high in ranges.ranges:
        # Both ends included, as the setting is written: 57-59 drops three years.
        inside |= (ages >= low) & (ages <= high)
    return inside


def _factor_of_class(factors: Factors) -> Int64:
    """Copies of each class, [18]; of two factors that both apply, the larger counts."""
    found = np.ones(NUM_CLASSES, np.int64)
    for group, factor in factors.factors:
        if group.isdigit():
            classes = np.array([int(group)])
        else:
            # An age group is one in three classes: class = 6 mask + 3 gender + age group.
            classes = np.flatnonzero(np.arange(NUM_CLASSES) % 3 == AGE_GROUPS.index(group))
        found[classes] = np.maximum(found[classes], factor)
    return found
