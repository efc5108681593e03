"""The first files of a run: written once, in an order that a kill cannot harm, and compared later."""

from dataclasses import replace
from pathlib import Path

import pytest

from maskcls.config.resolve import resolve
from maskcls.core.errors import UserError
from maskcls.folds.splits import draw_splits
from maskcls.runs.dataset import DataSet, read_data_set
from maskcls.runs.inputs import read_inputs
from maskcls.runs.prepare import Prepared, prepare, write_first_files
from maskcls.store.folder import Folder
from maskcls.store.run import FOLDS, Network, Run
from tests.conftest import Heard

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
        Folder.at(drawn), Run.at(str(run)), config, data_set, folds, inputs, NETWORK, run.parent
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


def test_other_settings_folds_and_weights_are_refused(
    tmp_path: Path, drawn: Path, data_set: DataSet
) -> None:
    prepared = prepared_for(tmp_path / "run", drawn, data_set)
    write_first_files(prepared)
    with pytest.raises(UserError, match=r"other settings .*train\.seed"):
        write_first_files(prepared_for(tmp_path / "run", drawn, data_set, "train.seed=7"))
    with pytest.raises(UserError, match="not the folds that these people"):
        write_first_files(replace(prepared, folds=prepared.folds.iloc[:-1]))
