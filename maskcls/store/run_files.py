"""Names and shapes of what a run's folder holds; the one place that spells them.

config.json network.json record.json faults.json metrics.json
table.parquet eval_table.parquet folds.parquet oof.parquet eval.parquet
fold-K/checkpoints/   fold-K/history.jsonl   fold-K/progress.json
fold-K/held_out.parquet   fold-K/eval.parquet   fold-K/fold.json (written last: the fold is done)
ray/                  Ray Train's own records, on a cluster only
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.core.folds import assert_no_person_on_two_sides
from maskcls.store.paths import Folder
from maskcls.store.tables import read_arrow


def fold_folder(run: Folder, fold: int) -> Folder:
    """Folder of a fold, counted from 0."""
    return run.child(f"fold-{fold}")


def read_done(run: Folder, fold: int) -> dict[str, Any] | None:
    """A finished fold's fold.json, None while it is not finished."""
    folder = fold_folder(run, fold)
    if not folder.exists("fold.json"):
        return None
    done: dict[str, Any] = folder.read_json("fold.json")
    return done


def history_text(history: list[dict[str, Any]]) -> bytes:
    """history.jsonl: a line of JSON per epoch."""
    return "".join(json.dumps(entry) + "\n" for entry in history).encode()


@dataclass(frozen=True)
class FoldRows:
    """Who trains and who is held out in a fold; all arrays int64, rows in the table's order.

    labels: class of every row [N]. train, held_out: rows that can be decoded, disjoint by person.
    """

    labels: npt.NDArray[np.int64]
    train: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.int64]


def read_fold_rows(run: Folder, fold: int, faults: set[int]) -> FoldRows:
    """Read table and folds of a run and divide the rows; asserts that no person is on two sides.

    faults: rows without pixels; they are on neither side.
    """
    table = read_arrow(run, "table.parquet")
    folds = read_arrow(run, "folds.parquet")
    fold_of = dict(zip(folds["person"].to_pylist(), folds["fold"].to_pylist(), strict=True))
    person = table["person"].combine_chunks()
    codes = person.dictionary_encode() if hasattr(person, "dictionary_encode") else person
    names = codes.dictionary.to_pylist()
    person_of_row = codes.indices.to_numpy()
    fold_of_person = np.array([fold_of[name] for name in names], np.int64)
    fold_of_row = fold_of_person[person_of_row]
    assert_no_person_on_two_sides(person_of_row, fold_of_row)
    sound = np.ones(len(person_of_row), bool)
    sound[list(faults)] = False
    return FoldRows(
        labels=table["label"].to_numpy().astype(np.int64),
        train=np.flatnonzero(sound & (fold_of_row != fold)),
        held_out=np.flatnonzero(sound & (fold_of_row == fold)),
    )
