"""Settings that leave a fold nobody to train on, or its mix no partner, are refused before a run."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from maskcls.config.resolve import resolve
from maskcls.core.errors import UserError
from maskcls.folds.splits import draw_splits
from maskcls.runs.dataset import DataSet
from maskcls.runs.inputs import Inputs, read_inputs
from maskcls.store.folder import Folder
from maskcls.store.places import cache_root
from tests.commands.run_factory import logits_for, write_run
from tests.runs.reading import read_data_set

TWO = "folds.count=2"
OLD = ("augment.name=flip+half_face", "augment.half_face.partner=old")


@pytest.fixture(scope="module")
def data(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Twelve drawn people and 21 eval images."""
    return read_data_set(Folder.at(drawn), tmp_path_factory.mktemp("digests"))


def inputs_of(data: DataSet, *sets: str) -> Inputs:
    config = resolve("smoke", sets=sets)
    return read_inputs(config, data, draw_splits(data.table, config.folds), cache_root("auto"))


def refusal(data: DataSet, *sets: str) -> str:
    with pytest.raises(UserError) as raised:
        inputs_of(data, *sets)
    return str(raised.value)


def ages_of_groups(data: DataSet) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """The age of each person, in the table's order of groups."""
    ages = data.table.images.groupby("group", observed=False)["age"].first()
    return ages.loc[data.table.groups["group"]].to_numpy(np.int64)


def ages_of_side(data: DataSet, fold: int, lowest: int = 0) -> str:
    """Ages, from the lowest on, of the people on a fold's training side, as rows.drop_ages has them.

    Some of them are people's of the other side, too, but not all.
    """
    folds = draw_splits(data.table, resolve("smoke", sets=[TWO]).folds)["fold"].to_numpy()
    ages = ages_of_groups(data)[folds != fold]
    return ",".join(str(age) for age in sorted(set(ages.tolist())) if age >= lowest)


@pytest.mark.parametrize("fold", [0, 1])
def test_ages_that_leave_nobody_in_a_fold_are_refused(data: DataSet, fold: int) -> None:
    ages = ages_of_side(data, fold)
    assert refusal(data, TWO, f"rows.drop_ages={ages}") == (
        f"fold {fold}: rows.drop_ages={ages} leaves no training image; drop fewer."
    )
    inputs_of(data, TWO, f"rows.drop_ages={ages.rpartition(',')[0]}")


@pytest.mark.parametrize("fold", [0, 1])
def test_a_mix_with_the_old_where_nobody_is_old_is_refused(data: DataSet, fold: int) -> None:
    dropped = f"rows.drop_ages={ages_of_side(data, fold, 60)}"
    assert refusal(data, TWO, dropped, *OLD) == (
        f"fold {fold}: augment.half_face.partner=old: no training image is of the last age group (60 and"
        " over, or from rows.age_border); use all."
    )
    inputs_of(data, TWO, dropped, *OLD, "rows.age_border=31")
    inputs_of(data, TWO, dropped, OLD[0])
    inputs_of(data, TWO, *OLD)


def test_corrected_ages_are_what_counts(data: DataSet, tmp_path: Path) -> None:
    groups = data.table.groups["group"][ages_of_groups(data) >= 60]
    lines = [f"{group},,age,40" for group in groups]
    (tmp_path / "fix.csv").write_text("\n".join(["path,shot,field,value", *lines, ""]))
    mix = ("augment.name=mixup", "augment.mixup.partner=old")
    inputs_of(data, TWO, *mix)
    found = refusal(data, TWO, *mix, f"rows.corrections={tmp_path}/fix.csv")
    assert found.startswith("fold 0: augment.mixup.partner=old: no training image is of")


@pytest.mark.parametrize(
    "sets",
    [
        ("folds.scheme=image", TWO),
        ("folds.repeats=2", TWO),
        ("folds.scheme=holdout", "folds.share=.5"),
        ("folds.scheme=all",),
    ],
    ids=lambda sets: sets[0],
)
def test_every_kind_of_split_is_gone_through(data: DataSet, sets: tuple[str, ...]) -> None:
    inputs_of(data, *sets, *OLD)
    found = refusal(data, *sets, "rows.drop_ages=0-120")
    assert found == "fold 0: rows.drop_ages=0-120 leaves no training image; drop fewer."


def test_a_fold_of_a_later_repeat_is_reported_by_its_running_number(data: DataSet) -> None:
    sets = (TWO, "folds.repeats=2")
    splits = draw_splits(data.table, resolve("smoke", sets=sets).folds)
    trains = splits.loc[splits["repeat"] == 1, "fold"].to_numpy() != 1
    ages = sorted(set(ages_of_groups(data)[trains].tolist()))
    found = refusal(data, *sets, f"rows.drop_ages={','.join(map(str, ages))}")
    assert found.startswith("fold 3: ")  # fold 1 of repeat 1


def test_pseudo_labels_train_where_nobody_else_does(data: DataSet, tmp_path: Path) -> None:
    evals = data.table.eval_images
    assert evals is not None
    # Fold 0's teacher is sure of women of 30 to 59, fold 1's of old ones.
    logits = np.stack([logits_for([number] * len(evals), 20) for number in (4, 5)])
    write_run(
        tmp_path / "t", evals["image"].tolist(), logits, [TWO],
        draw_splits(data.table, resolve("smoke", sets=[TWO]).folds),
        fingerprint=str(data.describe("there")["eval_fingerprint"]),
    )  # fmt: skip
    labels = f"rows.pseudo_labels={tmp_path}/t"
    sets = (TWO, f"rows.drop_ages={ages_of_side(data, 0)}")
    assert refusal(data, *sets).startswith("fold 0: ")
    inputs_of(data, *sets, labels)
    assert refusal(data, *sets, labels, *OLD).startswith("fold 0: augment.half_face.partner=old")
    sets = (TWO, f"rows.drop_ages={ages_of_side(data, 1)}")
    inputs_of(data, *sets, labels)


def test_extra_people_train_where_nobody_else_does(
    data: DataSet, drawn: Path, tmp_path: Path
) -> None:
    shutil.copytree(drawn / "train", tmp_path / "more" / "train")
    for folder in list((tmp_path / "more" / "train" / "images").iterdir()):
        for image in folder.iterdir():  # other bytes, since equal ones may not train
            image.write_bytes(image.read_bytes() + b"x")
        folder.rename(folder.with_name(f"x{folder.name}"))
    file = tmp_path / "more" / "train" / "train.csv"
    head, *rows = file.read_text().splitlines()
    place = head.split(",").index("age")

    def moved(row: str) -> str:
        words = row.split(",")
        return ",".join([*words[:place], "61", *words[place + 1 : -1], f"x{words[-1]}"])

    file.write_text("\n".join([head, *map(moved, rows), ""]))
    sets = (TWO, "rows.drop_ages=0-60,62-120", *OLD)
    assert refusal(data, *sets).startswith("fold 0: ")
    inputs_of(data, *sets, f"rows.extra={tmp_path}/more")
    more = (TWO, "rows.drop_ages=0-120", f"rows.extra={tmp_path}/more")
    assert refusal(data, *more).startswith("fold 0: rows.drop_ages=0-120 leaves no training image")
