"""Which worker a fold gets, without Ray; that the numbers are a new one's: end_to_end/test_study.py."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from maskcls.cluster import warm, worker
from maskcls.cluster.plan import Machine, Plan, make_plan
from maskcls.cluster.warm import WarmWorkers
from maskcls.config.resolve import resolve
from maskcls.config.schema import Cluster
from maskcls.config.values import Crop, Size
from maskcls.core.outcome import Outcome
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.geometry import Geometry
from maskcls.store.folder import Folder
from maskcls.training.job import FoldJob
from tests.tasks import MASK

PLAN = make_plan(Cluster(), 3, Machine(2, 0, True, 2))
Job = Callable[[int], FoldJob]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    pixels = CachePlace(tmp_path, "key", 1, Geometry(Crop(None), Size(8, 8)))

    def made(fold: int) -> FoldJob:
        here = str(tmp_path)
        return FoldJob(here, here, fold, resolve("smoke"), pixels, None, "cpu", 1, task=MASK)

    return made


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The keys of the workers that were begun; each worker is a new object."""
    keys: list[Any] = []

    def new_worker(key: Any) -> object:
        keys.append(key)
        return object()

    monkeypatch.setattr(warm, "_new_worker", new_worker)
    return keys


def fit_of(workers: WarmWorkers, job: FoldJob, plan: Plan = PLAN) -> Any:
    return workers.make_fit(job, plan, "run", Folder.at(job.run), True)


def test_a_worker_is_used_again_for_folds_of_the_same_threads_only(
    job: Job, begun: list[Any]
) -> None:
    assert PLAN.threads == (1, 1, 2)
    workers = WarmWorkers()
    first = fit_of(workers, job(0))
    actor = first._take()
    first._give_back(actor)
    assert fit_of(workers, job(2))._take() is not actor
    assert fit_of(workers, job(1))._take() is actor
    # It is at work now, so that another fold needs another one.
    assert fit_of(workers, job(0))._take() is not actor
    assert begun == [(1, ()), (2, ()), (1, ())]


def test_a_worker_holds_what_a_fold_asks_for_but_no_cpus(job: Job, begun: list[Any]) -> None:
    plan = replace(PLAN, device="cuda", gpus_per_worker=0.5, extra_resources={"big": 1.0})
    fit_of(WarmWorkers(), job(0), plan)._take()
    assert begun == [(1, (("GPU", 0.5), ("big", 1.0)))]


def test_an_attempt_that_was_stopped_before_it_began_takes_no_worker(
    job: Job, begun: list[Any]
) -> None:
    fit = fit_of(WarmWorkers(), job(0))
    fit.stop()
    with pytest.raises(RuntimeError, match="stopped before it began"):
        fit.fit()
    assert begun == []


def test_the_last_network_is_let_go_whatever_happens(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected: list[str] = []
    monkeypatch.setattr(warm.gc, "collect", lambda: collected.append("collected"))
    monkeypatch.setattr(worker, "train_alone", lambda _: Outcome("done"))
    assert warm._Worker().train(job(0)) == Outcome("done")

    def killed(_: FoldJob) -> Outcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(worker, "train_alone", killed)
    with pytest.raises(KeyboardInterrupt):
        warm._Worker().train(job(0))
    assert collected == ["collected"] * 2
