"""A trial's actor: which errors it tells as the trial's own, and which epoch is its last."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from maskcls.config.resolve import resolve, to_json
from maskcls.config.values import Crop, Size
from maskcls.core.errors import UserError
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.geometry import Geometry
from maskcls.store import run_files
from maskcls.store.paths import Folder
from maskcls.training.job import FoldJob

pytestmark = pytest.mark.slow  # importing Ray Tune takes seconds


def job_in(run: Path, *sets: str) -> FoldJob:
    place = CachePlace(run, "key", 1, Geometry(Crop(None), Size(8, 8)))
    config = to_json(resolve("smoke", sets=sets))
    return FoldJob(str(run), str(run), 0, config, place, None, "cpu", 1)


def write_history(run: Path, scores: list[float]) -> None:
    entries = [{"epoch": n, "macro_f1": score} for n, score in enumerate(scores, 1)]
    text = run_files.history_text(entries)
    run_files.fold_folder(Folder.at(run), 0).write_bytes("history.jsonl", text)


def test_the_last_epoch_is_the_trials_own(tmp_path: Path) -> None:
    from maskcls.cluster.worker import is_last

    job = job_in(tmp_path, "train.epochs=3")
    assert [is_last(job, epoch) for epoch in (1, 2, 3)] == [False, False, True]


def test_patience_ends_a_trial_too(tmp_path: Path) -> None:
    from maskcls.cluster.worker import is_last

    job = job_in(tmp_path, "train.epochs=9", "train.patience=2")
    scores = [0.1, 0.3, 0.3, 0.2]
    told = []
    for epoch in range(1, 5):
        write_history(tmp_path, scores[:epoch])
        told.append(is_last(job, epoch))
    assert told == [False, False, False, True]
    assert not is_last(job_in(tmp_path / "empty", "train.epochs=9", "train.patience=2"), 4)


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a trial reports to Tune; no Ray runs."""
    import ray

    from maskcls.cluster import nodes as fetch
    from maskcls.cluster import worker
    from maskcls.cluster import worker as trial_worker

    told: list[dict[str, Any]] = []
    monkeypatch.setattr(trial_worker, "_keep_memory", lambda: None)
    monkeypatch.setattr(trial_worker.tune, "report", told.append)
    monkeypatch.setattr(ray, "get", lambda job: job)
    monkeypatch.setattr(fetch, "require_here", lambda job: None)
    monkeypatch.setattr(fetch, "ensure_here", lambda job, watcher: None)
    monkeypatch.setattr(worker, "with_own_cache", lambda job: job)
    monkeypatch.setattr(
        worker, "Reporter", lambda job, attempt, rank, report: SimpleNamespace(
            tell=lambda phase: told.append({"phase": phase}), report=report,
        ),
    )  # fmt: skip
    return told


def train(job: FoldJob, monkeypatch: pytest.MonkeyPatch, run_fold: Callable[..., None]) -> None:
    from maskcls.cluster.worker import train_trial
    from maskcls.training import fold

    monkeypatch.setattr(fold, "run_fold", run_fold)
    train_trial({"number": 3, "job": [job]})


def test_it_tells_that_it_starts_and_which_epoch_is_the_last(
    tmp_path: Path, reports: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_fold(job: FoldJob, rank: Any, watcher: Any) -> None:
        for epoch in (1, 2):
            watcher.report({"epoch": epoch, "macro_f1": 0.5})

    train(job_in(tmp_path, "train.epochs=2"), monkeypatch, run_fold)
    assert reports[0] == {"phase": "starting"}
    assert [told["last"] for told in reports[1:]] == [False, True]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UserError("fold 0: no image can be decoded."), "fold 0: no image can be decoded."),
        (ValueError("loss is nan"), "ValueError: loss is nan"),
    ],
)
def test_errors_of_settings_and_training_are_told(
    tmp_path: Path,
    reports: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    told: str,
) -> None:
    def run_fold(*_: Any) -> None:
        raise error

    train(job_in(tmp_path), monkeypatch, run_fold)
    assert reports[1:] == [{"fault": told}]


def test_what_need_not_come_again_is_raised(
    tmp_path: Path, reports: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise UserError("the disk is full") from OSError(28, "No space left on device")

    with pytest.raises(UserError, match="the disk is full"):
        train(job_in(tmp_path), monkeypatch, full)
    assert reports[1:] == []


def test_a_machine_that_does_not_reach_the_run_is_no_fault_of_the_trial(
    tmp_path: Path, reports: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskcls.cluster import nodes as fetch

    def not_there(job: FoldJob) -> None:
        raise UserError("not there on machine far")

    monkeypatch.setattr(fetch, "require_here", not_there)
    with pytest.raises(UserError, match="not there on machine far"):
        train(job_in(tmp_path), monkeypatch, lambda *_: None)
    assert reports == []  # not a word: telling would make the run's folder there
