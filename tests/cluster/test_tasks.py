"""Predicting in a cluster: what a task asks for, and what one does far from the command's machine."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from maskcls.cluster import nodes, tasks
from maskcls.cluster.plan import Machine, Recorded, make_plan
from maskcls.cluster.tasks import Source, plan_predicting, task_options
from maskcls.config.resolve import resolve
from maskcls.config.schema import Cluster
from maskcls.config.values import Crop, Size
from maskcls.core.errors import StorageError
from maskcls.pixels import cache
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.geometry import Geometry
from maskcls.store.folder import Folder
from maskcls.store.record import Record
from maskcls.store.run import TABLE, Run
from maskcls.training.job import FoldJob, PredictJob, RangeTest
from tests.tasks import MASK

LAPTOP = Machine(2, 0, True, 2)
GEOMETRY = Geometry(Crop(None), Size(8, 8))
PATHS = pd.Series(["a.jpg", "b/c.jpg"])


class TestWhatATaskAsksFor:
    def test_the_threads_of_training_on_the_machine_at_hand(self) -> None:
        plan = plan_predicting(Cluster(), [1, 2], LAPTOP)
        assert plan.threads == (1, 2)
        options = [task_options(plan, fold) for fold in (0, 1)]
        assert [o["num_cpus"] for o in options] == [1.0, 2.0]
        assert [o["num_gpus"] for o in options] == [0, 0]
        reported = [o["runtime_env"]["env_vars"]["OMP_NUM_THREADS"] for o in options]
        assert reported == ["1", "2"]

    def test_no_more_cpus_than_the_largest_machine_has(self) -> None:
        # Three machines with 8 CPUs: 16 would be waited for without end.
        plan = plan_predicting(Cluster(), [16, 16], Machine(24, 0, False, node_cpus=8))
        assert plan.threads == (16, 16)
        assert task_options(plan, 1)["num_cpus"] == 8.0

    def test_a_gpu_machine_that_has_few_cpus_beside_a_large_head(self) -> None:
        machine = Machine(18, 1, False, node_cpus=16, cpus_per_gpu=2)
        options = task_options(plan_predicting(Cluster(), [16, 16], machine), 0)
        assert options["num_cpus"] <= 2
        assert options["num_gpus"] == 1.0

    def test_settings_of_training_together_do_not_matter(self) -> None:
        placing = Cluster(threads=4, workers_per_fold=3)
        assert plan_predicting(placing, [1, 2], LAPTOP).threads == (1, 2)
        assert task_options(plan_predicting(placing, [1, 2], LAPTOP), 1)["num_cpus"] == 2.0

    def test_further_resources(self) -> None:
        placing = Cluster(resources_per_worker={"fake_gpu": 1.0})
        plan = plan_predicting(placing, [1], Machine(3, 0, False, node_cpus=1))
        assert task_options(plan, 0)["resources"] == {"fake_gpu": 1.0}
        assert task_options(plan_predicting(Cluster(), [1], LAPTOP), 0)["resources"] == {}


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """This process is a task on a machine called far; what it decodes: place, folder, paths, node."""
    import ray

    made: list[tuple[Any, ...]] = []

    def ensure(
        place: CachePlace, images: Folder, paths: "pd.Series[str]", progress: Any, node: str
    ) -> None:
        made.append((place, images, list(paths), node))
        progress.say("decoding")
        file = cache.start_building(place)
        rows = iter([np.zeros(place.shape[1:], np.uint8)] * place.rows)
        cache.finish_building(place, [cache.fill_chunk(file, place, 0, rows)])

    context = SimpleNamespace(get_node_id=lambda: "far")
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    monkeypatch.setattr(ray, "get", lambda kept: kept)
    monkeypatch.setattr(nodes, "ensure_pixels", ensure)
    return made


@pytest.fixture
def source(tmp_path: Path) -> Source:
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.jpg").write_bytes(b"image")
    return Source(str(images), PATHS, "a.jpg", str(tmp_path / "own"))


@pytest.fixture
def job(tmp_path: Path) -> PredictJob:
    """An order of a machine that is not this one: its cache does not exist here."""
    Folder.at(tmp_path / "checkpoints").write_json("epoch-0001/state.json", {})
    place = CachePlace(tmp_path / "drivers", "key", len(PATHS), GEOMETRY)
    return PredictJob(str(tmp_path / "checkpoints"), "epoch-0001", place, "cpu", 1)


class TestFarFromTheCommand:
    def test_the_pixels_are_made_once_in_the_machines_own_cache(
        self, far: list[tuple[Any, ...]], source: Source, job: PredictJob, tmp_path: Path
    ) -> None:
        moved = [tasks._with_own_pixels(job, "home", [source], tasks._Signs()) for _ in range(2)]
        assert [m.pixels.root for m in moved] == [tmp_path / "own"] * 2
        assert moved[0].pixels.key == job.pixels.key
        assert far == [(moved[0].pixels, Folder.at(source.images), ["a.jpg", "b/c.jpg"], "far")]

    def test_at_home_nothing_is_made_and_nothing_fetched(
        self, far: list[tuple[Any, ...]], job: PredictJob
    ) -> None:
        assert tasks._with_own_pixels(job, "far", [], tasks._Signs()) is job
        assert far == []

    @pytest.mark.parametrize("lost", ["images/a.jpg", "checkpoints/epoch-0001/state.json"])
    def test_storage_it_does_not_reach_is_reported_in_a_sentence(
        self, far: list[tuple[Any, ...]], source: Source, job: PredictJob, tmp_path: Path, lost: str
    ) -> None:
        (tmp_path / lost).unlink()
        with pytest.raises(StorageError, match="not there on node") as caught:
            list(tasks._predict(job, "home", [source]))
        assert "RUN and IMAGES must be on storage" in str(caught.value)
        assert far == []

    def test_a_range_test_makes_its_pixels_too(
        self, far: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from maskcls.store.tables import write_table
        from maskcls.training import lr_range as training

        run, data = Folder.at(tmp_path / "run"), Folder.at(tmp_path / "data")
        Run(run).write_record(Record.new({}))
        write_table(run, TABLE, pd.DataFrame({"path": PATHS}))
        data.write_bytes("train/train.csv", b"")
        place = CachePlace(tmp_path / "drivers", "key", len(PATHS), GEOMETRY)
        config = resolve("smoke", sets=[f"cluster.cache_dir={tmp_path / 'own'}"])
        job = FoldJob(
            run.location, data.location, 0, config, place, None, "cpu", 1, task=MASK, home="home"
        )
        got: list[FoldJob] = []

        def range_test(job: FoldJob, low: float, high: float, updates: int) -> RangeTest:
            got.append(job)
            return RangeTest([low, high], [2.0, 1.0], [2.0, 1.0], low, high)

        monkeypatch.setattr(training, "range_test", range_test)
        assert tasks._test(job, 0.1, 0.5, 2).lowest == 0.5
        assert [j.pixels.root for j in got] == [tmp_path / "own"]
        assert [made[3] for made in far] == ["far"]
        (tmp_path / "data/train/train.csv").unlink()
        with pytest.raises(StorageError, match=r"DATA, RUN and rows\.extra must"):
            tasks._test(job, 0.1, 0.5, 2)


def test_a_machine_where_only_some_folds_fit_is_asked_about_the_storage() -> None:
    from maskcls.cluster.nodes import _fits

    plan = make_plan(Cluster(), 2, Machine(6, 0, False, 4), Recorded("cpu", (4, 2)))
    assert _fits({"Resources": {"CPU": 2.0}}, plan)
    assert not _fits({"Resources": {"CPU": 1.0}}, plan)
