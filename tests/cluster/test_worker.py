"""What a worker on Ray returns: the kind of its end, and which epoch of a trial is its last."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from maskcls.config.resolve import resolve
from maskcls.config.values import Crop, Size
from maskcls.core.errors import StorageError, UserError
from maskcls.core.outcome import Outcome
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.geometry import Geometry
from maskcls.store.folder import Folder
from maskcls.store.run import Run
from maskcls.training.job import FoldJob
from tests.record_factory import epochs
from tests.tasks import MASK

pytestmark = pytest.mark.slow  # importing Ray Train and Tune takes seconds


def job_in(run: Path, *sets: str) -> FoldJob:
    place = CachePlace(run, "key", 1, Geometry(Crop(None), Size(8, 8)))
    return FoldJob(
        str(run), str(run), 0, resolve("smoke", sets=sets), place, None, "cpu", 1, task=MASK
    )


class Reports:
    """What a worker reports to Ray and as heartbeats; no Ray runs."""

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []
        self.phases: list[str] = []
        self.report: Callable[[Any], object] = lambda entry: None


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Reports:
    import ray
    import ray.train
    from ray import tune

    from maskcls.cluster import nodes, worker

    made = Reports()

    def reporter(job: FoldJob, rank: int, report: Callable[[Any], object]) -> Any:
        made.report = report
        return SimpleNamespace(beat=made.phases.append)

    monkeypatch.setattr(worker, "_keep_memory", lambda: None)
    monkeypatch.setattr(tune, "report", made.shown.append)
    monkeypatch.setattr(ray.train, "report", made.shown.append)
    context = SimpleNamespace(get_world_size=lambda: 1, get_world_rank=lambda: 0)
    monkeypatch.setattr(ray.train, "get_context", lambda: context)
    monkeypatch.setattr(ray, "get", lambda job: job)
    monkeypatch.setattr(nodes, "require_here", lambda job: None)
    monkeypatch.setattr(nodes, "ensure_here", lambda job, reporter: None)
    monkeypatch.setattr(worker, "with_own_cache", lambda job: job)
    monkeypatch.setattr(worker, "Reporter", reporter)
    return made


def train(
    job: FoldJob, monkeypatch: pytest.MonkeyPatch, run_fold: Callable[..., None], kind: str
) -> Outcome | None:
    from maskcls.cluster.worker import train_fold, train_trial
    from maskcls.training import fold

    monkeypatch.setattr(fold, "run_fold", run_fold)
    if kind == "fold":
        return train_fold({"job": job})
    train_trial({"number": 3, "job": [job]})
    return None


def ended(reports: Reports, returned: Outcome | None) -> Outcome:
    return returned or Outcome(**reports.shown[-1]["outcome"])


@pytest.mark.parametrize(
    ("sets", "scores", "last"),
    [
        (["train.epochs=3"], [0.1, 0.2, 0.3], [False, False, True]),
        (["train.epochs=9", "train.patience=2"], [0.1, 0.3, 0.3, 0.2], [False] * 3 + [True]),
        (["train.epochs=2"], [None, None], [False, True]),
    ],
)
def test_a_trial_says_which_epoch_is_its_last(
    tmp_path: Path,
    reports: Reports,
    monkeypatch: pytest.MonkeyPatch,
    sets: list[str],
    scores: list[float | None],
    last: list[bool],
) -> None:
    job = job_in(tmp_path, *sets)

    def run_fold(*_: Any) -> None:
        history = epochs(*scores)
        for done in range(1, len(history) + 1):
            Run(Folder.at(tmp_path)).fold(0).write_history(history[:done])
            reports.report(history[done - 1])

    train(job, monkeypatch, run_fold, "trial")
    assert reports.phases == ["starting"]
    assert [reported["last"] for reported in reports.shown[:-1]] == last
    # ASHA cannot compare what is None.
    assert [reported.get("score") for reported in reports.shown[:-1]] == list(scores)
    assert all(None not in reported.values() for reported in reports.shown)
    assert ended(reports, None) == Outcome("done")


@pytest.mark.parametrize("kind", ["fold", "trial"])
@pytest.mark.parametrize(
    ("error", "wanted", "text"),
    [
        (UserError("fold 0: no image can be decoded."), "user_error", "fold 0: no image"),
        (ValueError("loss is nan"), "error", "ValueError: loss is nan"),
        (StorageError("run: the disk is full."), "transient", "run: the disk is full."),
        (OSError(5, "Input/output error"), "transient", "OSError: "),
        (MemoryError("of the node"), "transient", "MemoryError: of the node"),
    ],
)
def test_the_kind_of_an_end_follows_from_the_type_of_its_error(
    tmp_path: Path,
    reports: Reports,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    error: Exception,
    wanted: str,
    text: str,
) -> None:
    def run_fold(*_: Any) -> None:
        raise error

    outcome = ended(reports, train(job_in(tmp_path), monkeypatch, run_fold, kind))
    assert outcome.kind == wanted
    assert outcome.text.startswith(text)
    assert outcome.by_input == isinstance(error, UserError)


@pytest.mark.parametrize("kind", ["fold", "trial"])
def test_a_node_that_does_not_reach_the_run_is_an_infrastructure_failure(
    tmp_path: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from maskcls.cluster import nodes

    def not_there(job: FoldJob) -> None:
        nodes.require_files([(Folder.at(tmp_path / "nowhere"), "config.json")], "RUN")

    monkeypatch.setattr(nodes, "require_here", not_there)
    outcome = ended(reports, train(job_in(tmp_path), monkeypatch, lambda *_: None, kind))
    assert (outcome.kind, "not there on node" in outcome.text) == ("transient", True)
    assert reports.phases == []  # a heartbeat would make the run's folder there


def test_with_several_workers_an_error_is_raised_to_end_the_others(
    tmp_path: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray.train

    from maskcls.cluster.worker import FoldError
    from maskcls.training import rank

    context = SimpleNamespace(get_world_size=lambda: 2, get_world_rank=lambda: 1)
    monkeypatch.setattr(ray.train, "get_context", lambda: context)
    monkeypatch.setattr(rank, "Distributed", lambda: None)

    def lost(*_: Any) -> None:
        raise RuntimeError("[gloo] Connection closed by peer [127.0.0.1]")

    with pytest.raises(FoldError) as caught:
        train(job_in(tmp_path), monkeypatch, lost, "fold")
    assert caught.value.outcome.kind == "transient"

    def diverged(*_: Any) -> None:
        raise ValueError("loss is nan")

    with pytest.raises(FoldError) as caught:
        train(job_in(tmp_path), monkeypatch, diverged, "fold")
    assert caught.value.outcome.kind == "error"
