"""The queue of folds: one Ray Train run each, as many at a time as the plan says.

    waiting -> starting -> training -> predicting -> done
       ^          |___________|____________|
       |__________________________________ lost, or failed

Ray itself waits without limit and without a message for a fit that finds no resources, so order and
messages are decided here. Whether and when a lost fold starts again is decided by the supervisor.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from maskcls.cluster.plan import Plan
from maskcls.cluster.supervisor import Supervisor
from maskcls.cluster.worker import FoldError
from maskcls.core.errors import UserError
from maskcls.core.outcome import Outcome, outcome_of
from maskcls.core.progress import FoldState, Progress
from maskcls.store.folder import Folder
from maskcls.store.run import Run
from maskcls.training.job import FoldJob

_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 0.5
_LOOK_EVERY_S_REMOTE = 3.0  # each look is several requests to the object store for every fold
# For all fits together, so that Ctrl-C cannot hang on a controller that does not end.
_STOP_S = 10.0
_OTHER_NODE_S = 180.0  # a new node of a cloud is there by then
STOP_GRACE_S = 30.0
"""How long an interrupted command waits for its folds to write a checkpoint [s]."""


@dataclass(frozen=True)
class QueueSettings:
    """What the queue needs beside jobs and plan.

    run_name: for Ray's display. storage: where Ray Train keeps its own records; all nodes must reach it.
    is_local: Ray was started by this command. retries, stall_s: see config/schema.py, Cluster.
    """

    run_name: str
    storage: Folder
    is_local: bool
    retries: int
    stall_s: float


class Fit(Protocol):
    """One attempt at a fold, such as Ray Train's trainer."""

    @property
    def fit(self) -> Callable[[], Any]:
        """Train; returns what has the Outcome as its return_value, raises what Ray raises."""

    def stop(self) -> None:
        """Make `fit`, in another thread, end."""


MakeFit = Callable[[FoldJob, Plan, str, Folder, bool, str | None], Fit]
"""See cluster/trainer.py, make_trainer."""


@dataclass
class _Fit:
    """A running fit, in a thread of its own."""

    number: int
    thread: threading.Thread
    trainer: Any = None
    outcome: Outcome | None = None
    begun: float = field(default_factory=time.monotonic)

    def result(self) -> Outcome | None:
        """How it ended, None while it runs; a thread that died without an outcome is a failed fold."""
        # Asked first: when the thread has ended, the outcome is there, if there is to be one.
        is_alive = self.thread.is_alive()
        # Without this, the queue would wait for an outcome that no thread is left to set.
        if self.outcome is None and not is_alive:
            return Outcome("error", "the thread of its fit died; this is a bug")
        return self.outcome


class FoldQueue:
    """Trains all folds that are not done yet; Ray must be running."""

    def __init__(
        self,
        jobs: Sequence[FoldJob],
        plan: Plan,
        settings: QueueSettings,
        progress: Progress,
        check_lease: Callable[[], None],
        make_fit: MakeFit | None = None,
    ) -> None:
        """check_lease: raises RunFailed when another command has taken the run over.

        make_fit: makes the attempts; None: make_trainer, a new process for each.
        """
        self._jobs = {job.fold: job for job in jobs}
        self._plan, self._settings = plan, settings
        self._progress, self._check_lease = progress, check_lease
        self._run = Run(Folder.at(jobs[0].run))
        self._pause_s = _LOOK_EVERY_S if self._run.folder.is_local else _LOOK_EVERY_S_REMOTE
        train, metric = jobs[0].config.train, jobs[0].task.metric
        self._states = {
            job.fold: FoldState(job.fold, train.epochs, metric=metric, keep=train.keep)
            for job in jobs
        }
        self._waiting = [job.fold for job in jobs]
        self._not_before: dict[int, float] = {}
        self._running: dict[int, _Fit] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._leaving, self._make_fit = threading.Event(), make_fit
        self._news = threading.Event()
        """A fit has ended: the next fold need not wait for the next look."""
        self._scarce = "a GPU" if plan.device == "cuda" else "free cores"
        self._supervisor = Supervisor(
            settings.retries,
            settings.stall_s,
            lambda fold: f"fold {fold}",
            "a GPU" if plan.device == "cuda" else "a worker",
            progress,
            look_every_s=self._pause_s,
            says_waiting=False,  # the table of folds does
        )

    def run(self) -> dict[int, Outcome]:
        """Each fold's last outcome; never raises for a fold that failed.

        Interrupted, it gives the folds STOP_GRACE_S to write a checkpoint.
        """
        try:
            # Folds that an earlier start finished must not wait for resources: they need none.
            for fold in list(self._waiting):
                if self._run.fold(fold).is_done:
                    self._waiting.remove(fold)
                    self._finish(fold, Outcome("done"))
            while self._waiting or self._running:
                # Before anything is started: two commands must not train the same folds.
                self._check_lease()
                for fold in self._due():
                    if (fit := self._prepared(fold)) is not None:
                        fit.thread.start()
                self._supervisor.look()
                for fold in list(self._running):
                    self._look_at(fold)
                self._progress.folds(list(self._states.values()))
                if (self._running or self._waiting) and self._news.wait(self._pause_s):
                    self._news.clear()
            return self._outcomes
        except KeyboardInterrupt:
            self._checkpoint()
            raise
        finally:
            self._end_fits()

    def _checkpoint(self) -> None:
        """Ask the folds that train for a checkpoint and wait for it, until a second interruption."""
        # First, so that a fit that is being prepared in its thread does not start any more.
        self._leaving.set()
        asked = [fold for fold in self._running if self._supervisor.request_stop(fold)]
        if not asked:
            return
        self._progress.say(
            f"stopping: {len(asked)} folds write a checkpoint first, for up to {STOP_GRACE_S:.0f} s"
        )
        end = time.monotonic() + STOP_GRACE_S
        with suppress(KeyboardInterrupt):
            while time.monotonic() < end and any(
                self._running[fold].result() is None for fold in asked
            ):
                time.sleep(0.1)

    def _end_fits(self) -> None:
        """End what still runs when the queue is left early.

        A fit that still waits for Ray while Ray is shut down makes Ray end this very process, with
        exit code 1 and no message (seen in one of six, Ray 2.60).
        """
        self._leaving.set()
        end = time.monotonic() + _STOP_S
        # All are stopped before any is waited for: they end at the same time, within one _STOP_S.
        for fit in self._running.values():
            if fit.trainer is not None and fit.outcome is None:
                with suppress(Exception):  # the others must be stopped, too
                    fit.trainer.stop()
        for fit in self._running.values():
            if fit.thread.ident is None:  # interrupted before it was started
                continue
            fit.thread.join(max(0.0, end - time.monotonic()))

    def _due(self) -> Iterator[int]:
        """The waiting folds that can start now, taken from the queue one by one."""
        # In order: a later fold that needs less never overtakes the next one, which might then wait
        # until the end. Only a fold that pauses after a failure lets the others pass.
        now = time.monotonic()
        due = [fold for fold in self._waiting if self._not_before.get(fold, 0.0) <= now]
        while due and self._fits(due[0]):
            fold = due.pop(0)
            self._waiting.remove(fold)
            yield fold
        for fold in due:
            self._states[fold].note = f"waits for {self._scarce}"

    def _fits(self, fold: int) -> bool:
        # Whatever the plan says, one fold must be able to start, or the queue would never end.
        if not self._running:
            return True
        if len(self._running) >= self._plan.folds_at_once:
            return False
        if self._plan.device == "cuda":
            return True  # folds_at_once already counts the GPUs; their CPUs only bound the threads
        used = sum(self._plan.cores_of(k) for k in self._running)
        # The tolerance absorbs rounding: shares such as 2/3 of a core do not sum up exactly.
        return used + self._plan.cores_of(fold) <= self._plan.cores + 1e-9

    def _prepared(self, fold: int) -> _Fit | None:
        """The fold's next attempt, in a thread not started yet; None when its folder refuses it."""
        state = self._states[fold]
        state.phase, state.note = "starting", ""
        try:
            attempt = self._supervisor.begin(fold, self._run.fold(fold), state.attempt)
        except (OSError, UserError) as e:
            self._end_attempt(fold, outcome_of(e))
            return None
        job = replace(self._jobs[fold], attempt=attempt, asked_at=time.time())
        # A daemon, or a fit that cannot be stopped would keep the process alive after its command.
        thread = threading.Thread(target=self._fit, args=(job,), daemon=True)
        # Entered before the thread starts, which looks itself up there.
        self._running[fold] = _Fit(state.attempt, thread)
        return self._running[fold]

    def _fit(self, job: FoldJob) -> None:
        """In the attempt's thread: run the fit, leave the outcome."""
        fit = self._running[job.fold]
        try:
            # Here: importing Ray Train takes seconds, and a run whose folds are all done needs none.
            from maskcls.cluster.trainer import make_trainer

            # Unique for each attempt and process: Ray Train would resume from the records it finds.
            name = f"{self._settings.run_name}-fold-{job.fold}-{os.getpid()}-{fit.number}"
            fit.trainer = (self._make_fit or make_trainer)(
                job, self._plan, name, self._settings.storage,
                self._settings.is_local, self._supervisor.bad_node(job.fold),
            )  # fmt: skip
            # _end_fits sees the trainer from here on. If it ran before, the flag is set already, and
            # no fit starts after all have been stopped.
            if self._leaving.is_set():
                return
            value: Outcome = fit.trainer.fit().return_value
            fit.outcome = value
        except BaseException as e:  # this thread has no caller; outcome_of_fit classifies the error
            _log.info("fold=%s attempt=%s ended with %r", job.fold, fit.number, e)
            fit.outcome = outcome_of_fit(e)
        finally:
            self._news.set()

    def _look_at(self, fold: int) -> None:
        fit, state = self._running[fold], self._states[fold]
        heartbeat = self._supervisor.heartbeat(fold)
        if heartbeat is not None:
            heartbeat.show_in(state)
        elif self._supervisor.is_waiting(fold):
            state.phase, state.note = "waiting", f"waits for {self._scarce}"
            self._take_any_node(fold, fit)
        state.history = self._run.fold(fold).history() or state.history
        if (outcome := fit.result()) is not None:
            del self._running[fold]
            self._end_attempt(fold, outcome)

    def _take_any_node(self, fold: int, fit: _Fit) -> None:
        """End an attempt that waits for another node than one that failed: that one may be gone."""
        if fit.trainer is None or not self._supervisor.bad_node(fold):
            return
        if time.monotonic() - fit.begun > _OTHER_NODE_S:
            self._supervisor.forget_bad_node(fold)
            fit.trainer.stop()

    def _end_attempt(self, fold: int, outcome: Outcome) -> None:
        files, state = self._run.fold(fold), self._states[fold]
        # A worker may die after its fold was done and before Ray saw its result: the files decide.
        with suppress(OSError, UserError):
            if outcome.kind != "done" and files.is_done:
                outcome = Outcome("done")
        if outcome.kind == "transient":
            pause = self._supervisor.lost(fold, files, outcome)
            if pause is not None:
                state.phase, state.attempt = "waiting", state.attempt + 1
                state.note = "waits after an infrastructure failure"
                self._not_before[fold] = time.monotonic() + pause
                self._supervisor.end(fold)
                # To the front: it has waited its turn once, and its checkpoint is there.
                self._waiting.insert(0, fold)
                return
        self._supervisor.end(fold)
        self._finish(fold, outcome)

    def _finish(self, fold: int, outcome: Outcome) -> None:
        state = self._states[fold]
        state.phase = "done" if outcome.kind == "done" else "failed"
        state.note, state.left_s = outcome.text, None
        state.history = self._run.fold(fold).history()
        self._outcomes[fold] = outcome


def outcome_of_fit(error: BaseException) -> Outcome:
    """Whether a fit failed by an error of this program or by a lost worker.

    An error in any worker counts, unless another worker was lost: then it may be a consequence.
    """
    failures = list(getattr(error, "worker_failures", {}).values())
    if not failures and not _raised_by_ray(error):  # an error in the driver would recur
        return outcome_of(error)
    ours = [error.outcome for error in failures if isinstance(error, FoldError)]
    own_errors = [outcome for outcome in ours if outcome.kind != "transient"]
    # When one worker fails, its peers see a closed connection, which alone would be transient: the
    # error that is not transient is the cause.
    if ours and len(ours) == len(failures):
        # Of several, the one that says which node to leave: the others only lost their peer.
        return (own_errors or sorted(ours, key=lambda outcome: not outcome.leave_node))[0]
    lines = str(failures[0] if failures else error).strip().splitlines()
    first = lines[0] if lines else type(error).__name__
    return Outcome("transient", first[:200], str(error))


def _raised_by_ray(error: BaseException) -> bool:
    from ray.exceptions import RayError
    from ray.train import TrainingFailedError

    return isinstance(error, RayError | TrainingFailedError)
