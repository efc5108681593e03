"""Trials of a search on Ray Tune: fold 0 of each, as many at a time as fit, ASHA ends the weak ones.

A trial is one Tune actor that trains in its own process, with no Ray Train run inside it: trial
drivers that hold CPUs while their inner workers wait for CPUs are how nested searches hang (Ray 2.60).
What a search needs to go on lies in the trials' records (tuning/trials.py), never in what Tune pickles.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Callback
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search import Searcher

from maskcls.cluster.ray_internals.tune import forget_failures, keys_kept_out, last_error
from maskcls.cluster.supervisor import TrialWatch
from maskcls.cluster.worker import train_trial
from maskcls.core.errors import UserError
from maskcls.core.progress import Progress
from maskcls.training.job import FoldJob

_METRIC, _TIME = "macro_f1", "epoch"
_ENVIRONMENT = {
    # Ours handle the signals and name what was lost; its reports, logs and checks are for its own
    # display.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
_USER_ERROR = f"{UserError.__module__}.{UserError.__name__}: "


class Later:
    """No trial just now; ask again."""


LATER = Later()


@dataclass(frozen=True)
class Trials:
    """What the trials are made of.

    first_rung: epochs before ASHA may end a trial; reduction: it lets one of so many go on.

    propose: number and job of the next trial, LATER when none should be begun just now, None when there
    are no more. epoch_done, ended, lost: hear of a trial's number; ended also of the error in its
    settings or training, if there was one; lost, of what the system did to it once too often. known:
    scores of earlier trials by number, for ASHA. resources: of each trial; waits_for: the scarce one,
    in words. at_once: most trials at a time. most_epochs: of any trial. retries: after a loss to the
    system. stall_s: without news for so long, a trial counts as lost [s].
    """

    first_rung: int
    reduction: int
    propose: Callable[[], tuple[int, FoldJob] | Later | None]
    epoch_done: Callable[[int], None]
    ended: Callable[[int, str | None], None]
    lost: Callable[[int, str], None]
    known: Mapping[int, Sequence[float]]
    resources: Mapping[str, float]
    waits_for: str
    at_once: int
    most_epochs: int
    retries: int
    stall_s: float
    progress: Progress


def run_trials(trials: Trials, storage: str, name: str) -> None:
    """Run trials until propose has no more; Ray must be running.

    storage: folder or URI for Tune's own records, reached by all machines; name: of this start.
    """
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    ears = TuneCallback(trials)
    try:
        with keys_kept_out():
            _run(trials, ears, storage, name)
    except Exception:
        if ears.failed is None:
            raise
    if ears.failed is not None:  # Tune wraps what a listener raises, or takes it for the trial's
        raise ears.failed


def _run(trials: Trials, ears: "TuneCallback", storage: str, name: str) -> None:
    tune.run(
        train_trial,
        name=name,
        storage_path=storage,
        num_samples=-1,
        search_alg=_Proposals(trials, ears),
        scheduler=_Asha(trials),
        resources_per_trial=tune.PlacementGroupFactory([dict(trials.resources)]),
        max_concurrent_trials=trials.at_once,
        max_failures=trials.retries,
        callbacks=[ears],
        verbose=0,
        raise_on_failed_trial=False,
    )


class _Proposals(Searcher):  # type: ignore[misc]
    """Tune's searcher, which only asks us."""

    def __init__(self, trials: Trials, ears: "TuneCallback") -> None:
        super().__init__(metric=_METRIC, mode="max")
        self._trials, self._ears = trials, ears

    def suggest(self, trial_id: str) -> Any:
        import ray

        if self._ears.failed is not None:
            raise self._ears.failed
        try:
            found = self._trials.propose()
        except Exception as e:
            self._ears.failed = e
            raise
        if found is None:
            return Searcher.FINISHED
        if isinstance(found, Later):
            return None  # Tune's loop turns on, and asks again
        number, job = found
        self._ears.watch.begin(number, job)
        # By reference: Tune writes what it is given into its records, and a job may hold credentials.
        return {"number": number, "job": [ray.put(job)]}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """The command hears of it by TuneCallback."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the trials' records tell."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""


class _Asha(ASHAScheduler):  # type: ignore[misc]
    """ASHA (Li et al., MLSys 2020) that knows the scores of an earlier start of the command."""

    def __init__(self, trials: Trials) -> None:
        super().__init__(
            time_attr=_TIME,
            metric=_METRIC,
            mode="max",
            max_t=max(trials.most_epochs, trials.first_rung) + 1,
            grace_period=trials.first_rung,
            reduction_factor=trials.reduction,
        )
        self._known = {number: tuple(scores) for number, scores in trials.known.items()}

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """A trial that an earlier start began keeps its place on the rungs it had reached."""
        known, self._known = self._known, {}
        for number, scores in known.items():
            super().on_trial_add(tune_controller, _Named.of(number))
            for epoch, score in enumerate(scores, 1):
                result = {_TIME: epoch, _METRIC: score}
                super().on_trial_result(tune_controller, _Named.of(number), result)
        super().on_trial_add(tune_controller, _named(trial))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> Any:
        """Its score counts for others, but a trial that only has to write its logits is not ended."""
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
    """As much of a trial as ASHA looks at; the same in every start of the command, unlike Tune's."""

    trial_id: str

    @classmethod
    def of(cls, number: int) -> "_Named":
        return cls(f"trial-{number}")


def _named(trial: Any) -> _Named:
    return _Named.of(trial.config["number"])


class TuneCallback(Callback):  # type: ignore[misc]
    """Passes on what Tune tells; keeps the first error that comes of it."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        self.watch = TrialWatch(trials.stall_s, trials.waits_for, trials.progress)
        self.failed: Exception | None = None

    def _tell(self, what: Callable[..., None], *words: Any) -> None:
        if self.failed is not None:
            raise self.failed
        try:
            what(*words)
        except Exception as e:
            self.failed = e
            raise

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch, or the error that ended the training."""
        if "fault" not in result:
            forget_failures(trial)
            self._tell(self._trials.epoch_done, trial.config["number"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """It has ended by itself, or by ASHA."""
        number, fault = trial.config["number"], (trial.last_result or {}).get("fault")
        self.watch.end(number)
        self._tell(self._trials.ended, number, fault)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """It was lost to the system, and Tune tries it again."""
        number = trial.config["number"]
        self.watch.again(number)
        text = f"trial {number} was lost to the system ({_why(trial)}); it goes on from its last"
        self._tell(self._trials.progress.warn, f"{text} checkpoint")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """It was lost to the system too often, unless Tune is going to try it again."""
        if trial.status == "ERROR":
            number = trial.config["number"]
            self.watch.end(number)
            self._tell(self._trials.lost, number, _why(trial))

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune's loop has turned once."""
        self._tell(self.watch.look)


def _why(trial: Any) -> str:
    """What Tune has written down of a trial's last loss, in a line."""
    line = last_error(trial)
    return line.removeprefix(_USER_ERROR)[:200] if line else "Ray says no more"
