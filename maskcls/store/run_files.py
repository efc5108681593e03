"""Names and shapes of what a run's folder holds; the one place that spells them.

config.json network.json record.json faults.json metrics.json
table.parquet eval_table.parquet folds.parquet oof.parquet eval.parquet
extra_table.parquet pseudo.parquet    more training rows, where the settings ask for them
fold-K/checkpoints/   fold-K/history.jsonl   fold-K/progress.json
fold-K/held_out.parquet   fold-K/eval.parquet   fold-K/fold.json (written last: the fold is done)
ray/                  Ray Train's own records, on a cluster only

Folds are numbered through: with `folds.repeats`, fold-K is fold K % n of repeat K // n, where n is the
number of folds that hold somebody out in one draw of the split.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from maskcls.core.folds import assert_no_person_on_two_sides
from maskcls.store.paths import Folder
from maskcls.store.tables import read_arrow, read_parts


def folds_per_repeat(config: Mapping[str, Any]) -> int:
    """Folds of one draw of the split; config: a run's config.json."""
    folds = config["folds"]
    return int(folds["count"]) if folds["scheme"] in ("kfold", "image") else 1


def num_folds(config: Mapping[str, Any]) -> int:
    """All folds of a run, over its repeats."""
    return folds_per_repeat(config) * int(config["folds"]["repeats"])


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

    labels: official class of every row [N]. train_labels, train_ages: class and age it would train
    with [N]. person: a number for each person [N]. train, held_out: rows that can be decoded,
    disjoint by person (but for folds.scheme=image).
    """

    labels: npt.NDArray[np.int64]
    train_labels: npt.NDArray[np.int64]
    train_ages: npt.NDArray[np.int64]
    person: npt.NDArray[np.int64]
    train: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.int64]


def read_fold_rows(run: Folder, number: int, per_repeat: int, faults: set[int]) -> FoldRows:
    """Read table and folds of a run and divide the rows; asserts that no person is on two sides.

    number: running number of the fold. faults: rows without pixels; they are on neither side.
    """
    repeat, fold = divmod(number, per_repeat)
    names = ["person", "label", "train_label", "train_age"]
    table = read_arrow(run, "table.parquet", names)
    person = table["person"].combine_chunks()
    codes = person.dictionary_encode() if hasattr(person, "dictionary_encode") else person
    person_of_row = codes.indices.to_numpy()
    fold_of_row = _fold_of_row(run, repeat, codes.dictionary.to_pylist(), person_of_row)
    sound = np.ones(len(person_of_row), bool)
    sound[list(faults)] = False
    numbers = {n: table[n].to_numpy().astype(np.int64) for n in names[1:]}
    return FoldRows(
        labels=numbers["label"],
        train_labels=numbers["train_label"],
        train_ages=numbers["train_age"],
        person=person_of_row.astype(np.int64),
        train=np.flatnonzero(sound & (fold_of_row != fold)),
        held_out=np.flatnonzero(sound & (fold_of_row == fold)),
    )


def read_fold_of_row(run: Folder, repeat: int) -> npt.NDArray[np.int64]:
    """Fold that holds each row of the table out in a repeat, int64 [N]; -1 where none does.

    Asserts that no person is on two sides, unless the split is one of photos.
    """
    names: dict[str, int] = {}
    codes = []
    for part in read_parts(run, "table.parquet", ["person"]):
        person = part["person"].combine_chunks()
        coded = person if hasattr(person, "indices") else person.dictionary_encode()
        local = [names.setdefault(name, len(names)) for name in coded.dictionary.to_pylist()]
        codes.append(np.array(local, np.int32)[coded.indices.to_numpy()])
    return _fold_of_row(run, repeat, list(names), np.concatenate(codes))


def _fold_of_row(
    run: Folder, repeat: int, names: list[str], person_of_row: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    folds = read_arrow(run, "folds.parquet")
    mine = folds.filter(pc.equal(folds["repeat"], repeat))
    if "path" in folds.column_names:  # folds.scheme=image: a row per photo, in the table's order
        out: npt.NDArray[np.int64] = mine["fold"].to_numpy().astype(np.int64)
        return out
    fold_of = dict(zip(mine["person"].to_pylist(), mine["fold"].to_pylist(), strict=True))
    fold_of_person = np.array([fold_of[name] for name in names], np.int64)
    fold_of_row = fold_of_person[person_of_row]
    assert_no_person_on_two_sides(person_of_row, fold_of_row)
    return fold_of_row
