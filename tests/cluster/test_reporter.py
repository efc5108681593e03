"""A worker's reports: who writes the heartbeat, what stops it, and what a fold learns by it."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from maskcls.cluster import reporter as reporting
from maskcls.cluster.reporter import GpuMeter, Reporter, tag_of
from maskcls.config.resolve import resolve
from maskcls.config.values import Crop, Size
from maskcls.core.errors import StorageError, Superseded
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.geometry import Geometry
from maskcls.store.attempt import Attempt
from maskcls.store.folder import Folder
from maskcls.store.heartbeat import Heartbeat
from maskcls.store.run import Fold, Run
from maskcls.training.job import FoldJob
from tests.record_factory import epochs
from tests.tasks import MASK


class Worker:
    """A fold's worker without Ray around it: what it would know of its place is made up."""

    def __init__(self, root: Path) -> None:
        self.fold: Fold = Run(Folder.at(root)).fold(0)
        self.attempt = Attempt.new(2)
        self.fold.write_attempt(self.attempt)
        place = CachePlace(root, "key", 1, Geometry(Crop(None), Size(8, 8)))
        config = resolve("smoke", sets=["cluster.workers_per_fold=2", "train.epochs=3"])
        job = FoldJob(str(root), str(root), 0, config, place, None, "cpu", 1, task=MASK)
        self.job = replace(job, attempt=self.attempt)
        self.reported: list[Any] = []

    def reporter(self, rank: int) -> Reporter:
        return Reporter(self.job, rank, self.reported.append)


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    import ray
    from ray.util import metrics

    context = SimpleNamespace(get_node_id=lambda: "node", get_worker_id=lambda: "worker")
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    monkeypatch.setattr(ray, "get_gpu_ids", lambda: [])
    gauge = SimpleNamespace(set_default_tags=lambda tags: None, set=lambda value: None)
    monkeypatch.setattr(metrics, "Gauge", lambda name, description, tag_keys: gauge)
    monkeypatch.setattr(reporting, "_EVERY_S", 0.0)
    return Worker(tmp_path)


def beat_of(worker: Worker) -> Heartbeat:
    found = worker.fold.heartbeat()
    assert found is not None
    return found


def test_the_first_worker_reports_each_step_with_its_attempts_token(worker: Worker) -> None:
    first = worker.reporter(rank=0)
    first.step_done(0, 1, 10, 32)
    beat = beat_of(worker)
    assert (beat.token, beat.attempt, beat.phase) == (worker.attempt.token, 2, "training")
    assert (beat.epoch, beat.step, beat.steps) == (1, 1, 10)
    first.step_done(0, 4, 10, 128)
    assert beat_of(worker).images_per_s
    assert beat_of(worker).left_s


def test_the_score_is_exported_with_the_name_of_its_metric(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.util import metrics

    exported: dict[str, tuple[tuple[str, ...], dict[str, str], list[float]]] = {}

    def gauge(name: str, description: str, tag_keys: tuple[str, ...]) -> Any:
        tags: dict[str, str] = {}
        exported[name] = (tag_keys, tags, [])
        return SimpleNamespace(set_default_tags=tags.update, set=exported[name][2].append)

    monkeypatch.setattr(metrics, "Gauge", gauge)
    first = worker.reporter(rank=0)
    for entry in epochs(0.25, None, 0.5):
        first.epoch_done(entry)
    keys, tags, values = exported["maskcls_score"]
    assert keys == ("run", "fold", "metric")
    assert (tags["fold"], tags["metric"], values) == ("0", "macro_f1", [0.25, 0.5])
    assert exported["maskcls_train_loss"][0] == ("run", "fold")


def test_another_worker_that_decodes_for_long_shows_that_it_lives(worker: Worker) -> None:
    second = worker.reporter(rank=1)
    second.decoded()
    assert beat_of(worker).phase == "starting"
    worker.fold.folder.delete("progress.json")
    second.step_done(0, 1, 10, 32)
    assert worker.fold.heartbeat() is None  # from then on the first one reports


def test_a_replaced_attempt_is_ended_before_its_heartbeat_is_written(worker: Worker) -> None:
    stale = worker.reporter(rank=0)
    worker.fold.write_attempt(Attempt.new(3))
    with pytest.raises(Superseded):
        stale.step_done(0, 1, 10, 32)
    assert worker.fold.heartbeat() is None


def test_a_request_to_stop_is_seen_with_the_next_heartbeat(worker: Worker) -> None:
    first = worker.reporter(rank=0)
    first.step_done(0, 1, 10, 32)
    assert not first.stop_requested()
    worker.fold.write_attempt(Attempt(worker.attempt.number, worker.attempt.token, stop=True))
    first.step_done(0, 2, 10, 64)
    assert first.stop_requested()


def test_storage_that_is_away_does_not_end_a_fold_that_trains(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = worker.reporter(rank=0)

    def away(self: Fold, heartbeat: Heartbeat) -> None:
        raise StorageError("the bucket is away")

    monkeypatch.setattr(Fold, "write_heartbeat", away)
    first.step_done(0, 1, 10, 32)
    assert not first.stop_requested()


def gpu(percentages: Iterator[float], monkeypatch: pytest.MonkeyPatch) -> GpuMeter:
    """A meter in a process whose torch reports these percentages of busy time."""
    torch = SimpleNamespace(cuda=SimpleNamespace(utilization=lambda: next(percentages)))
    monkeypatch.setitem(sys.modules, "torch", torch)  # type: ignore[arg-type]
    return GpuMeter("cuda")


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("/data/runs/first", "/data/runs/first"),
        ("s3://bucket/run, second=1", "s3://bucket/run, second=1"),
        ("/runs/모델", "/runs/%EB%AA%A8%EB%8D%B8"),
    ],
)
def test_a_tag_is_the_name_in_ascii(name: str, tag: str) -> None:
    assert tag_of(name) == tag
    assert tag_of(name).isascii()


def test_the_idle_share_is_the_mean_of_all_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = gpu(iter([100.0, 0.0, 50.0, 50.0]), monkeypatch)
    assert [meter.sample() for _ in range(4)] == [0.0, 0.5, 0.5, 0.5]


def test_without_a_gpu_or_torch_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert GpuMeter("cpu").sample() is None
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert GpuMeter("cuda").sample() is None


def test_a_gpu_that_cannot_be_sampled_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fail() -> Iterator[float]:
        asked.append(1)
        raise RuntimeError("NVML: not supported")
        yield 0.0

    meter = gpu(fail(), monkeypatch)
    assert [meter.sample(), meter.sample()] == [None, None]
    assert len(asked) == 1
