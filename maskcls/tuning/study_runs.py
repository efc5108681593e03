"""The runs of a study: ordinary runs below its folder, on data that is read once and on one Ray."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from maskcls.config.layers import Value
from maskcls.core.errors import FoldsFailed, RunFailed, UserError, is_transient
from maskcls.core.metrics import TITLES, shown_score
from maskcls.core.progress import Progress
from maskcls.runs.prepare import Prepared
from maskcls.runs.run import RunContext, begin, note_dashboard
from maskcls.runs.whole_run import train_whole
from maskcls.store.folder import Folder
from maskcls.store.lease import Lease
from maskcls.store.results import Metrics
from maskcls.store.run import Run
from maskcls.tuning.backoff import TrialLosses
from maskcls.tuning.shared_data import SharedData
from maskcls.tuning.study_plan import BASE, Change, config_of, in_order, run_name
from maskcls.tuning.trial_runs import Quietly

if TYPE_CHECKING:
    from maskcls.cluster.session import Session

_STEPS = ("pixels", "folds", "collect")


@dataclass(frozen=True)
class StudyRun:
    """A run that a study has or will have: its folder's name, and the change in it ("base").

    is_done: finished, in seconds [s], which are None before. begun: there is something to resume.
    """

    name: str
    change: str
    seed: int
    is_done: bool
    begun: bool
    seconds: float | None


def look(root: Folder, changes: Sequence[Change], seeds: Sequence[int]) -> list[StudyRun]:
    """All runs of these changes and seeds, in the order in which they are trained."""
    found = []
    for change, seed in in_order(changes, seeds):
        name = run_name(change, seed)
        run = Run(root.child(name))
        begun = run.exists
        metrics = run.metrics() if begun and run.is_collected else None
        seconds = None if metrics is None else _seconds(metrics)
        text = change.text if change else BASE
        found.append(StudyRun(name, text, seed, metrics is not None, begun, seconds))
    return found


def _seconds(metrics: Metrics) -> float | None:
    # Without the start of Ray, which a study pays once. A run that was resumed has the last part only.
    return sum(metrics.time_s.get(step, 0.0) for step in _STEPS) or None


def seconds_left(runs: Sequence[StudyRun]) -> float | None:
    """About how long the runs that are not done take [s]; None before the first is done.

    By the mean of the same change's finished runs, else of all.
    """
    known = [(run.change, run.seconds) for run in runs if run.seconds is not None]
    if not known:
        return None
    of_all = [seconds for _, seconds in known]
    left = 0.0
    for run in runs:
        if not run.is_done:
            own = [seconds for change, seconds in known if change == run.change] or of_all
            left += sum(own) / len(own)
    return left


class StudyRuns:
    """Prepares and trains the runs of one command on a study.

    prepared: of the base, with the study's folder as its run. base: the settings that changes change.
    """

    def __init__(
        self, prepared: Prepared, base: Mapping[str, Value], progress: Progress,
        command: Sequence[str],
    ) -> None:  # fmt: skip
        self.root, self._base, self._command = prepared.run.folder, base, command
        self._cache, self._cluster = prepared.cache, prepared.config.cluster
        self._shared, self._progress = SharedData(prepared), progress
        self._quietly = _WithFolds(progress, set())

    def check(self, changes: Sequence[Change], seed: int) -> None:
        """Prepare every change once, without writing; UserError with all that is wrong with them."""
        faults = []
        for change in changes:
            try:
                self._prepared(change, seed)
            except UserError as e:
                if is_transient(e):
                    raise
                faults += [f"--change {change.text}: {line}" for line in str(e).splitlines()]
        if faults:
            raise UserError("\n".join(faults))

    def _prepared(self, change: Change | None, seed: int) -> Prepared:
        run = Run(self.root.child(run_name(change, seed)))
        return self._shared.for_run(run, config_of(self._base, change, seed))

    def train(
        self, changes: Sequence[Change], seeds: Sequence[int], failed: dict[str, str], lease: Lease
    ) -> Iterator[None]:
        """Train what is left, seed by seed; yields when there is something to compare, and at the end.

        failed: receives why a run has failed, by its name; the others go on. lease: of the study. Raises
        RunFailed when the first run of the base fails by its training: there is nothing to compare with.
        """
        losses, num_trained = TrialLosses(self._progress, "runs"), 0
        losses.begin()
        with ExitStack() as stack:
            rays = _OneRay(stack, self)
            for seed in seeds:
                before = num_trained
                for change in (None, *changes):
                    name = run_name(change, seed)
                    if self._is_done(name):
                        failed.pop(name, None)
                        continue
                    if losses.too_many:
                        yield
                        return
                    time.sleep(losses.pause_s)
                    try:
                        metrics = self._train(change, seed, lease, rays)
                    except (OSError, RunFailed, UserError) as e:
                        # A run that fails must not end the study, but a lost lease must.
                        lease.check()
                        failed[name] = " ".join(str(e).split())
                        self._progress.warn(f"{name}: {e}")
                        if not isinstance(e, FoldsFailed) or not e.by_training:
                            losses.add(str(e).partition("\n")[0])
                        elif change is None and not num_trained:
                            raise
                    else:
                        failed.pop(name, None)
                        losses.reset()
                        num_trained += 1
                        self._progress.say(
                            score_line(name, metrics, look(self.root, changes, seeds))
                        )
                if num_trained > before or seed == seeds[-1]:
                    yield

    def _is_done(self, name: str) -> bool:
        run = Run(self.root.child(name))
        return run.exists and run.is_collected

    def _train(self, change: Change | None, seed: int, lease: Lease, rays: "_OneRay") -> Metrics:
        own = self._prepared(change, seed)
        with Lease(own.run.folder, "study", self._progress.say) as lease_of_run:

            def check() -> None:
                lease.check()
                lease_of_run.check()

            context = begin(own, self._quietly, check)
            return train_whole(
                context, self._command, lease_of_run, rays.lend, rays.workers.make_fit
            )[1]

    def start_ray(self, stack: ExitStack) -> "Session":
        """Start or join Ray, until the stack is left."""
        from maskcls.cluster.session import ray_session

        return stack.enter_context(
            ray_session(self._cache, self._cluster.dashboard, self._progress)
        )


def score_line(name: str, metrics: Metrics, runs: Sequence[StudyRun]) -> str:
    """A finished run's score with its interval, and how far the study is."""
    assert metrics.oof is not None  # a study refuses folds.scheme=all
    score, judged, done = metrics.oof.score, metrics.oof.judged, sum(run.is_done for run in runs)
    interval = f" {judged.interval}" if judged and judged.interval else ""
    left = seconds_left(runs)
    about = f", about {minutes(left)} left" if left else ""
    return (
        f"{name}: {TITLES[score.metric]} {shown_score(score.metric, score.score)}{interval}"
        f" ({done} of {len(runs)} runs{about})"
    )


class _OneRay:
    """One session, started for the first run that needs it, and the workers that are kept in it."""

    def __init__(self, stack: ExitStack, runs: StudyRuns) -> None:
        from maskcls.cluster.warm import WarmWorkers

        self._stack, self._runs = stack, runs
        self._session: Session | None = None
        self.workers = WarmWorkers()

    @contextmanager
    def lend(self, context: RunContext) -> "Iterator[Session]":
        """The session, for one run; see whole_run.Sessions."""
        if self._session is None:
            self._session = self._runs.start_ray(self._stack)
        note_dashboard(context, self._session.dashboard)
        yield self._session


class _WithFolds(Quietly):
    """Quietly, with the state of the folds: the runs are trained one after another."""

    def folds(self, states: Sequence[Any]) -> None:
        """See Progress."""
        self._progress.folds(states)


def minutes(seconds: float) -> str:
    """A duration as a sentence has it: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
