"""`maskcls status`: progress of runs and searches, from their own records.

Where a Ray cluster is reachable, its information about the workers is added.
"""

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace

from maskcls.cluster.dashboard import address_of, is_loopback, look_at_workers, token_of
from maskcls.core.errors import UserError
from maskcls.core.interval import Interval
from maskcls.core.progress import FoldState
from maskcls.core.task import MetricName
from maskcls.store.folder import Folder
from maskcls.store.heartbeat import Heartbeat
from maskcls.store.places import read_token
from maskcls.store.record import Start
from maskcls.store.run import Run
from maskcls.tuning.search_record import is_search, read_search
from maskcls.tuning.trials import Trial, ranked, read_trials

# Well above the interval of heartbeats, 1 to 5 s, and the time in which a worker imports torch.
SILENT_S = 120.0
"""A fold in progress that has reported nothing for this time is shown as silent [s]."""


@dataclass(frozen=True)
class WorkerStatus:
    """What is known about a fold's worker; None where it has not reported, or Ray was not reached.

    node, worker: Ray's ids. gpu_idle: share of the samples at which its GPU was idle. silent_s:
    since its last heartbeat [s]. state, log: see cluster/dashboard.py.
    """

    host: str | None = None
    node: str | None = None
    worker: str | None = None
    pid: int | None = None
    gpus: list[str] | None = None
    gpu_idle: float | None = None
    silent_s: float | None = None
    state: str | None = None
    log: str | None = None


@dataclass(frozen=True)
class RunStatus:
    """A run's folds, and its out-of-fold score once all of them are done.

    workers: of each fold. metric: the one that ranks; score: of it, higher is better. left_s: the
    maximum time left of the folds in progress [s]; folds that wait are not counted. exit_code: of the
    run's last command, None while it works or is unknown. interval: of the metric's value.
    """

    run: str
    folds: tuple[FoldState, ...]
    workers: tuple[WorkerStatus, ...]
    metric: MetricName
    score: float | None
    interval: Interval | None
    left_s: float | None
    exit_code: int | None

    @property
    def done(self) -> int:
        """Folds that are done."""
        return sum(state.phase == "done" for state in self.folds)

    @property
    def over(self) -> bool:
        """Whether all folds are done, or the command has ended without finishing them."""
        return self.done == len(self.folds) or self.exit_code is not None


@dataclass(frozen=True)
class SearchStatus:
    """A search's trials, best first; seconds: spent so far; over: its last command has ended."""

    search: str
    trials: tuple[Trial, ...]
    seconds: float
    over: bool


def status(run: str, address: str | None = None) -> RunStatus | SearchStatus:
    """Read the folder of a run or of a search; raises UserError when it is neither.

    address: see run_status.
    """
    folder = Folder.at(run)
    return search_status(folder) if is_search(folder) else run_status(folder, address)


def runs_in(folder: Folder, warn: Callable[[str], None]) -> list[str]:
    """Locations of the runs and searches directly in a folder, by name.

    warn: called for each that cannot be read; these are skipped.
    """
    found = []
    for inside in (folder.child(entry.name) for entry in folder.list() if not entry.is_file):
        # One folder without permission must not hide the other runs.
        try:
            if is_search(inside) or (Run(inside).exists and Run(inside).record() is not None):
                found.append(inside.location)
        except (OSError, UserError) as e:
            warn(f"{inside} is skipped: {e}")
    return found


def search_status(folder: Folder) -> SearchStatus:
    """Read the folder of a search."""
    content = read_search(folder)
    over = content.last_start is not None and content.last_start.ended is not None
    trials = tuple(ranked(read_trials(folder)))
    return SearchStatus(folder.shown, trials, content.seconds, over)


def run_status(folder: Folder, address: str | None = None) -> RunStatus:
    """Read the folder of a run; raises UserError when it is none.

    address: of Ray's dashboard; otherwise RAY_API_SERVER_ADDRESS, or the one that the run recorded.
    """
    run = Run.open(folder)
    train, last = run.config.train, _last_start(run)
    # Before its first files are complete, nothing has been scored.
    metric: MetricName = run.task.metric if run.has_task or run.is_prepared else "macro_f1"
    exit_code = last.exit_code if last is not None and last.ended else None
    states: list[FoldState] = []
    beats: list[Heartbeat | None] = []
    for fold in run.folds():
        beat = fold.heartbeat()
        attempt = fold.attempt()
        if beat and attempt is not None and beat.token != attempt.token:
            beat = None  # of an attempt that was lost; the next one has not reported yet
        if beat and last is not None and exit_code is None and beat.is_before(last.started):
            beat = None  # of an earlier command; the current one has not started the fold yet
        state = fold.state(train.epochs, beat, metric, train.keep)
        _judge_silence(state, beat, exit_code)
        states.append(state)
        beats.append(beat)
    workers = _workers(run, beats, address)
    left = [s.left_s for s in states if s.left_s is not None]
    metrics = run.metrics()
    # Without a validation set (folds.scheme=all) there is no score.
    score = metrics.oof.score.score if metrics and metrics.oof else None
    return RunStatus(
        folder.shown,
        tuple(states),
        tuple(workers),
        metric,
        score,
        metrics.oof.judged.interval if metrics and metrics.oof and metrics.oof.judged else None,
        max(left, default=None),
        exit_code,
    )


def _judge_silence(state: FoldState, beat: Heartbeat | None, exit_code: int | None) -> None:
    """Correct the state of a fold whose command has ended, or whose worker is silent."""
    # A heartbeat stays in the folder after a kill, and would show the fold as training for good.
    silent_s = beat.age_s() if beat else None
    if state.phase != "done" and exit_code is not None:
        state.phase, state.left_s = "stopped" if beat else "waiting", None
    elif state.phase not in ("done", "waiting") and silent_s is not None and silent_s > SILENT_S:
        state.note = f"has reported nothing for {silent_s:.0f} s; is the command still running?"
        state.left_s = None


def _workers(run: Run, beats: list[Heartbeat | None], given: str | None) -> list[WorkerStatus]:
    """The workers by their heartbeats, with Ray's information where it is reached."""
    address, token = address_of(given), token_of()
    if address is None and (local := _dashboard_of(run)) is not None:
        # A local Ray's dashboard has a token of its own, which is not that of any cluster.
        address, token = local, read_token(run.config.cluster.cache_dir)
    found = look_at_workers(beats, address, token) if address else None
    workers = []
    for beat, side in zip(beats, found or [None] * len(beats), strict=True):
        status = WorkerStatus()
        if beat is not None:
            status = WorkerStatus(
                beat.host, beat.node, beat.worker, beat.pid, beat.gpus, beat.gpu_idle, beat.age_s()
            )
        if side is not None:
            status = replace(status, state=side.state, log=side.log)
        workers.append(status)
    return workers


def _dashboard_of(run: Run) -> str | None:
    """The dashboard of the command that currently works on the run, if its Ray is local."""
    last = _last_start(run)
    # Only on the same machine: elsewhere, 127.0.0.1 would be another program, which would get the token.
    if last is None or last.ended is not None or last.host != platform.node():
        return None
    return last.dashboard if last.dashboard and is_loopback(last.dashboard) else None


def _last_start(run: Run) -> Start | None:
    """The record's entry of the last command on the run."""
    record = run.record()
    return record.last_start if record else None
