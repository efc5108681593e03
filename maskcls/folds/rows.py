"""The training and held-out rows of a fold, by the files of its run.

The check that no group is in both training and validation uses a second source: the digest of the
group's name that was made when the data was read, beside the names by which the folds are looked up.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from maskcls.core.errors import UserError
from maskcls.folds.sides import assert_no_group_on_two_sides
from maskcls.store.folder import Folder
from maskcls.store.run import FOLDS, TABLE
from maskcls.store.tables import column_names, read_arrow, read_parts


@dataclass(frozen=True)
class FoldSplit:
    """Training and held-out rows of a fold; all arrays int64, rows in the table's order.

    labels: official class of every row [N]. train_labels, train_ages: class and age for training
    [N], ages 0 for a task without. group: a number for each group [N]. train, held_out: rows that can
    be decoded, disjoint by group (except for folds.scheme=image).
    """

    labels: npt.NDArray[np.int64]
    train_labels: npt.NDArray[np.int64]
    train_ages: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    train: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.int64]


def read_fold_rows(run: Folder, number: int, per_repeat: int, faults: set[int]) -> FoldSplit:
    """Read table and folds of a run and divide the rows.

    number: running number of the fold. faults: rows without pixels, which are left out.
    Raises what read_fold_of_row raises.
    """
    repeat, fold = divmod(number, per_repeat)
    groups = _read_groups(run)
    fold_of_row = _fold_of_row(run, repeat, groups)
    group = groups.group_of_row.astype(np.int64)
    del groups  # before the table is read, so that both are never in memory
    # A row without pixels would be noise in training, and has no prediction to score.
    sound = np.ones(len(group), bool)
    sound[list(faults)] = False
    table = read_arrow(run, TABLE, ["label", "train_label"])
    labels, train_labels = (
        table[name].to_numpy().astype(np.int64) for name in ("label", "train_label")
    )
    return FoldSplit(
        labels=labels,
        train_labels=train_labels,
        train_ages=_ages(run, len(group)),
        group=group,
        train=np.flatnonzero(sound & (fold_of_row != fold)),
        held_out=np.flatnonzero(sound & (fold_of_row == fold)),
    )


def _ages(run: Folder, num_rows: int) -> npt.NDArray[np.int64]:
    if "train_age" not in column_names(run, TABLE):
        return np.zeros(num_rows, np.int64)
    found: npt.NDArray[np.int64]
    found = read_arrow(run, TABLE, ["train_age"])["train_age"].to_numpy().astype(np.int64)
    return found


def read_fold_of_row(run: Folder, repeat: int) -> npt.NDArray[np.int64]:
    """Validation fold of each row of the table in a repeat, int64 [N]; -1 for none.

    Unless the split is one of images, raises RuntimeError when a group, by the digest of its name, is
    in two folds or in none of the file's, and UserError when a group is in the file twice.
    """
    return _fold_of_row(run, repeat, _read_groups(run))


@dataclass(frozen=True)
class _Groups:
    """names: of groups. group_of_row: place in them, int32 [N]. digest_of_row: uint64 [N]."""

    names: list[str]
    group_of_row: npt.NDArray[np.int32]
    digest_of_row: npt.NDArray[np.uint64]


def _read_groups(run: Folder) -> _Groups:
    """Columns group and group_digest of the table.

    Part by part: the names of all rows would take most of a worker's memory.
    """
    places: dict[str, int] = {}
    groups, digests = [], []
    for part in read_parts(run, TABLE, ["group", "group_digest"]):
        groups.append(_places_of(part["group"].combine_chunks(), places))
        digests.append(part["group_digest"].to_numpy())
    return _Groups(list(places), np.concatenate(groups), np.concatenate(digests))


def _places_of(names: Any, places: dict[str, int]) -> npt.NDArray[np.int32]:
    # Only the distinct names become Python objects, and rows 4 bytes each.
    coded = names if hasattr(names, "indices") else names.dictionary_encode()
    local = [places.setdefault(name, len(places)) for name in coded.dictionary.to_pylist()]
    found: npt.NDArray[np.int32] = np.array(local, np.int32)[coded.indices.to_numpy()]
    return found


def _fold_of_row(run: Folder, repeat: int, groups: _Groups) -> npt.NDArray[np.int64]:
    folds = read_arrow(run, FOLDS)
    mine = folds.filter(pc.equal(folds["repeat"], repeat))
    if "image" in folds.column_names:  # folds.scheme=image: a row per image, in the table's order
        out: npt.NDArray[np.int64] = mine["fold"].to_numpy().astype(np.int64)
        return out
    names = mine["group"].combine_chunks().cast(pa.large_string())
    # index_in would silently take the first of two.
    _refuse_doubles(run, repeat, names)
    place = pc.index_in(pa.array(groups.names, pa.large_string()), value_set=names)
    known = place.is_valid().to_numpy(zero_copy_only=False)
    if not known.all():
        name = groups.names[int(np.argmin(known))]
        row = int(np.argmin(known[groups.group_of_row]))
        raise RuntimeError(f"{run}/{FOLDS}: group {name} is missing (row {row}); this is a bug")
    fold_of_row: npt.NDArray[np.int64]
    fold_of_row = mine["fold"].take(place).to_numpy().astype(np.int64)[groups.group_of_row]
    # By digest, not by name as above, or the check could never fail.
    assert_no_group_on_two_sides(
        groups.digest_of_row, fold_of_row, lambda row: groups.names[groups.group_of_row[row]]
    )
    return fold_of_row


def _refuse_doubles(run: Folder, repeat: int, names: "pa.Array") -> None:
    if pc.count_distinct(names).as_py() == len(names):
        return
    counts = pc.value_counts(names)
    double = counts.filter(pc.greater(counts.field("counts"), 1))[0]["values"]
    raise UserError(
        f"{run}/{FOLDS}: {double} occurs twice in repeat {repeat}; the file was changed:"
        " put it back, or use another --run."
    )
