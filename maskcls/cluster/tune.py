"""Trials of a search on Ray Tune: fold 0 of each, as many at a time as fit, ASHA ends the weak ones.

A trial is one Tune actor that trains in its own process, with no Ray Train run inside it: nested
searches hang when trial drivers hold the CPUs that their inner workers wait for (Ray 2.60). What a
search needs to resume is in the trials' records (tuning/trials.py), never in what Tune pickles.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Callback
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search import Searcher

from maskcls.cluster.fold_queue import STOP_GRACE_S
from maskcls.cluster.ray_internals.tune import last_error, without_aws_keys
from maskcls.cluster.supervisor import Supervisor
from maskcls.cluster.worker import train_trial
from maskcls.core.errors import UserError
from maskcls.core.outcome import Outcome, outcome_of
from maskcls.core.progress import Progress
from maskcls.store.folder import Folder
from maskcls.store.manifest import MANIFEST
from maskcls.store.run import Fold, Run
from maskcls.training.job import FoldJob

_METRIC, _TIME = "score", "epoch"
_SIGN_OF_LIFE_S = 10.0  # twice the interval of heartbeats of a run in an object store
_ENVIRONMENT = {
    # The command handles signals and reports lost trials itself. Tune's own output, loggers and checks
    # serve its display, which is not used.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


class Later:
    """No trial at this moment; ask again."""


LATER = Later()


@dataclass(frozen=True)
class Trials:
    """The trials to run, and how.

    propose: number and job of the next trial, LATER when none should start at this moment, None when
    there are no more. epoch_done, ended, lost: called with a trial's number; ended also with the error
    in its settings or training, if any; lost, with the infrastructure failure after its last retry.
    known: scores of earlier trials' finished epochs, by number. first_rung: epochs before ASHA may end a
    trial; reduction: ASHA continues one of so many. resources: of each trial; waits_for: the scarce one,
    in words. at_once: maximum number of trials at a time. max_epochs: of any trial. retries, stall_s:
    see config/schema.py, Cluster. look_every_s: time between two looks at the heartbeats [s].
    check_lease: raises RunFailed when another command has the search.
    """

    propose: Callable[[], tuple[int, FoldJob] | Later | None]
    epoch_done: Callable[[int], None]
    ended: Callable[[int, str | None], None]
    lost: Callable[[int, str], None]
    known: Mapping[int, Sequence[float]]
    first_rung: int
    reduction: int
    resources: Mapping[str, float]
    waits_for: str
    at_once: int
    max_epochs: int
    retries: int
    stall_s: float
    look_every_s: float
    progress: Progress
    check_lease: Callable[[], None]


def run_trials(trials: Trials, storage: str, name: str) -> None:
    """Run trials until propose has no more; Ray must be running.

    storage: folder or URI for Tune's own records, reached by all nodes; name: of this start.
    """
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    callback = TuneCallback(trials)
    try:
        with without_aws_keys():
            _run(trials, callback, storage, name)
    except KeyboardInterrupt:
        callback.stop()
        raise
    except Exception:
        if callback.failed is None:
            raise
    # The first error of ours is raised, with its own type: Tune wraps what a callback raises, or
    # attributes it to the trial.
    if callback.failed is not None:
        raise callback.failed


def _run(trials: Trials, callback: "TuneCallback", storage: str, name: str) -> None:
    tune.run(
        train_trial,
        name=name,
        storage_path=storage,
        num_samples=-1,  # without limit: _Proposals ends the search
        search_alg=_Proposals(callback),
        scheduler=_Asha(trials),
        resources_per_trial=tune.PlacementGroupFactory([dict(trials.resources)]),
        max_concurrent_trials=trials.at_once,
        max_failures=0,  # the supervisor retries: after a pause, as a new trial for Tune
        callbacks=[callback],
        verbose=0,
        raise_on_failed_trial=False,  # a failed trial is a result; the search continues
    )


class _Proposals(Searcher):  # type: ignore[misc]
    """Tune's searcher; passes each request for a trial to the callback."""

    def __init__(self, callback: "TuneCallback") -> None:
        super().__init__(metric=_METRIC, mode="max")
        self._callback = callback

    def suggest(self, trial_id: str) -> Any:
        import ray

        found = self._callback.next_job()
        if found is None:
            return Searcher.FINISHED
        if isinstance(found, Later):
            return None  # Tune's loop continues, and asks again
        number, job = found
        # By reference: Tune writes a trial's config into its records, and a job may hold credentials.
        return {"number": number, "job": [ray.put(job)]}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: TuneCallback reports it to the command."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the state is in the trials' records."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""


class _Asha(ASHAScheduler):  # type: ignore[misc]
    """ASHA (Li et al., MLSys 2020) with the scores of earlier attempts and starts."""

    def __init__(self, trials: Trials) -> None:
        super().__init__(
            time_attr=_TIME,
            metric=_METRIC,
            mode="max",
            # Above every trial's last epoch: at max_t ASHA ends a trial, before it writes its logits.
            max_t=max(trials.max_epochs, trials.first_rung) + 1,
            grace_period=trials.first_rung,
            reduction_factor=trials.reduction,
        )
        self._known = {number: tuple(scores) for number, scores in trials.known.items()}

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """A trial of an earlier start keeps its place on the rungs that it had reached."""
        # Replayed with the first trial, when Tune has set up the scheduler, and only once.
        known, self._known = self._known, {}
        for number, scores in known.items():
            super().on_trial_add(tune_controller, _Named.of(number))
            for epoch, score in enumerate(scores, 1):
                result = {_TIME: epoch, _METRIC: score}
                super().on_trial_result(tune_controller, _Named.of(number), result)
        super().on_trial_add(tune_controller, _named(trial))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> Any:
        """Its score counts for others, but a trial that only needs to write its logits is not ended."""
        decision = super().on_trial_result(tune_controller, _named(trial), result)
        return TrialScheduler.CONTINUE if result.get("last") else decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """See ASHAScheduler."""
        super().on_trial_complete(tune_controller, _named(trial), result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """See ASHAScheduler."""
        super().on_trial_remove(tune_controller, _named(trial))


@dataclass(frozen=True)
class _Named:
    """The part of a trial that ASHA reads; the id is the same in every start, unlike that of Tune."""

    trial_id: str

    @classmethod
    def of(cls, number: int) -> "_Named":
        return cls(f"trial-{number}")


def _named(trial: Any) -> _Named:
    return _Named.of(trial.config["number"])


@dataclass
class _Begun:
    """A trial that has started and not ended: its job; due: when a lost one is retried [s]."""

    job: FoldJob
    attempt: int = 1
    due: float | None = None


class TuneCallback(Callback):  # type: ignore[misc]
    """Connects Tune, the supervisor and the command; keeps the first error of their calls."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        self._begun: dict[int, _Begun] = {}
        self.supervisor = Supervisor(
            trials.retries,
            trials.stall_s,
            lambda number: f"trial {number}",
            trials.waits_for,
            trials.progress,
            look_every_s=trials.look_every_s,
        )
        self.failed: Exception | None = None

    def next_job(self) -> tuple[int, FoldJob] | Later | None:
        """The next trial to run: a lost one whose pause is over, else a new one; see Trials.propose."""
        found: list[tuple[int, FoldJob] | Later | None] = []
        self._call(lambda: found.append(self._choose()))
        return found[0]

    def _choose(self) -> tuple[int, FoldJob] | Later | None:
        # Lost trials before new ones: what they have trained so far is in their checkpoints.
        lost = [number for number, begun in self._begun.items() if begun.due is not None]
        for number in lost:
            if (self._begun[number].due or 0.0) <= time.monotonic():
                return self._start(number, self._begun[number])
        proposed = self._trials.propose()
        if proposed is None:
            # None would end the search, yet any trial that still runs may be lost and need a restart.
            return LATER if self._begun else None
        if isinstance(proposed, Later):
            return proposed
        number, job = proposed
        begun = self._begun[number] = _Begun(job)
        return self._start(number, begun)

    def _start(self, number: int, begun: _Begun) -> tuple[int, FoldJob] | Later:
        begun.due = None
        self._trials.check_lease()  # a new attempt fences off whoever else works on the trial
        try:
            attempt = self.supervisor.begin(number, _fold_of(begun.job), begun.attempt)
        except (OSError, UserError) as e:  # a loss like any other: storage may be back later
            self._end(number, outcome_of(e))
            return LATER
        return number, replace(begun.job, attempt=attempt)

    def stop(self) -> None:
        """Ask the trials that train for a checkpoint, and wait for it, STOP_GRACE_S at most."""
        end = time.monotonic() + STOP_GRACE_S
        # Whatever goes wrong here, the interruption is what the command ends of.
        with suppress(KeyboardInterrupt, OSError, UserError):
            before = {n: _checkpoints_of(begun.job) for n, begun in self._begun.items()}
            asked = [number for number in before if self.supervisor.request_stop(number)]
            reports = {number: _EpochReport(_fold_of(self._begun[number].job)) for number in asked}
            while asked and time.monotonic() < end:
                time.sleep(0.2)
                asked = [
                    number
                    for number in asked
                    if _checkpoints_of(self._begun[number].job) <= before[number]
                    and not reports[number].is_waited_in()
                ]

    def _call(self, action: Callable[[], None]) -> None:
        """Call the action; its first error ends the search, and is raised by run_trials."""
        # Raised again at each call, as Tune may have taken the first for the trial's own error and
        # continued with the others.
        if self.failed is not None:
            raise self.failed
        try:
            action()
        except Exception as e:
            self.failed = e
            raise

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch, or how the trial ended."""
        if "outcome" not in result:
            self._call(lambda: self._trials.epoch_done(trial.config["number"]))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The trial has returned, or ASHA has ended it, in which case it reports no outcome."""
        fields = (trial.last_result or {}).get("outcome")
        outcome = Outcome(**fields) if fields else Outcome("done")
        self._call(lambda: self._end(trial.config["number"], outcome))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Its process or node is gone."""
        if trial.status == "ERROR":
            outcome = Outcome("transient", _why(trial))
            self._call(lambda: self._end(trial.config["number"], outcome))

    def _end(self, number: int, outcome: Outcome) -> None:
        begun = self._begun[number]
        if outcome.kind == "transient":
            pause_s = self.supervisor.lost(number, _fold_of(begun.job), outcome)
            if pause_s is not None:
                # Not watched during the pause: its silence must not count as a stall.
                self.supervisor.end(number)
                begun.attempt += 1
                begun.due = time.monotonic() + pause_s
                return
        self.supervisor.end(number)
        del self._begun[number]
        # Out of the GPU's memory twice is the fault of the settings, which will not fit later either.
        if outcome.kind == "transient" and not outcome.out_of_memory:
            self._trials.lost(number, outcome.text)
        else:
            self._trials.ended(number, None if outcome.kind == "done" else outcome.text)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """One iteration of Tune's loop is over."""
        self._call(self.supervisor.look)


def _checkpoints_of(job: FoldJob) -> set[str]:
    """Names of the whole checkpoints of a trial's fold."""
    folder = _fold_of(job).checkpoints
    return {e.name for e in folder.list() if folder.exists(f"{e.name}/{MANIFEST}")}


class _EpochReport:
    """Whether a trial waits in its report of an epoch, which Tune's ended loop will never take.

    It then writes no further checkpoint: that of the epoch is there.
    """

    def __init__(self, fold: Fold) -> None:
        self._fold, self._beat, self._changed = fold, fold.heartbeat(), time.monotonic()

    def is_waited_in(self) -> bool:
        """True where the last heartbeat is of the end of a finished epoch, and none has followed for
        _SIGN_OF_LIFE_S: a trial that is in the next epoch, or predicts, sends others.
        """
        beat, now = self._fold.heartbeat(), time.monotonic()
        if beat != self._beat:
            self._beat, self._changed = beat, now
        if beat is None or now - self._changed < _SIGN_OF_LIFE_S:
            return False
        is_at_end = beat.phase == "predicting" or beat.step == beat.steps
        return is_at_end and 0 < beat.epoch <= len(self._fold.history())


def _fold_of(job: FoldJob) -> Fold:
    return Run(Folder.at(job.run)).fold(job.fold)


def _why(trial: Any) -> str:
    """What Tune has recorded of a trial's last failure, in one line."""
    line = last_error(trial)
    return line[:200] if line else "Ray gives no reason"
