"""What trains besides the table: corrected labels, an extra folder, pseudo-labels, and their notes."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from maskcls.config.resolve import resolve
from maskcls.config.schema import Config
from maskcls.core.errors import UserError
from maskcls.folds import rows as fold_rows
from maskcls.folds.splits import draw_splits
from maskcls.pixels.geometry import Geometry
from maskcls.runs.dataset import DataSet
from maskcls.runs.inputs import Inputs, read_inputs
from maskcls.runs.prepare import Prepared, write_first_files
from maskcls.runs.settings import with_absolute_paths
from maskcls.store.folder import Folder
from maskcls.store.lease import Lease
from maskcls.store.places import cache_root
from maskcls.store.run import Network, Run
from maskcls.store.tables import read_table
from tests.commands.run_factory import write_run
from tests.runs.reading import read_data_set
from tests.tasks import MASK, labels_of

TWO = ("folds.count=2",)


@pytest.fixture(scope="module")
def data(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Twelve drawn people and 21 eval images."""
    return read_data_set(Folder.at(drawn), tmp_path_factory.mktemp("digests"))


def config_of(*sets: str) -> Config:
    return resolve("smoke", sets=[*TWO, *sets])


def inputs_of(data: DataSet, *sets: str) -> Inputs:
    config = config_of(*sets)
    return read_inputs(config, data, draw_splits(data.table, config.folds), cache_root("auto"))


def first_person(data: DataSet) -> str:
    return str(data.table.groups["group"].iloc[0])


def prepared(data: DataSet, drawn: Path, run: Path, *sets: str) -> Folder:
    """A run's folder as the driver leaves it for the folds, before anything trains."""
    config = with_absolute_paths(config_of(*sets))
    folds = draw_splits(data.table, config.folds)
    inputs = read_inputs(config, data, folds, cache_root("auto"))
    network = Network(5, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), False, {})
    there = Run.at(str(run))
    ready = Prepared(
        Folder.at(drawn), there, config, data, folds, inputs, network, None, cache_root("auto")
    )
    with Lease(there.folder, "test"):
        write_first_files(ready)
    return there.folder


# ---- labels --------------------------------------------------------------------------------------


def test_without_settings_there_are_the_official_labels_and_nothing_more(data: DataSet) -> None:
    found = inputs_of(data)
    assert found.train.classes.tolist() == data.table.images["label"].tolist()
    assert (found.extra, found.extra_images, found.pseudo) == (None, None, None)
    assert (found.described, found.notes) == ({}, [])


def test_the_border_moves_labels_but_is_no_input(data: DataSet) -> None:
    ages = data.table.images["age"].to_numpy()
    border = int(ages[ages < 60].max())
    found = inputs_of(data, f"rows.age_border={border}")
    old = labels_of(found.train.classes)["age"] == 2
    assert old.tolist() == (ages >= border).tolist()
    assert found.described == {}


def write_corrections(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(("path,shot,field,value", *lines, "")))
    return path


def test_corrections_train_and_held_out_labels_stay_official(
    data: DataSet, drawn: Path, tmp_path: Path
) -> None:
    person = data.table.groups.iloc[0]
    other = ("male", "female")[1 - int(person["gender"])]
    file = write_corrections(tmp_path / "fix.csv", f"{person['group']},,gender,{other}")
    run = prepared(data, drawn, tmp_path / "run", f"rows.corrections={file}", "rows.age_border=50")
    table, images = read_table(run, "table.parquet"), data.table.images
    for name in ("path", "group", "shot"):
        assert table[name].tolist() == images[name].astype("str").tolist()
    for name in ("label", "age"):
        assert table[name].tolist() == images[name].tolist()
    mine = (images["group"] == person["group"]).to_numpy()
    trained = labels_of(table["train_label"])
    assert (trained["gender"][mine] == 1 - person["gender"]).all()
    assert trained["gender"][~mine].tolist() == labels_of(images["label"])["gender"][~mine].tolist()
    assert (trained["age"] == 2).tolist() == (images["age"] >= 50).tolist()
    for fold in range(2):
        rows = fold_rows.read_fold_rows(run, fold, 2, set())
        assert rows.labels.tolist() == images["label"].tolist()
        assert rows.train_labels.tolist() == table["train_label"].tolist()
        assert rows.train_ages.tolist() == images["age"].tolist()


def test_what_was_corrected_is_reported_and_part_of_the_runs_identity(
    data: DataSet, tmp_path: Path
) -> None:
    person = first_person(data)
    file = write_corrections(tmp_path / "fix.csv", f"{person},,age,33", "unknown,,age,33")
    found = inputs_of(data, f"rows.corrections={file}")
    assert found.notes == [
        "rows.corrections: 7 images train with another label; 1 of 2 rows are about people who are"
        " not in DATA"
    ]
    again = inputs_of(data, f"rows.corrections={file}")
    assert again.described == found.described
    write_corrections(file, f"{person},,age,34", "unknown,,age,33")
    assert inputs_of(data, f"rows.corrections={file}").described != found.described


def test_the_published_corrections_come_with_the_package(data: DataSet) -> None:
    found = inputs_of(data, "rows.corrections=published")
    assert list(found.described) == ["corrections"]
    assert " of 15 rows are about people who are not in DATA" in found.notes[0]


def test_faults_of_the_file_name_it(data: DataSet, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^rows\.corrections=.*no\.csv: there is no such file\.$"):
        inputs_of(data, f"rows.corrections={tmp_path}/no.csv")
    with pytest.raises(UserError, match="this is a folder"):
        inputs_of(data, f"rows.corrections={tmp_path}")
    file = write_corrections(tmp_path / "fix.csv", "x,,age,old")
    with pytest.raises(UserError, match=r"fix\.csv line 2: value 'old' is no age"):
        inputs_of(data, f"rows.corrections={file}")


# ---- an extra folder -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six other drawn people, of the same seed's people but under other names."""
    from maskcls.demo.dataset import write_demo_data

    folder = tmp_path_factory.mktemp("more")
    write_demo_data(folder, people=6, eval_people=1, seed=1, height=64, width=48, processes=1)
    rename(folder, "x")
    return folder


def rename(folder: Path, prefix: str) -> None:
    """Give the people of a data folder other names."""
    train = folder / "train"
    lines = (train / "train.csv").read_text().splitlines()
    for line in lines[1:]:
        name = line.rpartition(",")[2]
        (train / "images" / name).rename(train / "images" / f"{prefix}{name}")
    new = [",".join([*row[:-1], f"{prefix}{row[-1]}"]) for row in (x.split(",") for x in lines[1:])]
    (train / "train.csv").write_text("\n".join([lines[0], *new, ""]))


def test_extra_people_have_rows_of_their_own(data: DataSet, more: Path) -> None:
    found = inputs_of(data, f"rows.extra={more}", "rows.age_border=40")
    assert found.extra is not None
    assert found.extra_images is not None
    frame = found.extra.to_pandas()
    assert list(frame.columns) == ["path", "group", "train_label", "train_age"]
    assert len(frame) == 6 * 7
    assert frame["path"].tolist() == found.extra_images.paths.tolist()
    groups = labels_of(frame["train_label"])["age"]
    assert (groups == 2).tolist() == (frame["train_age"] >= 40).tolist()
    assert found.train.classes.shape == (84,)
    assert found.notes == ["rows.extra: 42 more images train in every fold"]
    assert list(found.described) == ["extra_fingerprint"]
    moved = inputs_of(data, f"rows.extra={more}", "rows.age_border=60")
    assert moved.described != found.described


def test_people_who_are_in_data_are_refused(data: DataSet, drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn, tmp_path / "copy")
    with pytest.raises(UserError) as raised:
        inputs_of(data, f"rows.extra={tmp_path}/copy")
    assert f"{first_person(data)} is in DATA, too (12 groups are)" in str(raised.value)
    assert "held out must not train" in str(raised.value)


def test_images_that_are_in_data_under_other_names_are_refused(
    data: DataSet, drawn: Path, more: Path, tmp_path: Path
) -> None:
    shutil.copytree(more, tmp_path / "copy")
    (extra, *_) = sorted((tmp_path / "copy/train/images").glob("*/normal.*"))
    (mine, *_) = sorted((drawn / "train/images").glob("*/normal.*"))
    shutil.copyfile(mine, extra)
    name = extra.relative_to(tmp_path / "copy/train/images")
    with pytest.raises(
        UserError, match=f"{name}: the same bytes as images of DATA; .* must not train"
    ):
        inputs_of(data, f"rows.extra={tmp_path}/copy")


def test_what_is_no_data_folder_is_refused(data: DataSet, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^rows\.extra: .*/nothing: no such folder; name the folder"
    ):
        inputs_of(data, f"rows.extra={tmp_path}/nothing")


# ---- pseudo-labels -------------------------------------------------------------------------------


def teacher_of(
    data: DataSet, folder: Path, order: Sequence[int] | None = None, **options: Any
) -> np.ndarray:
    """A finished run of the same folds; its logits [2, 21, 18], in the order of DATA's eval images."""
    evals = data.table.eval_images
    assert evals is not None
    ids = evals["image"].tolist()
    logits = np.random.default_rng(3).normal(0, 4, size=(2, len(ids), 18)).astype(np.float32)
    place = list(range(len(ids))) if order is None else list(order)
    turned = evals.iloc[place].reset_index(drop=True)
    assert data.eval_images is not None
    images = replace(data.eval_images, digests=data.eval_images.digests[place])
    theirs = DataSet(replace(data.table, eval_images=turned), data.train, images)
    given: dict[str, Any] = {
        "folds": draw_splits(data.table, config_of().folds),
        "sets": TWO,
        "fingerprint": theirs.describe("there")["eval_fingerprint"],
    } | options
    write_run(folder, [ids[i] for i in place], logits[:, place], **given)
    return logits


@pytest.mark.parametrize("turned", [False, True], ids=["same order", "other order"])
def test_each_fold_takes_its_own_teachers_sure_labels(
    data: DataSet, tmp_path: Path, turned: bool
) -> None:
    order = list(range(21))[::-1] if turned else None
    logits = teacher_of(data, tmp_path / "t", order)
    found = inputs_of(data, f"rows.pseudo_labels={tmp_path}/t", "rows.pseudo_confidence=.8").pseudo
    assert found is not None
    probs = softmax(logits.astype(np.float64), axis=2)
    for fold in range(2):
        mine = found[found["fold"] == fold].sort_values("row")
        sure = np.flatnonzero(probs[fold].max(axis=1) >= 0.8)
        assert 0 < len(sure) < 21
        assert mine["row"].tolist() == sure.tolist()
        assert mine["label"].tolist() == probs[fold][sure].argmax(axis=1).tolist()
        assert mine["probability"].to_numpy() == pytest.approx(probs[fold][sure].max(axis=1))
    assert len(found) == sum((probs.max(axis=2) >= 0.8).sum(axis=1))


def test_the_threshold_is_what_was_set(data: DataSet, tmp_path: Path) -> None:
    logits = teacher_of(data, tmp_path / "t")
    sure = softmax(logits.astype(np.float64), axis=2).max(axis=2)
    for confidence in (0.5, 0.95):
        sets = [f"rows.pseudo_labels={tmp_path}/t", f"rows.pseudo_confidence={confidence}"]
        found = inputs_of(data, *sets)
        assert found.pseudo is not None
        assert len(found.pseudo) == (sure >= confidence).sum()
        images = int((sure >= confidence).any(axis=0).sum())
        assert found.notes == [
            f"rows.pseudo_labels: {images} eval images have a label of probability {confidence:g} or"
            " more in some fold"
        ]
        assert "pseudo_labels" in found.described


def test_a_image_that_the_teacher_could_not_decode_has_no_label(
    data: DataSet, tmp_path: Path
) -> None:
    teacher_of(data, tmp_path / "t")
    for fold in range(2):
        path = tmp_path / "t" / f"fold-{fold}" / "eval_logits.parquet"
        frame = pd.read_parquet(path)
        frame[frame["row"] != 4].to_parquet(path)
    sets = [f"rows.pseudo_labels={tmp_path}/t", "rows.pseudo_confidence=.1"]
    found = inputs_of(data, *sets).pseudo
    assert found is not None
    assert set(found["row"]) == set(range(21)) - {4}


def test_no_fold_may_be_sure_enough(data: DataSet, tmp_path: Path) -> None:
    teacher_of(data, tmp_path / "t")
    sets = [f"rows.pseudo_labels={tmp_path}/t", "rows.pseudo_confidence=.9999999"]
    found = inputs_of(data, *sets).pseudo
    assert found is not None
    assert len(found) == 0


@pytest.mark.parametrize(
    "sets",
    [
        ("folds.seed=1",),
        ("folds.count=3",),
        ("folds.count=5", "folds.scheme=holdout"),
        ("folds.count=5", "folds.scheme=all"),
        ("folds.repeats=2",),
    ],
)
def test_a_teacher_of_other_folds_is_refused(
    data: DataSet, tmp_path: Path, sets: tuple[str, ...]
) -> None:
    teacher_of(data, tmp_path / "t")
    with pytest.raises(UserError, match="it has other folds, so its networks saw groups"):
        inputs_of(data, *sets, f"rows.pseudo_labels={tmp_path}/t")


def test_a_teacher_of_other_classes_is_refused(data: DataSet, tmp_path: Path) -> None:
    names = ("female", "male")  # in another order, and as many
    parts = tuple(replace(p, values=names) if p.name == "gender" else p for p in MASK.parts)
    teacher_of(data, tmp_path / "t", task=replace(MASK, parts=parts))
    with pytest.raises(UserError, match=r"class 0: worn, female, <30 there, worn, male, <30 now"):
        inputs_of(data, f"rows.pseudo_labels={tmp_path}/t")
    teacher_of(data, tmp_path / "same", task=replace(MASK, metric="accuracy"))
    inputs_of(data, f"rows.pseudo_labels={tmp_path}/same")


def test_a_teacher_of_other_people_is_refused(data: DataSet, tmp_path: Path) -> None:
    folds = draw_splits(data.table, config_of().folds)
    folds.loc[0, "group"] = "somebody else"
    teacher_of(data, tmp_path / "t", folds=folds)
    with pytest.raises(UserError, match="it has other folds"):
        inputs_of(data, f"rows.pseudo_labels={tmp_path}/t")


def test_a_teacher_of_other_eval_images_is_refused(data: DataSet, tmp_path: Path) -> None:
    ids = [f"{number}.jpg" for number in range(21)]
    folds = draw_splits(data.table, config_of().folds)
    write_run(tmp_path / "t", ids, np.zeros((2, 21, 18)), TWO, folds)
    with pytest.raises(UserError, match="it was made for other eval images"):
        inputs_of(data, f"rows.pseudo_labels={tmp_path}/t")


def test_a_teacher_of_other_eval_images_under_the_same_names_is_refused(
    data: DataSet, drawn: Path, tmp_path: Path
) -> None:
    teacher_of(data, tmp_path / "t")
    setting = f"rows.pseudo_labels={tmp_path}/t"
    shutil.copytree(drawn, tmp_path / "data")
    assert data.eval_images is not None
    first, second = (
        tmp_path / "data" / "eval" / "images" / data.eval_images.paths[row] for row in (0, 1)
    )
    shutil.copyfile(second, first)
    other = read_data_set(Folder.at(tmp_path / "data"), cache_root("auto"))
    with pytest.raises(UserError, match="other eval images under the same names; train that run"):
        inputs_of(other, setting)
    teacher_of(data, tmp_path / "t", fingerprint=None)
    with pytest.raises(UserError, match="other eval images under the same names"):
        inputs_of(data, setting)


def test_an_unfinished_teacher_is_refused(data: DataSet, tmp_path: Path) -> None:
    name = f"rows.pseudo_labels={tmp_path}/t"
    with pytest.raises(UserError, match="not a finished run with eval images"):
        inputs_of(data, name)
    teacher_of(data, tmp_path / "t", done=(0,))
    with pytest.raises(UserError, match="its fold 1 is not done; finish that run first"):
        inputs_of(data, name)


def test_without_eval_images_there_is_nothing_to_label(
    drawn: Path, data: DataSet, tmp_path: Path
) -> None:
    shutil.copytree(drawn / "train", tmp_path / "data" / "train")
    teacher_of(data, tmp_path / "t")
    without = read_data_set(Folder.at(tmp_path / "data"), cache_root("auto"))
    with pytest.raises(UserError, match="DATA has no eval images to label"):
        inputs_of(without, f"rows.pseudo_labels={tmp_path}/t")


# ---- what the folds make of it -------------------------------------------------------------------


def test_rows_are_numbered_table_then_extra_people_then_eval_images(
    data: DataSet, drawn: Path, more: Path, tmp_path: Path
) -> None:
    from maskcls.training.fold_data import read_fold_data
    from maskcls.training.job import FoldJob
    from tests.training.fold_factory import fill

    logits = teacher_of(data, tmp_path / "t")
    sets = [
        f"rows.extra={more}", f"rows.pseudo_labels={tmp_path}/t", "rows.pseudo_confidence=.8",
        "image.size=32x32",
    ]  # fmt: skip
    run = prepared(data, drawn, tmp_path / "run", *sets)
    config = resolve("smoke", sets=[*TWO, *sets])
    geometry = Geometry(config.image.crop, config.image.size)
    cache, images = tmp_path / "cache", data.table.images
    places = [
        fill(cache, geometry, count, seed, faults)
        for seed, (count, faults) in enumerate([(84, (3,)), (42, (1,)), (21, (0, 5))])
    ]
    sure = softmax(logits.astype(np.float64), axis=2)
    for fold in range(2):
        job = FoldJob(
            run.location,
            str(drawn),
            fold,
            config,
            places[0],
            places[2],
            "cpu",
            1,
            places[1],
            task=MASK,
        )
        found = read_fold_data(job)
        rows = fold_rows.read_fold_rows(run, fold, 2, {3})
        labelled, trained = found.labelled, found.training.rows
        assert [len(pixels) for pixels in found.sources] == [84, 42, 21]
        assert len(labelled.classes) == len(labelled.ages) == len(labelled.group) == 84 + 42 + 21
        # The table's rows.
        assert found.held_out.tolist() == rows.held_out.tolist()
        assert trained[trained < 84].tolist() == rows.train.tolist()
        assert labelled.classes[:84].tolist() == images["label"].tolist()
        # The extra folder's: in every fold, their people are not in the table.
        extra = read_table(run, "extra_table.parquet")
        assert trained[(trained >= 84) & (trained < 126)].tolist() == [
            84 + row for row in range(42) if row != 1
        ]
        assert labelled.classes[84:126].tolist() == extra["train_label"].tolist()
        assert labelled.ages[84:126].tolist() == extra["train_age"].tolist()
        assert pd.Series(labelled.group[84:126]).groupby(extra["group"]).nunique().eq(1).all()
        assert not set(labelled.group[84:126]) & set(labelled.group[:84])
        # The eval images': only those of which this fold's own teacher is sure.
        own = [row for row in np.flatnonzero(sure[fold].max(axis=1) >= 0.8) if row not in (0, 5)]
        assert trained[trained >= 126].tolist() == [126 + row for row in own]
        for row in own:
            assert labelled.classes[126 + row] == sure[fold][row].argmax()
        assert (labelled.group[126:] == -1).all()


def test_a_run_on_other_inputs_is_another_run(data: DataSet, drawn: Path, tmp_path: Path) -> None:
    file = write_corrections(tmp_path / "fix.csv", f"{first_person(data)},,age,33")
    setting = f"rows.corrections={file}"
    prepared(data, drawn, tmp_path / "run", setting)
    prepared(data, drawn, tmp_path / "run", setting)
    write_corrections(file, f"{first_person(data)},,age,34")
    with pytest.raises(UserError, match=r"this run was started on other data \(corrections: "):
        prepared(data, drawn, tmp_path / "run", setting)


# ---- paths in settings ---------------------------------------------------------------------------


def test_paths_in_settings_are_made_absolute_and_words_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    config = resolve(
        "smoke",
        sets=[
            "rows.corrections=fix.csv", "rows.extra=~/more", "rows.pseudo_labels=s3://bucket/run",
            "model.weights=w.safetensors", "head.name=separate", "head.separate.age_weights=age.st",
            "head.separate.mask_weights=hub",
        ],
    )  # fmt: skip
    found = with_absolute_paths(config)
    assert found.rows.corrections == str(tmp_path / "fix.csv")
    assert found.rows.extra == "/home/somebody/more"
    assert found.rows.pseudo_labels == "s3://bucket/run"
    assert found.model.weights == str(tmp_path / "w.safetensors")
    own = found.head.settings["separate"]
    assert own["age_weights"] == str(tmp_path / "age.st")
    assert (own["mask_weights"], own["gender_weights"]) == ("hub", "model")
    assert (own["age_backbone"], own["age_dropout"]) == ("model", -1.0)
    assert with_absolute_paths(found) == found


@pytest.mark.parametrize("sets", [(), ("rows.corrections=published", "model.weights=hub")])
def test_words_are_no_paths(sets: tuple[str, ...]) -> None:
    config = resolve("smoke", sets=sets)
    assert with_absolute_paths(config) == config
