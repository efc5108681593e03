"""The rows that a fold reads from its run's table and folds."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from maskcls.config.schema import Folds
from maskcls.core.errors import UserError
from maskcls.folds import rows as fold_rows
from maskcls.folds.names import group_digests
from maskcls.folds.splits import draw_splits
from maskcls.store.folder import Folder
from maskcls.store.tables import read_table, write_table
from tests.folds.tables import MadeUp, forty_patients, twelve_people


@dataclass(frozen=True)
class Written:
    """A run's folder with table and folds; settings say how it was split."""

    run: Folder
    table: MadeUp
    folds: pd.DataFrame
    settings: Folds


def write(table: MadeUp, folder: Path, settings: Folds) -> Written:
    run, images = Folder.at(folder), table.images
    label = images["label"].to_numpy()
    group = images["group"].astype("str")
    columns = {
        "path": pa.array(images["path"], pa.string()),
        "group": pa.array(group, pa.string()),
        "group_digest": group_digests(group),
        "label": label,
        "train_label": (label + 1) % table.task.num_classes,
    }
    if table.task.is_mask:
        columns["train_age"] = np.full(len(images), 30, np.int16)
    write_table(run, "table.parquet", pa.table(columns))
    write_table(run, "folds.parquet", draw_splits(table, settings))
    return Written(run, table, read_table(run, "folds.parquet"), settings)


@pytest.mark.parametrize("table", [twelve_people(), forty_patients()], ids=["mask", "skin"])
@pytest.mark.parametrize(
    ("settings", "per_repeat", "num_folds"),
    [
        (Folds(scheme="kfold", count=2), 2, 2),
        (Folds(scheme="kfold", count=2, repeats=3), 2, 6),
        (Folds(scheme="image", count=3, repeats=2), 3, 6),
        (Folds(scheme="holdout", share=0.5), 1, 1),
        (Folds(scheme="holdout", share=0.5, repeats=2), 1, 2),
        (Folds(scheme="all"), 1, 1),
    ],
)
def test_the_folds_rows_are_those_of_the_table_of_folds(
    table: MadeUp, tmp_path: Path, settings: Folds, per_repeat: int, num_folds: int
) -> None:
    there = write(table, tmp_path, settings)
    images, faults = table.images, {0, 5, 20}
    by_image = settings.scheme == "image"
    for number in range(num_folds):
        repeat, fold = divmod(number, per_repeat)
        mine = there.folds[there.folds["repeat"] == repeat]
        key, names = ("image", images["path"]) if by_image else ("group", images["group"])
        wanted = mine.set_index(key)["fold"].loc[names.astype("str")].to_numpy()
        assert fold_rows.read_fold_of_row(there.run, repeat).tolist() == wanted.tolist()
        rows = fold_rows.read_fold_rows(there.run, number, per_repeat, faults)
        sound = np.setdiff1d(np.arange(len(images)), list(faults))
        assert rows.held_out.tolist() == [r for r in sound if wanted[r] == fold]
        assert rows.train.tolist() == [r for r in sound if wanted[r] != fold]
        group = images["group"].cat.codes.to_numpy()
        both = set(group[rows.train]) & set(group[rows.held_out])
        assert bool(both) == by_image
        assert len(set(rows.group)) == len(table.groups)
        assert rows.labels.tolist() == images["label"].tolist()
        assert rows.train_labels.tolist() == ((rows.labels + 1) % table.task.num_classes).tolist()
        assert set(rows.train_ages) == ({30} if table.task.is_mask else {0})


def changed(there: Written, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    write_table(there.run, name, change(read_table(there.run, name)))


def read_both(there: Written) -> tuple[Callable[[], object], Callable[[], object]]:
    """What the driver reads to collect, and what a fold's worker reads."""
    return (
        lambda: fold_rows.read_fold_of_row(there.run, 0),
        lambda: fold_rows.read_fold_rows(there.run, 0, 2, set()),
    )


TWO_FOLDS = Folds(scheme="kfold", count=2)


@pytest.mark.parametrize("table", [twelve_people(), forty_patients()], ids=["mask", "skin"])
def test_an_image_whose_digest_is_of_a_group_of_the_other_side_is_noticed(
    table: MadeUp, tmp_path: Path
) -> None:
    there = write(table, tmp_path, TWO_FOLDS)
    fold_of = there.folds.set_index("group")["fold"]
    group = table.images["group"].astype("str")
    sides = fold_of.loc[group].to_numpy()
    other = int(np.flatnonzero(sides != sides[10])[-1])

    def with_group_of(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[10, "group"] = frame["group"][other]
        return frame

    # The column says one group, the digest another: row 10 goes with the other's fold.
    changed(there, "table.parquet", with_group_of)
    if (group == group[10]).sum() == 1:
        pytest.fail("row 10 needs a group of several images")
    for read in read_both(there):
        with pytest.raises(RuntimeError, match=r"group .* is on two sides: folds"):
            read()


@pytest.mark.parametrize("fold", ["the same", "another"])
def test_a_group_that_occurs_twice_is_refused(tmp_path: Path, fold: str) -> None:
    # Once in each repeat is right.
    there = write(twelve_people(), tmp_path, Folds(scheme="kfold", count=2, repeats=2))
    group = there.folds["group"][3]

    def twice(folds: pd.DataFrame) -> pd.DataFrame:
        more = folds.iloc[[3]].copy()
        more["fold"] = more["fold"] if fold == "the same" else 1 - more["fold"]
        return pd.concat([folds, more], ignore_index=True)

    changed(there, "folds.parquet", twice)
    for read in read_both(there):
        with pytest.raises(UserError, match=rf"{group} occurs twice in repeat 0; the file was"):
            read()
    assert len(fold_rows.read_fold_of_row(there.run, 1)) == 84


def test_a_group_without_a_fold_is_named(tmp_path: Path) -> None:
    there = write(twelve_people(), tmp_path, TWO_FOLDS)
    group = there.folds["group"][3]
    changed(there, "folds.parquet", lambda folds: folds.drop(index=3))
    for read in read_both(there):
        with pytest.raises(
            RuntimeError, match=rf"folds\.parquet: group {group} is missing \(row 21"
        ):
            read()
