"""The training and held-out rows of a fold, by the files of its run.

The check that no person is in both training and validation uses the folder in a row's path: a source
other than the table's person, by which the folds are looked up.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from maskcls.core.errors import UserError
from maskcls.folds.assign import assert_no_person_on_two_sides
from maskcls.store.folder import Folder
from maskcls.store.run import FOLDS, TABLE
from maskcls.store.tables import read_arrow, read_parts


@dataclass(frozen=True)
class FoldSplit:
    """Training and held-out rows of a fold; all arrays int64, rows in the table's order.

    labels: official class of every row [N]. train_labels, train_ages: class and age for training
    [N]. person: a number for each person [N]. train, held_out: rows that can be decoded,
    disjoint by person (except for folds.scheme=image).
    """

    labels: npt.NDArray[np.int64]
    train_labels: npt.NDArray[np.int64]
    train_ages: npt.NDArray[np.int64]
    person: npt.NDArray[np.int64]
    train: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.int64]


def read_fold_rows(run: Folder, number: int, per_repeat: int, faults: set[int]) -> FoldSplit:
    """Read table and folds of a run and divide the rows.

    number: running number of the fold. faults: rows without pixels, which are left out.
    Raises what read_fold_of_row raises.
    """
    repeat, fold = divmod(number, per_repeat)
    people = _read_people(run)
    fold_of_row = _fold_of_row(run, repeat, people)
    person = people.person_of_row.astype(np.int64)
    del people  # before the table is read, so that both are never in memory
    # A row without pixels would be noise in training, and has no prediction to score.
    sound = np.ones(len(person), bool)
    sound[list(faults)] = False
    names = ["label", "train_label", "train_age"]
    table = read_arrow(run, TABLE, names)
    numbers = {n: table[n].to_numpy().astype(np.int64) for n in names}
    return FoldSplit(
        labels=numbers["label"],
        train_labels=numbers["train_label"],
        train_ages=numbers["train_age"],
        person=person,
        train=np.flatnonzero(sound & (fold_of_row != fold)),
        held_out=np.flatnonzero(sound & (fold_of_row == fold)),
    )


def read_fold_of_row(run: Folder, repeat: int) -> npt.NDArray[np.int64]:
    """Validation fold of each row of the table in a repeat, int64 [N]; -1 for none.

    Unless the split is one of images, raises RuntimeError when a person, by the folder in the row's
    path, is in two folds or in none of the file's, and UserError when a person is in the file twice.
    """
    return _fold_of_row(run, repeat, _read_people(run))


@dataclass(frozen=True)
class _People:
    """names: of persons and of folders. person_of_row, folder_of_row: places in them, int32 [N]."""

    names: list[str]
    person_of_row: npt.NDArray[np.int32]
    folder_of_row: npt.NDArray[np.int32]


def _read_people(run: Folder) -> _People:
    """Column person of the table, and the folders of column path.

    Part by part: the names of all rows would take most of a worker's memory.
    """
    places: dict[str, int] = {}
    persons, folders = [], []
    for part in read_parts(run, TABLE, ["person", "path"]):
        persons.append(_places_of(part["person"].combine_chunks(), places))
        parts_of_path = pc.split_pattern(part["path"].combine_chunks(), "/", max_splits=1)
        folders.append(_places_of(pc.list_element(parts_of_path, 0), places))
    return _People(list(places), np.concatenate(persons), np.concatenate(folders))


def _places_of(names: Any, places: dict[str, int]) -> npt.NDArray[np.int32]:
    # Only the distinct names become Python objects, and rows 4 bytes each.
    coded = names if hasattr(names, "indices") else names.dictionary_encode()
    local = [places.setdefault(name, len(places)) for name in coded.dictionary.to_pylist()]
    found: npt.NDArray[np.int32] = np.array(local, np.int32)[coded.indices.to_numpy()]
    return found


def _fold_of_row(run: Folder, repeat: int, people: _People) -> npt.NDArray[np.int64]:
    folds = read_arrow(run, FOLDS)
    mine = folds.filter(pc.equal(folds["repeat"], repeat))
    if "path" in folds.column_names:  # folds.scheme=image: a row per image, in the table's order
        out: npt.NDArray[np.int64] = mine["fold"].to_numpy().astype(np.int64)
        return out
    persons = mine["person"].combine_chunks().cast(pa.large_string())
    # index_in would silently take the first of two.
    _refuse_doubles(run, repeat, persons)
    place = pc.index_in(pa.array(people.names, pa.large_string()), value_set=persons)
    # Folders of other names are among these, too, so that some may be unknown.
    known = place.is_valid().to_numpy(zero_copy_only=False)
    if not known[people.person_of_row].all():
        row = int(np.argmin(known[people.person_of_row]))
        name = people.names[people.person_of_row[row]]
        raise RuntimeError(f"{run}/{FOLDS}: person {name} is missing (row {row}); this is a bug")
    fold_of_name = np.full(len(people.names), -1, np.int64)
    fold_of_name[known] = mine["fold"].take(place.drop_null()).to_numpy()
    fold_of_row = fold_of_name[people.person_of_row]
    # By folder, not by person as above, or the check could never fail.
    assert_no_person_on_two_sides(people.folder_of_row, fold_of_row, people.names)
    return fold_of_row


def _refuse_doubles(run: Folder, repeat: int, persons: "pa.Array") -> None:
    if pc.count_distinct(persons).as_py() == len(persons):
        return
    counts = pc.value_counts(persons)
    double = counts.filter(pc.greater(counts.field("counts"), 1))[0]["values"]
    raise UserError(
        f"{run}/{FOLDS}: {double} occurs twice in repeat {repeat}; the file was changed:"
        " put it back, or use another --run."
    )
