"""Made-up runs of any size: people, a table like a run's table.parquet, logits; made part by part."""

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from maskcls.core.mask import GENDERS, MASK_OF_SHOT, SHOTS, class_of
from maskcls.data.csv_file import text_series
from maskcls.folds.assign import assign_folds, fold_table
from maskcls.folds.names import group_digests
from maskcls.store.folder import Folder
from maskcls.store.tables import logits_column, write_parts, write_table
from tests.tasks import MASK

FOLDS = 5
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
"""Rows; people are a seventh of them, rounded down."""
_PART_ROWS = 4_096
_PART_PEOPLE = _PART_ROWS // len(SHOTS)
_AGES = np.array([25, 45, 65], np.int16)
_Numbers = TypeVar("_Numbers", int, npt.NDArray[np.int64])


def people_of(rows: int) -> int:
    """People with so many images in all, seven each."""
    return rows // len(SHOTS)


def groups(count: int) -> pd.DataFrame:
    """The people, as Table.groups has them, less the number of images."""
    numbers = np.arange(count)
    return pd.DataFrame(
        {
            "group": text_series(_name(number) for number in range(count)),
            "gender": _gender(numbers).astype(np.int16),
            "age": _age_group(numbers).astype(np.int16),
        }
    )


def table_parts(count: int) -> Iterator[pa.Table]:
    """The images of so many people, with the columns and types of a run's table.parquet."""
    shots, masks = pa.array(list(SHOTS), pa.string()), np.array(list(MASK_OF_SHOT.values()))
    for first in range(0, count, _PART_PEOPLE):
        numbers = np.arange(first, min(first + _PART_PEOPLE, count))
        names = [_name(number) for number in numbers.tolist()]
        who = np.repeat(np.arange(len(names)), len(SHOTS))
        gender, group = _gender(numbers)[who], _age_group(numbers)[who]
        mask = np.tile(masks, len(names))
        label = class_of(mask, gender, group).astype(np.int16)
        paths = [f"{name}/{shot}.jpg" for name in names for shot in SHOTS]
        shot_of = np.tile(np.arange(len(SHOTS)), len(names))
        yield pa.table(
            {
                "path": pa.array(paths, pa.string()),
                "group": pa.array(names, pa.string()).take(pa.array(who)),
                "group_digest": group_digests(text_series(names))[who],
                "shot": shots.take(pa.array(shot_of)),
                "age": _AGES[group],
                "label": label,
                "train_label": label,
                "train_age": _AGES[group],
            }
        )


def write_folds(run: Folder, count: int, seed: int = 0) -> None:
    """Draw folds for so many people and write the run's folds.parquet."""
    everybody = groups(count)
    folds = assign_folds(everybody, MASK, FOLDS, seed)
    write_table(run, "folds.parquet", fold_table(everybody, MASK, folds))


def write_logits(fold: Folder, name: str, rows: npt.NDArray[np.int64], seed: int) -> None:
    """A fold's validation or eval logits: random ones of the given rows, in a file in its folder."""
    write_parts(fold, name, _logits_parts(rows, seed))


def _logits_parts(rows: npt.NDArray[np.int64], seed: int) -> Iterator[pa.Table]:
    numbers = np.random.default_rng(seed)
    for start in range(0, len(rows), _PART_ROWS):
        mine = rows[start : start + _PART_ROWS]
        logits = numbers.standard_normal((len(mine), MASK.num_classes), np.float32)
        yield pa.table({"row": mine, "logits": logits_column(logits, np.ones(len(mine), bool))})


def _name(number: int) -> str:
    """As the competition names people: number, gender, race, age."""
    gender, age = GENDERS[_gender(number)], _AGES[_age_group(number)]
    return f"{number:08d}_{gender}_Drawn_{age}"


def _gender(numbers: _Numbers) -> _Numbers:
    return numbers % len(GENDERS)


def _age_group(numbers: _Numbers) -> _Numbers:
    return numbers // len(GENDERS) % len(_AGES)
