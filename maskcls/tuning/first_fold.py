"""Fold 0 of every trial of a search: started, observed by ASHA, and its end recorded."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from maskcls.cluster.plan import make_plan
from maskcls.core.errors import RunFailed, UserError, is_transient
from maskcls.core.metrics import TITLES, shown_score
from maskcls.core.progress import Progress
from maskcls.runs.prepare import Prepared
from maskcls.runs.run import RunContext, decode, jobs, place
from maskcls.store.folder import Folder
from maskcls.store.lease import Lease
from maskcls.store.run import Fold, Run
from maskcls.tuning.backoff import TrialLosses
from maskcls.tuning.sampler import Sampler, make_sampler
from maskcls.tuning.search_record import SearchRecord
from maskcls.tuning.space import Space
from maskcls.tuning.trial_runs import TrialRuns
from maskcls.tuning.trial_table import TrialTable
from maskcls.tuning.trials import State, Trial

if TYPE_CHECKING:
    from maskcls.cluster.session import Session
    from maskcls.training.job import FoldJob

_FOLD = 0
"""The fold on which all trials are compared first."""
_MANY = 1000  # "folds" of the plan for all trials, so that it fills the cluster
_LOOK_EVERY_S = 2.0
_LOOK_EVERY_S_REMOTE = 15.0  # each look is a request per trial, during which Tune's loop waits
_ATTEMPTS = 50
"""Maximum number of proposals for one trial: in a space of a few choices, they repeat earlier ones."""


class FirstFold:
    """One command's work on fold 0 of the trials."""

    def __init__(
        self, prepared: Prepared, space: Space, runs: TrialRuns, table: TrialTable, record: SearchRecord,
        losses: TrialLosses, progress: Progress, lease: Lease,
    ) -> None:  # fmt: skip
        self.prepared, self.space, self.runs, self.table = prepared, space, runs, table
        self.record, self.losses, self.progress, self.lease = record, losses, progress, lease
        self.trials = table.trials
        self.exhausted = False

    def run(self, session: "Session") -> None:
        """Start or resume trials until the budget is spent; Ray must be running."""
        again = sorted(t.number for t in self.trials.values() if t.state == "running")
        lost_before = sorted(t.number for t in self.trials.values() if t.state == "lost")
        if not again and not lost_before and not self.record.may_begin(len(self.trials)):
            return
        # Here: importing Ray Tune takes seconds, and a search whose trials are done needs none.
        from maskcls.cluster.tune import LATER, Later, Trials, run_trials

        cluster = self.prepared.config.cluster
        machine = session.machine(cluster.resources_per_worker)
        places = make_plan(cluster, _MANY, machine)
        # All trials get the resources of the smallest place: Tune gives each trial the same, and with
        # those of a larger one, fewer than planned would fit.
        self.place = min(range(places.folds_at_once), key=lambda k: places.threads[k])
        self.threads = places.threads[self.place]
        self.losses.begin(places.folds_at_once)
        sampler = make_sampler(self.space, (t for t in self.trials.values() if not t.is_open))

        # Trials that this start began; those of earlier starts that it never reached may stay open.
        begun: set[int] = set()
        turn_of_lost = False

        def choose() -> Trial | None:
            nonlocal turn_of_lost
            if again:
                return self.trials[again.pop(0)]
            # Alternately: trials that are lost every time must not block new ones, and new ones must not
            # use a budget in hours alone.
            turn, turn_of_lost = turn_of_lost, not turn_of_lost
            new = None if lost_before and turn else self._new_trial(sampler)
            return self.trials[lost_before.pop(0)] if new is None and lost_before else new

        def propose() -> tuple[int, "FoldJob"] | Later | None:
            while not self.losses.too_many:
                if self.losses.pause_s > 0:
                    return LATER
                if (trial := choose()) is None:
                    return None
                begun.add(trial.number)
                if (job := self._begin(trial, session)) is not None:
                    return trial.number, job
                # Also of a trial that did not start, which would otherwise count as still running.
                sampler.tell(trial)
            return None

        def ended(number: int, fault: str | None) -> None:
            self._end(self.trials[number], "failed" if fault else "stopped", fault)
            sampler.tell(self.trials[number])

        def lost(number: int, why: str) -> None:
            self._end(self.trials[number], "lost", why)
            sampler.tell(self.trials[number])

        self.progress.say(
            f"{places.reason}: {places.folds_at_once} trials at a time on fold {_FOLD}, then the best"
            f" {self.space.search.finalists} on all folds"
        )
        storage = _tune_records(session, self.table.root)
        run_trials(
            Trials(
                first_rung=self.space.search.first_rung, reduction=self.space.search.reduction,
                propose=propose, epoch_done=self._epoch_done, ended=ended,
                lost=lost, known={t.number: tuple(t.scores) for t in self.trials.values() if t.scores},
                look_every_s=_LOOK_EVERY_S if self.table.root.is_local else _LOOK_EVERY_S_REMOTE,
                resources=places.resources_of(self.place), at_once=places.folds_at_once,
                waits_for="a GPU" if places.device == "cuda" else "a worker",
                max_epochs=self._max_epochs(), retries=cluster.retries, stall_s=cluster.stall_s,
                progress=self.progress, check_lease=self.lease.check,
            ),
            # A name per start, so that Tune's records of different starts stay apart.
            storage, f"search-{self.record.starts}",
        )  # fmt: skip
        if left := [number for number in begun if self.trials[number].state == "running"]:
            raise RunFailed(
                f"Ray Tune ended and left trial {left[0]} unfinished; repeat the command."
            )

    def _new_trial(self, sampler: Sampler) -> Trial | None:
        """A trial with new settings; None when the budget is spent, or no new settings are found."""
        number, seen = len(self.trials), [t.settings for t in self.trials.values()]
        if self.exhausted or not self.record.may_begin(number):
            return None
        for attempt in range(_ATTEMPTS):
            settings = sampler.propose(number, attempt)
            if settings not in seen:
                keep = settings.get("train.keep", self.prepared.config.train.keep)
                metric = self.prepared.task.metric
                self.trials[number] = Trial(number, settings, metric=metric, keep=keep)
                return self.trials[number]
        # Remembered, so that the warning comes once and not with every request of Tune.
        self.exhausted = True
        self.progress.warn(f"{number} trials: no other settings were found in this space")
        return None

    def _max_epochs(self) -> int:
        domain = self.space.domains.get("train.epochs")
        if domain is None:
            return self.prepared.config.train.epochs
        # By sampling, which works for ranges and choices alike; 1000 shares reach every whole value of a
        # range of that many.
        return max(int(domain.at(share)) for share in np.linspace(0, 1, 1000, endpoint=False))

    def _begin(self, trial: Trial, session: "Session") -> "FoldJob | None":
        """Prepare the trial's run; None when it is refused, or cannot start now."""
        trial.state, trial.error = "running", None
        self.table.write(trial)
        if not self.table.is_written(trial):
            # After a kill its number would be free, and another trial would find its run.
            self._set_aside(trial, "lost", "its record could not be written")
            return None
        try:
            context = self.runs.begin(trial, quietly=True)
        except (OSError, RunFailed, UserError) as e:
            own = isinstance(e, UserError) and not is_transient(e)
            self._set_aside(trial, "refused" if own else "lost", str(e))
            return None
        try:
            return self._place(trial, context, session)
        except (OSError, UserError) as e:
            if not is_transient(e):
                raise  # about the machines or the disk: all trials would meet it
            self._set_aside(trial, "lost", str(e))
            return None

    def _place(self, trial: Trial, context: RunContext, session: "Session") -> "FoldJob":
        plan = place(context, session, {_FOLD: self.threads})
        # Decoded once for all trials of the same size and crop. Running trials hold the CPUs and wait
        # for this loop, so the tasks must request none: pinned to this node with 0 CPUs, also on a local
        # Ray.
        decode(context, session.ray.get_runtime_context().get_node_id())
        self.progress.say(f"trial {trial.number}: {trial.words}")
        return jobs(context, plan, session.own_node())[_FOLD]

    def _set_aside(self, trial: Trial, state: Literal["refused", "lost"], why: str) -> None:
        trial.state, trial.error = state, " ".join(why.split())
        self.table.write(trial)
        what = "has invalid settings" if state == "refused" else "cannot start now"
        self.progress.warn(f"trial {trial.number} {what}: {trial.error}")
        if state == "lost":
            self.losses.add(trial.error)

    def _epoch_done(self, number: int) -> None:
        # Before the record is written, which may belong to another command by now.
        self.lease.check()
        self.losses.reset()
        trial = self.trials[number]
        self._read_scores(trial)
        self.table.write(trial)
        if trial.scores:
            self.progress.say(
                f"trial {number} epoch {len(trial.scores)}"
                f" {trial.metric}={shown_score(trial.metric, trial.scores[-1])}"
            )

    def _read_scores(self, trial: Trial) -> None:
        # From the run's own file, not from Tune's reports, which an earlier start may have received.
        history = self._fold_of(trial).history()
        # Storage that is unavailable for a moment must not erase what is known.
        scores = [entry.score for entry in history if entry.score is not None]
        trial.scores = scores or trial.scores

    def _fold_of(self, trial: Trial) -> Fold:
        return Run(self.table.folder_of(trial)).fold(_FOLD)

    def _end(self, trial: Trial, state: State, why: str | None) -> None:
        """Record how a trial ended; the state and reason given hold unless its fold is done."""
        self._read_scores(trial)
        try:
            # The files decide: a worker may be lost after it has written its last file.
            if self._fold_of(trial).is_done:
                state, why = "finished", None
        except (OSError, UserError) as e:
            if not is_transient(e):
                raise
            # Whether it is done is unknown now; the next start of the command reads the folder again.
            state, why = "lost", f"its folder cannot be read ({e})"
        trial.state, trial.error = state, None if why is None else " ".join(why.split())
        self.table.write(trial)
        shown = f", {TITLES[trial.metric]} {shown_score(trial.metric, trial.best)}"
        best = "" if trial.best is None else shown
        text = f"trial {trial.number} {state} after {len(trial.scores)} epochs{best}"
        report = self.progress.say if why is None else self.progress.warn
        report(text if why is None else f"{text}: {trial.error}")
        if state == "lost":
            self.losses.add(trial.error)
        else:
            self.losses.reset()


def _tune_records(session: "Session", root: Folder) -> str:
    """Where Ray Tune keeps its records; they are not used, so those of a local Ray are temporary."""
    if session.temporary is None:
        return root.child("ray").location
    return str(session.temporary / "tune")
