"""The queue of folds: which ends are transient, and that nothing which dies leaves it waiting."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from maskcls.cluster import fold_queue, supervisor, trainer
from maskcls.cluster.fold_queue import FoldQueue, QueueSettings, outcome_of_fit
from maskcls.cluster.plan import Machine, make_plan
from maskcls.cluster.worker import FoldError, is_lost_peer
from maskcls.config.resolve import resolve
from maskcls.config.schema import Cluster
from maskcls.config.values import Crop, Size
from maskcls.core.outcome import Outcome
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.geometry import Geometry
from maskcls.store.folder import Folder
from maskcls.store.run import Run
from maskcls.training.job import FoldJob
from tests.conftest import Heard
from tests.record_factory import heartbeat, result
from tests.tasks import MASK

Fit = Callable[[FoldJob], Outcome]


class Queue:
    """A queue of two folds whose fits are functions of this process; no Ray runs."""

    def __init__(
        self, root: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch, fit: Fit, retries: int = 3
    ) -> None:
        self.stopped = threading.Event()
        self.run, self.heard, self.avoided = Run(Folder.at(root)), heard, list[str | None]()
        place = CachePlace(root, "key", 1, Geometry(Crop(None), Size(8, 8)))
        config = resolve("smoke", sets=["folds.count=2"])
        jobs = [
            FoldJob(str(root), str(root), fold, config, place, None, "cpu", 1, task=MASK)
            for fold in range(2)
        ]

        def make_trainer(job: FoldJob, *words: Any) -> Any:
            self.avoided.append(words[-1])
            return SimpleNamespace(
                fit=lambda: SimpleNamespace(return_value=fit(job)), stop=self.stopped.set
            )

        monkeypatch.setattr(trainer, "make_trainer", make_trainer)
        monkeypatch.setattr(fold_queue, "_LOOK_EVERY_S", 0.01)
        monkeypatch.setattr(supervisor, "BACKOFF_S", 0.01)
        plan = make_plan(Cluster(), 2, Machine(2, 0, True))
        settings = QueueSettings("run", Folder.at(root / "ray"), True, retries, 60.0)
        self.queue = FoldQueue(jobs, plan, settings, heard, lambda: None)


def finish(job: FoldJob) -> Outcome:
    Run(Folder.at(job.run)).fold(job.fold).write_result(result(job.fold))
    return Outcome("done")


def test_each_attempt_has_a_token_of_its_own(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens: dict[int, list[str]] = {0: [], 1: []}

    def fit(job: FoldJob) -> Outcome:
        assert job.attempt is not None
        assert Run(Folder.at(job.run)).fold(job.fold).attempt() == job.attempt
        tokens[job.fold].append(job.attempt.token)
        first = len(tokens[0]) == 1 and job.fold == 0
        return Outcome("transient", "the node is gone") if first else finish(job)

    outcomes = Queue(tmp_path, heard, monkeypatch, fit).queue.run()
    assert {fold: outcome.kind for fold, outcome in outcomes.items()} == {0: "done", 1: "done"}
    assert (len(tokens[0]), len(tokens[1])) == (2, 1)
    assert len({*tokens[0], *tokens[1]}) == 3


def test_a_transient_failure_is_retried_and_then_given_up(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(job: FoldJob) -> Outcome:
        return finish(job) if job.fold else Outcome("transient", "storage is away")

    outcomes = Queue(tmp_path, heard, monkeypatch, fit, retries=2).queue.run()
    assert (outcomes[0].kind, outcomes[0].text) == ("transient", "storage is away")
    assert outcomes[1].kind == "done"
    assert [w for w in heard.warnings if "infrastructure failure" in w].__len__() == 2
    assert heard.states[0].phase == "failed"


@pytest.mark.parametrize("kind", ["error", "user_error"])
def test_what_would_come_again_is_not_retried(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    calls: list[int] = []

    def fit(job: FoldJob) -> Outcome:
        calls.append(job.fold)
        return finish(job) if job.fold else Outcome(kind, "the training loss became nan")

    outcomes = Queue(tmp_path, heard, monkeypatch, fit).queue.run()
    assert (outcomes[0].kind, outcomes[1].kind) == (kind, "done")
    assert sorted(calls) == [0, 1]


def test_a_thread_that_dies_of_anything_is_a_failed_fold(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(job: FoldJob) -> Outcome:
        if job.fold == 0:
            raise SystemExit  # not even an Exception
        return finish(job)

    def no_outcome(error: BaseException) -> Outcome:
        raise RuntimeError("also the sorting of errors fails")

    monkeypatch.setattr(fold_queue, "outcome_of_fit", no_outcome)
    monkeypatch.setattr(threading, "excepthook", lambda reported: None)
    outcomes = Queue(tmp_path, heard, monkeypatch, dies).queue.run()
    assert (outcomes[0].kind, outcomes[1].kind) == ("error", "done")


def test_an_interrupted_queue_asks_for_checkpoints_and_waits_for_them(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    both = threading.Barrier(2)

    def fit(job: FoldJob) -> Outcome:
        fold = Run(Folder.at(job.run)).fold(job.fold)
        assert job.attempt is not None
        fold.write_heartbeat(heartbeat(token=job.attempt.token))
        both.wait(10)
        for _ in range(1000):
            now = fold.attempt()
            if now is not None and now.stop:
                saved.append(job.fold)
                return Outcome("stopped")
            threading.Event().wait(0.01)
        return Outcome("error", "nobody asked")

    made = Queue(tmp_path, heard, monkeypatch, fit)

    def interrupt(states: Any) -> None:
        beats = [made.queue._supervisor.heartbeat(fold) for fold in range(2)]
        if all(beat is not None for beat in beats):
            raise KeyboardInterrupt

    monkeypatch.setattr(heard, "folds", interrupt)
    with pytest.raises(KeyboardInterrupt):
        made.queue.run()
    assert sorted(saved) == [0, 1]
    assert any("2 folds write a checkpoint first" in line for line in heard.lines)


def test_after_a_gpu_fault_another_node_is_asked_for(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[int] = []

    def fit(job: FoldJob) -> Outcome:
        fold = Run(Folder.at(job.run)).fold(job.fold)
        if job.fold == 0 and not failed:
            assert job.attempt is not None
            fold.write_heartbeat(heartbeat(token=job.attempt.token, node="of another worker"))
            threading.Event().wait(1.5)  # until the supervisor has looked
            failed.append(0)
            return Outcome("transient", "CUDA error", leave_node=True, node="bad")
        return finish(job)

    made = Queue(tmp_path, heard, monkeypatch, fit)
    assert made.queue.run()[0].kind == "done"
    assert made.avoided.count("bad") == 1


def test_an_attempt_that_finds_no_other_node_takes_any(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other node is gone meanwhile: Ray would wait for it for ever.
    attempts: list[int] = []

    def fit(job: FoldJob) -> Outcome:
        if job.fold == 1:
            return finish(job)
        attempts.append(len(attempts))
        if len(attempts) == 1:
            return Outcome("transient", "CUDA error", leave_node=True, node="bad")
        if len(attempts) == 2:
            made.stopped.wait(20)
            raise RuntimeError("the fit was stopped")
        return finish(job)

    made = Queue(tmp_path, heard, monkeypatch, fit)
    monkeypatch.setattr(fold_queue, "_OTHER_NODE_S", 0.2)
    monkeypatch.setattr(supervisor, "_WAITS_AFTER_S", 0.1)
    monkeypatch.setattr(fold_queue, "outcome_of_fit", lambda e: Outcome("transient", str(e)))
    assert made.queue.run()[0].kind == "done"
    assert made.avoided.count("bad") == 1
    assert len(attempts) == 3


def test_an_outcome_that_comes_while_the_thread_ends_is_not_missed() -> None:
    fit = fold_queue._Fit(1, threading.Thread(target=lambda: None))

    class Ends(threading.Thread):
        """Leaves the outcome between the two questions."""

        def is_alive(self) -> bool:
            fit.outcome = Outcome("done")
            return False

    fit.thread = Ends()
    assert fit.result() == Outcome("done")


class WorkersFailed(Exception):
    """As Ray Train raises it."""

    def __init__(self, *failures: BaseException) -> None:
        self.worker_failures = dict(enumerate(failures))


def test_an_error_of_ours_counts_unless_a_worker_was_lost() -> None:
    own = FoldError(Outcome("error", "loss is nan"))
    peer = FoldError(Outcome("transient", "PeerLost: connection closed"))
    died = RuntimeError("The actor died unexpectedly")
    assert outcome_of_fit(WorkersFailed(own, peer)).text == "loss is nan"
    assert outcome_of_fit(WorkersFailed(peer, peer)).kind == "transient"
    fault = FoldError(Outcome("transient", "CUDA error", leave_node=True, node="bad"))
    assert outcome_of_fit(WorkersFailed(peer, fault)).node == "bad"
    assert outcome_of_fit(WorkersFailed(peer, died)).kind == "transient"
    assert outcome_of_fit(WorkersFailed(died)).text == "The actor died unexpectedly"
    # A fault in the driver would come again.
    assert outcome_of_fit(TypeError("a bug")).kind == "error"


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[gloo] Connection closed by peer"), True),
        (RuntimeError("NCCL error: Duplicate GPU detected : rank 1 and rank 0"), False),
        (RuntimeError("NCCL error: ncclInvalidUsage: invalid usage"), False),
        (ValueError("Connection closed"), False),
    ],
)
def test_only_what_need_not_come_again_is_a_lost_peer(error: Exception, lost: bool) -> None:
    assert is_lost_peer(error) == lost
