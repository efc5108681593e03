"""Tables of made-up images, as the reader would give them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from maskcls.core.task import Task
from tests.tasks import MASK, SKIN


@dataclass(frozen=True)
class MadeUp:
    """What folds need of a table of data."""

    task: Task
    images: pd.DataFrame
    groups: pd.DataFrame


def table_of(
    task: Task,
    rows: Sequence[tuple[str, int]],
    fold: Sequence[int] | None = None,
    strata: dict[str, Sequence[int]] | None = None,
) -> MadeUp:
    """A table of images; rows: group and label of each. fold: given ones; strata: codes of the groups,
    in the order of their names."""
    names = sorted({group for group, _ in rows})
    kind = pd.CategoricalDtype(pd.Index(names, dtype="str"))
    images = pd.DataFrame(
        {
            "path": pd.Series([f"{i:05d}.png" for i in range(len(rows))], dtype="str"),
            "group": pd.Categorical([group for group, _ in rows], dtype=kind),
            "label": np.array([label for _, label in rows], np.int16),
        }
    )
    if fold is not None:
        images["fold"] = np.array(fold, np.int16)
    sizes = images["group"].value_counts().loc[names].to_numpy(np.int32)
    groups = pd.DataFrame({"group": pd.Series(names, dtype="str"), "num_images": sizes})
    for name, codes in (strata or {}).items():
        groups[name] = np.array(codes, np.int16)
    return MadeUp(task, images, groups)


def each_its_own(task: Task, labels: Sequence[int]) -> MadeUp:
    """A table of images without groups: each is one of the name of its path."""
    return table_of(task, [(f"{i:05d}.png", label) for i, label in enumerate(labels)])


def twelve_people() -> MadeUp:
    """Of the task mask: people of all genders and age groups, seven images each."""
    return table_of(
        MASK,
        [(f"p{i:02d}", (i % 6) + 6 * (shot // 3)) for i in range(12) for shot in range(7)],
        strata={"gender": [i % 6 // 3 for i in range(12)], "age": [i % 3 for i in range(12)]},
    )


def forty_patients() -> MadeUp:
    """Of a task without strata: one to five images each, a fifth of the images positive."""
    rows = [(f"IP_{i:03d}", int((i + n) % 5 == 0)) for i in range(40) for n in range(1 + i % 5)]
    return table_of(SKIN, rows)
