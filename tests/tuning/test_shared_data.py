"""Data read once for many runs: what is read or checked again is what a run's settings change."""

from dataclasses import replace
from pathlib import Path

import pytest

from maskcls.config.resolve import resolve
from maskcls.config.schema import Config
from maskcls.core.errors import UserError
from maskcls.folds.splits import draw_splits
from maskcls.runs.inputs import read_inputs
from maskcls.runs.prepare import Prepared
from maskcls.store.folder import Folder
from maskcls.store.run import Network, Run
from maskcls.tuning import shared_data
from maskcls.tuning.shared_data import SharedData
from tests.runs.reading import read_data_set

NETWORK = Network(5, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), False, {})
OTHER = Network(6, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), False, {})


def config_of(*sets: str) -> Config:
    return resolve("smoke", sets=["folds.count=2", *sets])


@pytest.fixture(scope="module")
def prepared(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    cache, data = tmp_path_factory.mktemp("cache"), Folder.at(drawn)
    data_set, config = read_data_set(data, cache), config_of()
    folds = draw_splits(data_set.table, config.folds)
    inputs = read_inputs(config, data_set, folds, cache)
    whole = Run.at(str(cache / "study"))
    return Prepared(data, whole, config, data_set, folds, inputs, NETWORK, None, cache)


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """Settings for which a network was built to look at it, which takes seconds."""
    found: list[Config] = []

    class Preflight:
        def __init__(self, config: Config, _: object) -> None:
            found.append(config)

        def answer(self) -> tuple[Network, list[str]]:
            return OTHER, []

    monkeypatch.setattr(shared_data, "Preflight", Preflight)
    return found


def run_in(folder: Path, name: str = "run") -> Run:
    return Run.at(str(folder / name))


def test_of_equal_networks_everything_is_shared_and_nothing_written(
    prepared: Prepared, tmp_path: Path, asked: list[Config]
) -> None:
    config = config_of("optim.lr=0.5", "train.seed=7")
    run = run_in(tmp_path)
    found = SharedData(prepared).for_run(run, config)
    assert (found.config.optim.lr, found.config.train.seed) == (0.5, 7)
    assert found.run is run
    assert found.data_set is prepared.data_set
    assert found.inputs is prepared.inputs
    assert found.network is NETWORK
    assert asked == []
    assert list(tmp_path.iterdir()) == []


def test_each_other_network_is_looked_at_once(
    prepared: Prepared, tmp_path: Path, asked: list[Config]
) -> None:
    shared = SharedData(prepared)
    for name in ("a", "b"):
        found = shared.for_run(run_in(tmp_path, name), config_of("image.size=32x32"))
        assert found.network is OTHER
    assert len(asked) == 1
    # An age border is of the labels, but it changes the branches.
    shared.for_run(run_in(tmp_path), config_of("rows.age_border=58"))
    assert len(asked) == 2


def test_the_network_of_an_earlier_start_is_used(
    prepared: Prepared, tmp_path: Path, asked: list[Config]
) -> None:
    run = run_in(tmp_path)
    (tmp_path / "run").mkdir()
    run.write_network(OTHER)
    found = SharedData(prepared).for_run(run, config_of("image.size=32x32"))
    assert found.network == OTHER
    assert asked == []


def test_other_rows_are_read_again(prepared: Prepared, tmp_path: Path) -> None:
    found = SharedData(prepared).for_run(run_in(tmp_path), config_of("rows.age_border=58"))
    assert found.inputs is not prepared.inputs
    assert found.folds is prepared.folds


def test_an_augmentation_without_partners_is_refused(prepared: Prepared, tmp_path: Path) -> None:
    young = ("rows.drop_ages=60-120",)
    config = config_of(*young)
    inputs = read_inputs(config, prepared.data_set, prepared.folds, tmp_path)
    shared = SharedData(replace(prepared, config=config, inputs=inputs))
    assert shared.for_run(run_in(tmp_path), config_of(*young)).inputs is inputs
    mix = ("augment.name=flip+half_face", "augment.half_face.partner=old")
    with pytest.raises(UserError, match="half_face"):
        shared.for_run(run_in(tmp_path), config_of(*young, *mix))
