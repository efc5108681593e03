"""The queue of folds: one Ray Train run each, as many at a time as the plan says.

Ray itself would wait for ever, and without a word, for a fit that finds no resources; order, messages
and retries are ours. A fold that was lost to the system (its process or machine died, it hung, its
storage was away) starts again from its last checkpoint; an error in settings or training does not,
since it would come again.

    waiting -> starting -> training -> predicting -> done
                  ^____________________|  lost; cluster.retries times without an epoch between, then
                                          failed
"""

import logging
import os
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from maskcls.cluster import worker
from maskcls.cluster.plan import Plan
from maskcls.cluster.supervisor import kill_worker
from maskcls.core.errors import UserError, told_may_pass
from maskcls.core.progress import FoldState, Progress
from maskcls.store import run_files as files
from maskcls.store.fold_states import read_history, read_progress, show
from maskcls.store.paths import Folder
from maskcls.training.job import FoldJob

_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 0.5
_LOOK_EVERY_S_REMOTE = 3.0
_STOP_S = 10.0
_PATIENCE_S = 20.0  # a worker normally tells "starting" within this time

Kind = Literal["done", "mistake", "error", "lost"]


@dataclass(frozen=True)
class Outcome:
    """How an attempt at a fold ended; text says why unless it is done."""

    kind: Kind
    text: str = ""
    detail: str = ""


@dataclass
class _Attempt:
    """A running fit, in a thread of its own."""

    number: int
    thread: threading.Thread
    started: float
    last_heard: float
    trainer: Any = None
    outcome: Outcome | None = None
    notes_said: int = 0
    told: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Losses:
    """Losses of a fold to the system since it last finished an epoch.

    A fold on machines that are taken away all the time still gets to its end; one that never gets
    anywhere does not start for ever.
    """

    count: int = 0
    epochs: int = 0

    def next(self, run: Folder, fold: int) -> int:
        """Count another one."""
        epochs = len(read_history(run, fold))
        self.count = 1 if epochs > self.epochs else self.count + 1
        self.epochs = max(epochs, self.epochs)
        return self.count


def train_folds(
    jobs: Sequence[FoldJob],
    plan: Plan,
    run_name: str,
    storage: Folder,
    is_local: bool,
    retries: int,
    stall_s: float,
    progress: Progress,
    still_ours: Callable[[], None],
) -> dict[int, Outcome]:
    """Train all folds that are not done yet; Ray must be running.

    run_name: for Ray's display. storage: where Ray Train keeps its own records; all machines of the
    cluster must reach it. is_local: Ray is our own. still_ours: raises RunFailed when another
    command has taken the run over.
    Returns each fold's last outcome; never raises for a fold that failed.
    """
    return _Queue(
        jobs, plan, run_name, storage, is_local, retries, stall_s, progress, still_ours
    ).run()


class _Queue:
    def __init__(
        self, jobs: Sequence[FoldJob], plan: Plan, run_name: str, storage: Folder,
        is_local: bool, retries: int, stall_s: float, progress: Progress, still_ours: Callable[[], None],
    ) -> None:  # fmt: skip
        self._jobs = {job.fold: job for job in jobs}
        self._plan, self._run_name, self._storage = plan, run_name, storage
        self._is_local, self._still_ours = is_local, still_ours
        self._retries, self._stall_s, self._progress = retries, stall_s, progress
        self._run = Folder.at(jobs[0].run)
        epochs = int(jobs[0].config["train"]["epochs"])
        self._states = {job.fold: FoldState(job.fold, epochs) for job in jobs}
        self._waiting = [job.fold for job in jobs]
        self._running: dict[int, _Attempt] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._leaving = threading.Event()
        self._losses = {job.fold: _Losses() for job in jobs}

    def run(self) -> dict[int, Outcome]:
        try:
            return self._run_all()
        finally:
            self._stop()

    def _stop(self) -> None:
        """End what still runs when the queue is left early, by Ctrl-C above all.

        A fit that still waits for Ray while Ray is shut down makes Ray end this very process, with
        exit code 1 and without a word (seen in one of six, Ray 2.60).
        """
        self._leaving.set()
        end = time.monotonic() + _STOP_S
        for attempt in self._running.values():
            if attempt.trainer is not None:
                attempt.trainer.stop()
        for attempt in self._running.values():
            attempt.thread.join(max(0.0, end - time.monotonic()))

    def _run_all(self) -> dict[int, Outcome]:
        pause = _LOOK_EVERY_S if self._run.is_local else _LOOK_EVERY_S_REMOTE
        for fold in list(self._waiting):
            if files.read_done(self._run, fold) is not None:
                self._waiting.remove(fold)
                self._finish(fold, Outcome("done"))
        while self._waiting or self._running:
            self._still_ours()
            self._start_what_fits()
            for fold in list(self._running):
                self._look_at(fold)
            self._progress.folds(list(self._states.values()))
            if self._running:
                time.sleep(pause)
        return self._outcomes

    def _start_what_fits(self) -> None:
        # In order: the next fold is never overtaken by a later one that needs less.
        while self._waiting and self._fits(self._waiting[0]):
            fold = self._waiting.pop(0)
            self._start(fold, self._states[fold].attempt)
        what = "a GPU" if self._plan.device == "cuda" else "free cores"
        for fold in self._waiting:
            self._states[fold].note = f"waits for {what}"

    def _fits(self, fold: int) -> bool:
        if not self._running:
            return True
        if len(self._running) >= self._plan.folds_at_once:
            return False
        if self._plan.device == "cuda":
            return True
        used = sum(self._plan.cores_of(k) for k in self._running)
        return used + self._plan.cores_of(fold) <= self._plan.cores + 1e-9

    def _start(self, fold: int, number: int) -> None:
        state = self._states[fold]
        state.phase, state.note, state.attempt = "starting", "", number
        with suppress(OSError, UserError):
            files.fold_folder(self._run, fold).delete("progress.json")  # of an earlier attempt
        now = time.monotonic()
        thread = threading.Thread(target=self._fit, args=(fold, number), daemon=True)
        self._running[fold] = _Attempt(number, thread, now, now)
        thread.start()

    def _fit(self, fold: int, number: int) -> None:
        """In the attempt's thread: run the fit, leave the outcome."""
        attempt = self._running[fold]
        try:
            from maskcls.cluster.trainer import make_trainer

            job = replace(self._jobs[fold], asked_at=time.time())
            arguments = {"job": job, "attempt": number}
            name = f"{self._run_name}-fold-{fold}-{os.getpid()}-{number}"
            attempt.trainer = make_trainer(
                arguments, self._plan, fold, name, self._storage, self._is_local
            )
            if self._leaving.is_set():
                return
            value = attempt.trainer.fit().return_value
            attempt.outcome = _outcome_of(value)
        except BaseException as e:  # sorted into lost and error; the log keeps it
            _log.info("fold=%s attempt=%s ended with %r", fold, number, e)
            attempt.outcome = _outcome_of_failure(e)

    def _look_at(self, fold: int) -> None:
        attempt, state = self._running[fold], self._states[fold]
        told = read_progress(self._run, fold)
        if told and told != attempt.told:
            attempt.told, attempt.last_heard = told, time.monotonic()
            show(told, state)
            for note in told.get("notes", ())[attempt.notes_said :]:
                self._progress.say(note)
            attempt.notes_said = len(told.get("notes", ()))
        state.history = read_history(self._run, fold) or state.history
        if attempt.outcome is not None:
            del self._running[fold]
            self._end_attempt(fold, attempt.number, attempt.outcome)
            return
        quiet = time.monotonic() - attempt.last_heard
        if not attempt.told and quiet > _PATIENCE_S:
            what = "a GPU" if self._plan.device == "cuda" else "a worker"
            state.phase, state.note = "waiting", f"waits for {what}"
        elif attempt.told and quiet > self._stall_s:
            self._progress.warn(f"fold {fold} has told nothing for {quiet:.0f} s and is ended")
            attempt.last_heard = time.monotonic()
            kill_worker(attempt.told)

    def _end_attempt(self, fold: int, number: int, outcome: Outcome) -> None:
        # A worker may die after its fold was done and before Ray heard of it.
        with suppress(OSError, UserError):
            if outcome.kind != "done" and files.read_done(self._run, fold) is not None:
                outcome = Outcome("done")
        if outcome.kind == "lost" and self._losses[fold].next(self._run, fold) <= self._retries:
            self._progress.warn(
                f"fold {fold} was lost to the system ({outcome.text});"
                f" attempt {number + 1} goes on from its last checkpoint"
            )
            state = self._states[fold]
            state.phase, state.attempt = "waiting", number + 1
            self._waiting.insert(0, fold)
            return
        self._finish(fold, outcome)

    def _finish(self, fold: int, outcome: Outcome) -> None:
        state = self._states[fold]
        state.phase = "done" if outcome.kind == "done" else "failed"
        state.note, state.left_s = outcome.text, None
        state.history = read_history(self._run, fold)
        self._outcomes[fold] = outcome


def _outcome_of(value: dict[str, Any]) -> Outcome:
    if "done" in value:
        return Outcome("done")
    if "mistake" in value:
        return Outcome("mistake", value["mistake"])
    # Storage that is away for a moment, or too little memory just now, is of the system.
    kind: Kind = "lost" if told_may_pass(value["error"]) else "error"
    return Outcome(kind, value["error"], value.get("traceback", ""))


def _outcome_of_failure(error: BaseException) -> Outcome:
    """Tell an error of ours from a loss; an error on any worker counts unless one was lost."""
    failures = list(getattr(error, "worker_failures", {}).values())
    causes = [_cause(f) for f in failures]
    if not failures and not _is_rays(error):  # a fault in the driver would come again
        return Outcome("error", f"{type(error).__name__}: {error}", traceback.format_exc())
    ours = [c for c in causes if isinstance(c, worker.FoldError)]
    if ours and len(ours) + sum(_is_lost_peer(c) for c in causes) == len(causes):
        return _outcome_of(ours[0].result)
    lines = str(failures[0] if failures else error).strip().splitlines()
    first = lines[0] if lines else type(error).__name__
    return Outcome("lost", first[:200], str(error))


def _cause(error: BaseException) -> BaseException:
    """The worker's own exception inside Ray's wrappers."""
    seen = error
    for _ in range(5):
        inner = getattr(seen, "_base_exc", None) or getattr(seen, "cause", None) or seen.__cause__
        if not isinstance(inner, BaseException) or isinstance(seen, worker.FoldError):
            break
        seen = inner
    return seen


def _is_rays(error: BaseException) -> bool:
    from ray.exceptions import RayError
    from ray.train import TrainingFailedError

    return isinstance(error, RayError | TrainingFailedError)


def _is_lost_peer(error: BaseException) -> bool:
    return type(error).__name__ == "PeerLost"
