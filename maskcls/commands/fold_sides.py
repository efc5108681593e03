"""Has every fold somebody to train on, and partners for its mix? Asked before anything starts."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.augment.partners import partners_asked, pool_of
from maskcls.commands.datasets import DataSet
from maskcls.config.resolve import to_json
from maskcls.config.schema import Config
from maskcls.core.errors import UserError
from maskcls.sampling.training_rows import Labelled, training_rows
from maskcls.store import run_files

if TYPE_CHECKING:
    from maskcls.commands.training_inputs import Inputs

Int64 = npt.NDArray[np.int64]


def refuse_empty_sides(
    config: Config, data: DataSet, folds: pd.DataFrame, inputs: "Inputs"
) -> None:
    """UserError when the settings leave a fold nobody to train on, or its mix no partner.

    folds: folds.parquet as it should be. Which photos cannot be decoded is not known yet; a fold's
    worker asks the same again, without them.
    """
    asked = partners_asked(config.augment)
    if not config.rows.drop_ages.ranges and "old" not in asked.values():
        return  # nobody can be missing, and a table may have millions of rows
    tree = to_json(config)
    per_repeat = run_files.folds_per_repeat(tree)
    for number in range(run_files.num_folds(tree)):
        repeat, fold = divmod(number, per_repeat)
        fold_of_row = _fold_of_row(data, folds[folds["repeat"] == repeat])
        candidates, labelled = _may_train(np.flatnonzero(fold_of_row != fold), number, inputs)
        try:
            rows = training_rows(candidates, labelled, config.rows).rows
            for name, partner in asked.items():
                pool_of(name, partner, labelled.classes, rows)
        except ValueError as e:
            raise UserError(f"fold {number}: {e}.") from e
        except UserError as e:
            raise UserError(f"fold {number}: {e}") from e


def _fold_of_row(data: DataSet, folds: pd.DataFrame) -> Int64:
    """Fold of each photo, int64 [N]; folds: of one repeat, of people or of photos, in their order."""
    fold = folds["fold"].to_numpy().astype(np.int64)
    if "path" in folds.columns:  # folds.scheme=image
        return fold
    mine: Int64 = fold[data.table.photos["person"].cat.codes.to_numpy()]
    return mine


def _may_train(rows: Int64, fold: int, inputs: "Inputs") -> tuple[Int64, Labelled]:
    """What a fold's worker begins with: its rows, then the extra ones, then its pseudo-labels.

    rows: of the table, on the fold's training side. Numbered as in training/fold_data.py, but that
    the eval photos are those with a label. Only whether a person is known matters here, not who.
    """
    classes, ages = [inputs.train.classes], [inputs.train.ages]
    candidates, start = [rows], len(inputs.train.classes)
    if inputs.extra is not None:
        classes.append(inputs.extra["train_label"].to_numpy().astype(np.int64))
        ages.append(inputs.extra["train_age"].to_numpy().astype(np.int64))
        candidates.append(np.arange(start, start + inputs.extra.num_rows))
        start += inputs.extra.num_rows
    person = np.zeros(start, np.int64)
    if inputs.pseudo is not None:
        mine = inputs.pseudo.loc[inputs.pseudo["fold"] == fold, "label"].to_numpy().astype(np.int64)
        classes.append(mine)
        ages.append(np.zeros(len(mine), np.int64))
        person = np.concatenate([person, np.full(len(mine), -1)])
        candidates.append(np.arange(start, start + len(mine)))
    labelled = Labelled(np.concatenate(classes), np.concatenate(ages), person)
    return np.concatenate(candidates), labelled
