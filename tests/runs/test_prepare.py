"""The first files of a run: written once, in an order that a kill cannot harm, and compared later."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from maskcls.commands.check import write_proposal
from maskcls.commands.train import pipeline
from maskcls.config.resolve import resolve
from maskcls.core.errors import UserError
from maskcls.folds.rows import read_fold_of_row
from maskcls.folds.splits import draw_splits
from maskcls.runs.dataset import DataSet
from maskcls.runs.inputs import read_inputs
from maskcls.runs.prepare import Prepared, prepare, write_first_files
from maskcls.store.folder import Folder
from maskcls.store.run import FOLDS, Network, Run
from maskcls.store.tables import read_table
from tests.conftest import Heard
from tests.runs.reading import read_data_set

NETWORK = Network(5, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), False, {})


@pytest.fixture(scope="module")
def data_set(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return read_data_set(Folder.at(drawn), tmp_path_factory.mktemp("digests"))


def prepared_for(run: Path, drawn: Path, data_set: DataSet, *sets: str) -> Prepared:
    """As `prepare` returns it, without the preflight's process."""
    config = resolve("smoke", sets=["folds.count=2", *sets])
    folds = draw_splits(data_set.table, config.folds)
    inputs = read_inputs(config, data_set, folds, run.parent)
    return Prepared(
        Folder.at(drawn),
        Run.at(str(run)),
        config,
        data_set,
        folds,
        inputs,
        NETWORK,
        None,
        run.parent,
    )


def test_another_folder_is_refused_before_the_data_is_read(tmp_path: Path, heard: Heard) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty and is not a run"):
        prepare(str(tmp_path / "no data"), str(tmp_path), resolve("smoke"), heard)


def test_the_same_start_again_finds_its_record(
    tmp_path: Path, drawn: Path, data_set: DataSet
) -> None:
    prepared = prepared_for(tmp_path / "run", drawn, data_set)
    first = write_first_files(prepared)
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    assert write_first_files(prepared).data == first.data
    assert {path: path.read_bytes() for path in before} == before


def test_after_a_kill_before_the_folds_all_are_written_again(
    tmp_path: Path, drawn: Path, data_set: DataSet
) -> None:
    prepared = prepared_for(tmp_path / "run", drawn, data_set)
    write_first_files(prepared)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    for name in (FOLDS, "table.parquet"):
        (tmp_path / "run" / name).unlink()
    write_first_files(prepared)
    assert {path.name for path in (tmp_path / "run").iterdir()} == names


def test_the_task_is_there_before_the_folder_is_a_run(
    tmp_path: Path, drawn: Path, data_set: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepared_for(tmp_path / "run", drawn, data_set)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "write_config", killed)
        with pytest.raises(KeyboardInterrupt):
            write_first_files(prepared)
    assert prepared.run.task == prepared.task
    write_first_files(prepared)
    assert prepared.run.is_prepared


def test_other_settings_folds_and_weights_are_refused(
    tmp_path: Path, drawn: Path, data_set: DataSet
) -> None:
    prepared = prepared_for(tmp_path / "run", drawn, data_set)
    write_first_files(prepared)
    with pytest.raises(UserError, match=r"other settings .*train\.seed"):
        write_first_files(prepared_for(tmp_path / "run", drawn, data_set, "train.seed=7"))
    with pytest.raises(UserError, match="not the folds that these groups"):
        write_first_files(replace(prepared, folds=prepared.folds.iloc[:-1]))


# ---- any task ------------------------------------------------------------------------------------


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Folders of classes, the fifth dog with the bytes of the first cat; one image to predict."""
    names = [f"train/{kind}/{n}.png" for kind in ("cat", "dog") for n in range(5)]
    for number, name in enumerate([*names, "test/new.png"]):
        (tmp_path / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), (number, 0, 0)).save(tmp_path / "pets" / name)
    train = tmp_path / "pets/train"
    (train / "dog/4.png").write_bytes((train / "cat/0.png").read_bytes())
    return tmp_path / "pets"


@pytest.mark.slow  # the preflight imports torch once more
def test_folders_of_classes_become_a_run(pets: Path, tmp_path: Path, heard: Heard) -> None:
    sets = ["folds.count=3", "model.backbone=test_resnet", "image.size=32x32"]
    prepared = prepare(str(pets), str(tmp_path / "run"), resolve("smoke", sets=sets), heard)
    assert not (tmp_path / "run").exists()  # nothing is written yet
    assert heard.lines[0].startswith(f"{pets}: ")
    assert heard.warnings == [
        "same bytes: 2 images in 1 set; 1 group joined others, so that each set is in one fold",
        "same bytes, different labels: cat/0.png (cat), dog/4.png (dog)",
    ]
    write_first_files(prepared)
    run = Run.at(str(tmp_path / "run"))
    assert run.task.classes == ("cat", "dog")
    # Decided by the data, and written so: the same command resumes although it says auto.
    assert (run.config.folds.scheme, run.config.folds.count) == ("kfold", 3)
    write_first_files(prepare(str(pets), str(tmp_path / "run"), resolve("smoke", sets=sets), heard))
    table = read_table(run.folder, "table.parquet")
    assert list(table.columns) == ["path", "group", "group_digest", "label", "train_label"]
    names = [f"{kind}/{n}.png" for kind in ("cat", "dog") for n in range(5)]
    assert table["path"].tolist() == names
    assert table["group"].tolist() == names
    assert table["label"].tolist() == [0] * 5 + [1] * 5
    folds = read_table(run.folder, FOLDS)
    assert list(folds.columns) == ["group", "repeat", "fold"]
    assert folds["group"].tolist() == names
    fold_of = folds.set_index("group")["fold"]
    assert fold_of["cat/0.png"] == fold_of["dog/4.png"]
    assert read_table(run.folder, "eval_table.parquet")["image"].tolist() == ["new.png"]


@pytest.mark.slow
def test_a_run_that_was_started_for_another_task_is_refused(
    pets: Path, tmp_path: Path, heard: Heard
) -> None:
    run, config = str(tmp_path / "run"), resolve("smoke", sets=["model.backbone=test_resnet"])
    write_first_files(prepare(str(pets), run, config, heard))
    write_proposal(str(pets))
    file = pets / "task.toml"
    file.write_text(file.read_text().replace('"macro_f1"', '"accuracy"'))
    with pytest.raises(UserError, match=r"another task \(metric: macro_f1 there, accuracy now"):
        write_first_files(prepare(str(pets), run, config, heard))


def test_what_does_not_fit_the_task_is_refused_before_anything_is_written(
    pets: Path, tmp_path: Path, heard: Heard
) -> None:
    with pytest.raises(UserError, match=r"rows\.drop_ages: belongs to the task mask"):
        prepare(
            str(pets), str(tmp_path / "run"), resolve("smoke", sets=["rows.drop_ages=27"]), heard
        )
    assert not (tmp_path / "run").exists()


def test_a_job_that_could_not_answer_is_refused_before_it_trains(
    pets: Path, tmp_path: Path, heard: Heard
) -> None:
    run, config = str(tmp_path / "run"), resolve("smoke")
    with pytest.raises(UserError, match="--by-group: the images to predict have no groups"):
        pipeline(str(pets), run, str(tmp_path / "a.csv"), config, heard, by_group=True)
    write_proposal(str(pets))
    assert "[eval]" in (pets / "task.toml").read_text()
    (pets / "test/new.png").rename(pets / "test/new.txt")
    with pytest.raises(
        UserError, match=r"^test: no image to predict in it, so .* nothing to submit"
    ):
        pipeline(str(pets), run, str(tmp_path / "a.csv"), config, heard)
    assert not (tmp_path / "run").exists()


def test_a_wrong_code_of_a_group_is_found_by_the_digest_of_the_row(
    pets: Path, tmp_path: Path
) -> None:
    rows = [f"{kind}/{n}.png,{kind},g{n}" for kind in ("cat", "dog") for n in range(5)]
    (pets / "train.csv").write_text("\n".join(["image,label,group", *rows, ""]))
    found = read_data_set(Folder.at(pets), tmp_path)
    good = prepared_for(tmp_path / "good", pets, found)
    write_first_files(good)
    fold = read_fold_of_row(good.run.folder, 0)
    assert fold[:5].tolist() == fold[5:].tolist()
    # As a bug would have it: the first image counts for a group that is held out by the other fold.
    codes = found.table.images["group"].cat.codes.to_numpy().copy()
    codes[0] = codes[fold != fold[0]][0]
    column = pd.Categorical.from_codes(codes, dtype=found.table.images["group"].dtype)
    wrong = replace(found.table, images=found.table.images.assign(group=column))
    bad = prepared_for(tmp_path / "bad", pets, replace(found, table=wrong))
    write_first_files(replace(bad, folds=good.folds))
    with pytest.raises(RuntimeError):
        read_fold_of_row(bad.run.folder, 0)
