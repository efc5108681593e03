"""The split that goes into the run's folder, and the rows that the folds read from it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from maskcls.config.schema import Folds
from maskcls.core.errors import UserError
from maskcls.data.table import Table, read_data
from maskcls.folds import rows as fold_rows
from maskcls.folds.assign import assign_folds, assign_holdout
from maskcls.folds.splits import draw_splits
from maskcls.store.folder import Folder
from maskcls.store.tables import read_table, write_table


@pytest.fixture(scope="module")
def table(drawn: Path) -> Table:
    """Twelve drawn people of all genders and age groups, seven images each."""
    return read_data(Folder.at(drawn))


@pytest.mark.parametrize("scheme", ["kfold", "holdout", "image"])
def test_repeat_0_is_the_run_without_repeats_and_each_has_its_own_seed(
    table: Table, scheme: str
) -> None:
    settings = Folds(scheme=scheme, count=2, share=0.5, repeats=3, seed=4)  # type: ignore[arg-type]
    found = draw_splits(table, settings)
    for repeat in range(3):
        alone = Folds(scheme=scheme, count=2, share=0.5, seed=4 + repeat)  # type: ignore[arg-type]
        mine = found[found["repeat"] == repeat].reset_index(drop=True)
        expected = draw_splits(table, alone)
        assert expected["repeat"].eq(0).all()
        pd.testing.assert_frame_equal(
            mine.drop(columns="repeat"), expected.drop(columns="repeat"), check_dtype=True
        )
    splits = found.groupby("repeat")["fold"].apply(tuple)
    assert len(set(splits)) == 3


def test_kfold_is_as_it_was_before_there_were_repeats(table: Table) -> None:
    found = draw_splits(table, Folds(count=2, seed=5))
    assert list(found.columns) == ["person", "gender", "age_group", "repeat", "fold"]
    assert found["person"].tolist() == table.people["person"].tolist()
    assert found["fold"].tolist() == assign_folds(table.people, 2, 5).tolist()


def test_holdout_and_all(table: Table) -> None:
    found = draw_splits(table, Folds(scheme="holdout", share=0.25, seed=5))
    assert found["fold"].tolist() == assign_holdout(table.people, 0.25, 5).tolist()
    assert (found["fold"] == 0).sum() == 3
    none = draw_splits(table, Folds(scheme="all"))
    assert none["fold"].eq(-1).all()
    assert len(none) == 12


def test_image_folds_are_of_images_and_stratified_on_the_class(table: Table) -> None:
    found = draw_splits(table, Folds(scheme="image", count=2))
    assert list(found.columns) == ["path", "person", "repeat", "fold"]
    assert found["path"].tolist() == table.images["path"].tolist()
    sizes = pd.crosstab(table.images["label"].to_numpy(), found["fold"].to_numpy())
    assert (sizes[0] - sizes[1]).abs().max() <= 1
    # That is what it is for: people on both sides.
    assert found.groupby("person")["fold"].nunique().max() == 2


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_a_holdout_with_an_empty_side_is_refused(table: Table, share: float) -> None:
    with pytest.raises(UserError, match=rf"^folds\.share={share}: of 12 people it holds out \d+;"):
        draw_splits(table, Folds(scheme="holdout", share=share))


def test_more_folds_than_people_of_the_largest_group_are_refused(table: Table) -> None:
    with pytest.raises(UserError, match=r"^folds\.count=12: "):
        draw_splits(table, Folds(count=12))


# ---- what the folds read -------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """A run's folder with table and folds; settings say how it was split."""

    run: Folder
    table: Table
    folds: pd.DataFrame
    per_repeat: int
    num_folds: int


def write(table: Table, folder: Path, settings: Folds) -> Written:
    run, images = Folder.at(folder), table.images
    label = images["label"].to_numpy()
    write_table(
        run,
        "table.parquet",
        pa.table(
            {
                "path": pa.array(images["path"], pa.string()),
                "person": pa.array(images["person"].astype("str"), pa.string()),
                "label": label,
                "train_label": (label + 1) % 18,
                "train_age": images["age"].to_numpy(),
            }
        ),
    )
    write_table(run, "folds.parquet", draw_splits(table, settings))
    return Written(
        run,
        table,
        read_table(run, "folds.parquet"),
        settings.per_repeat,
        settings.total,
    )


@pytest.mark.parametrize(
    ("settings", "per_repeat", "num_folds"),
    [
        (Folds(count=2), 2, 2),
        (Folds(count=2, repeats=3), 2, 6),
        (Folds(scheme="image", count=3, repeats=2), 3, 6),
        (Folds(scheme="holdout", share=0.5), 1, 1),
        (Folds(scheme="holdout", share=0.5, repeats=2), 1, 2),
        (Folds(scheme="all"), 1, 1),
    ],
)
def test_the_folds_rows_are_those_of_the_table_of_folds(
    table: Table, tmp_path: Path, settings: Folds, per_repeat: int, num_folds: int
) -> None:
    there = write(table, tmp_path, settings)
    assert (there.per_repeat, there.num_folds) == (per_repeat, num_folds)
    faults = {0, 5, 20}
    for number in range(num_folds):
        repeat, fold = divmod(number, per_repeat)
        mine = there.folds[there.folds["repeat"] == repeat]
        key = "path" if settings.scheme == "image" else "person"
        wanted = mine.set_index(key)["fold"].loc[table.images[key].astype("str")].to_numpy()
        assert fold_rows.read_fold_of_row(there.run, repeat).tolist() == wanted.tolist()
        rows = fold_rows.read_fold_rows(there.run, number, per_repeat, faults)
        sound = np.setdiff1d(np.arange(84), list(faults))
        assert rows.held_out.tolist() == [r for r in sound if wanted[r] == fold]
        assert rows.train.tolist() == [r for r in sound if wanted[r] != fold]
        person = table.images["person"].cat.codes.to_numpy()
        both = set(person[rows.train]) & set(person[rows.held_out])
        assert bool(both) == (settings.scheme == "image")
        assert len(set(rows.person)) == 12
        assert rows.labels.tolist() == table.images["label"].tolist()
        assert rows.train_labels.tolist() == ((rows.labels + 1) % 18).tolist()


def changed(there: Written, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    write_table(there.run, name, change(read_table(there.run, name)))


def read_both(there: Written) -> tuple[Callable[[], object], Callable[[], object]]:
    """What the driver reads to collect, and what a fold's worker reads."""
    return (
        lambda: fold_rows.read_fold_of_row(there.run, 0),
        lambda: fold_rows.read_fold_rows(there.run, 0, there.per_repeat, set()),
    )


def with_person_of(table: pd.DataFrame, row: int, other: int) -> pd.DataFrame:
    table.loc[row, "person"] = table["person"][other]
    return table


def test_an_image_in_the_folder_of_a_person_of_the_other_side_is_noticed(
    table: Table, tmp_path: Path
) -> None:
    there = write(table, tmp_path, Folds(count=2))
    fold_of = there.folds.set_index("person")["fold"]
    person = table.images["person"].astype("str")
    sides = fold_of.loc[person].to_numpy()
    other = int(np.flatnonzero(sides != sides[10])[-1])
    # The column says one person, the path another: row 10 goes with the other's fold.
    changed(there, "table.parquet", lambda frame: with_person_of(frame, 10, other))
    for read in read_both(there):
        with pytest.raises(RuntimeError, match=rf"person {person[10]} is on two sides: folds"):
            read()


@pytest.mark.parametrize("fold", ["the same", "another"])
def test_a_person_who_occurs_twice_is_refused(table: Table, tmp_path: Path, fold: str) -> None:
    there = write(table, tmp_path, Folds(count=2, repeats=2))  # once in each repeat is right
    person = there.folds["person"][3]

    def twice(folds: pd.DataFrame) -> pd.DataFrame:
        more = folds.iloc[[3]].copy()
        more["fold"] = more["fold"] if fold == "the same" else 1 - more["fold"]
        return pd.concat([folds, more], ignore_index=True)

    changed(there, "folds.parquet", twice)
    for read in read_both(there):
        with pytest.raises(UserError, match=rf"{person} occurs twice in repeat 0; the file was"):
            read()
    assert len(fold_rows.read_fold_of_row(there.run, 1)) == 84


def test_a_person_without_a_fold_is_named(table: Table, tmp_path: Path) -> None:
    there = write(table, tmp_path, Folds(count=2))
    person = there.folds["person"][3]
    changed(there, "folds.parquet", lambda folds: folds.drop(index=3))
    for read in read_both(there):
        with pytest.raises(RuntimeError, match=rf"folds\.parquet: person {person} is missing"):
            read()


def test_a_folder_may_be_spelled_in_other_letters_than_its_person(
    table: Table, tmp_path: Path
) -> None:
    there = write(table, tmp_path, Folds(count=2))
    wanted = fold_rows.read_fold_of_row(there.run, 0)
    first = there.folds["person"][0]

    def renamed(frame: pd.DataFrame) -> pd.DataFrame:
        mine = frame["person"] == first
        frame.loc[mine, "person"] = normalize("NFC", "가나")
        if "path" in frame:
            paths = frame.loc[mine, "path"].str.replace(first, normalize("NFD", "가나"))
            frame.loc[mine, "path"] = paths
        return frame

    changed(there, "table.parquet", renamed)
    changed(there, "folds.parquet", renamed)
    assert fold_rows.read_fold_of_row(there.run, 0).tolist() == wanted.tolist()
