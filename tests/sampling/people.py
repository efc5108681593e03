"""Made-up training rows: people with seven images each, as TrainingLabels has them."""

import numpy as np
from hypothesis import strategies as st

from maskcls.core.mask import MASK_OF_SHOT
from maskcls.sampling.training_rows import TrainingLabels
from tests.tasks import MASK

MASKS = np.array(list(MASK_OF_SHOT.values()))
"""Mask states of a person's seven images."""


def labelled_of(people: list[tuple[int, int]], num_unknown: int = 0) -> TrainingLabels:
    """Seven rows for each (gender, age), then images without a known person.

    The latter stand for eval images with pseudo-labels: classes 0, 1, 2, ..., all worn at first.
    """
    gender = np.repeat([g for g, _ in people], len(MASKS)).astype(np.int64)
    ages = np.repeat([age for _, age in people], len(MASKS)).astype(np.int64)
    group = np.array([MASK.part("age").code_of(age) for age in ages.tolist()], np.int64)
    classes = 6 * np.tile(MASKS, len(people)) + 3 * gender + group
    person = np.repeat(np.arange(len(people)), len(MASKS))
    unknown = np.arange(num_unknown, dtype=np.int64)
    return TrainingLabels(
        np.concatenate([classes, unknown % 18]).astype(np.int64),
        np.concatenate([ages, np.full(num_unknown, 45)]).astype(np.int64),
        np.concatenate([person, np.full(num_unknown, -1)]).astype(np.int64),
    )


some_people = st.lists(st.tuples(st.integers(0, 1), st.integers(18, 60)), min_size=2, max_size=12)
EVERYBODY = [(gender, age) for gender in (0, 1) for age in (20, 27, 45, 57, 59, 60, 60)]
"""Both genders, all age groups, ages on both sides of the borders."""
