"""overhead25: what 25 x 5 folds cost when training is empty, against bare empty fits.

Trial after trial: five folds through our own queue (cluster/fold_queue.py, cluster/trainer.py),
with nothing but the training function replaced. In every fifth trial also, in turn with it, as many bare
`DataParallelTrainer.fit()`, so many at a time as the queue has, and one at a time. All in one Ray
session and with its settings, so the bare ones, too, are polled once a second and not, as by
default, every two. A search's own trials go through Ray Tune (cluster/tune.py) and are not
measured here.
"""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any
from unittest import mock

import psutil

from maskcls.cli.progress import make_progress
from maskcls.cluster.plan import Plan, make_plan
from maskcls.cluster.session import Session, ray_session
from maskcls.config.resolve import resolve
from maskcls.config.schema import Cluster, Config
from maskcls.core.progress import Progress
from maskcls.pixels.cache import CachePlace
from maskcls.pixels.geometry import Geometry
from maskcls.store.folder import Folder
from maskcls.training.job import FoldJob
from tests.benchmarks.scaling.fits import Fit, Timed, bare_trainer, empty_training, fit_all
from tests.benchmarks.scaling.steps import peak_mib
from tests.tasks import MASK

NAME = "overhead25"
SIZES = (125,)
FOLDS = 5
_AT_ONCE = 2
_OURS, _BARE, _ALONE = "ours", "bare", "bare one at a time"
_BARE_EVERY = 5  # all of them in every trial would take two hours
_END_S = 15.0  # what ending Ray takes, at most


@dataclass
class _Way:
    """One of the ways to run folds, and what its trials have cost so far."""

    run: Callable[[int], list[Fit]]
    at_once: int
    fits: list[Fit] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=dict)
    """Of each trial that it had a part in."""
    cpu_s: float = 0.0

    def run_trial(self, trial: int) -> None:
        """Five folds, timed; the machine's CPU time counts, since Ray's processes are many."""
        started, cpu = time.monotonic(), _machines_cpu_s()
        self.fits += self.run(trial)
        self.seconds[trial] = time.monotonic() - started
        self.cpu_s += _machines_cpu_s() - cpu

    def figures(self) -> dict[str, float]:
        """Seconds of a fold, and where they go.

        start_s: until the training function runs. end_s: from its end until fit() returns. between_s:
        of a place among those at once, until the next fit() is called in it, empty places of a trial's
        last round included. per_fold_s is wall time over folds.
        """
        per_fold = sum(self.seconds.values()) / len(self.fits)
        whole = mean(fit.ended - fit.asked for fit in self.fits)
        found = {
            "per_fold_s": per_fold,
            "fit_s": whole,
            "start_s": mean(fit.began - fit.asked for fit in self.fits),
            "end_s": mean(fit.ended - fit.began for fit in self.fits),
            "between_s": self.at_once * per_fold - whole,
            "machine_cpu_s_per_fold": self.cpu_s / len(self.fits),
        }
        return {name: round(value, 3) for name, value in found.items()}


def measure(size: int, seconds: float, folder: Path) -> dict[str, Any]:
    """See the package; as many trials as fit into the seconds, at least one."""
    ends, begun = time.monotonic() + seconds - _END_S, time.monotonic()
    # With the dashboard: without it, the bare fits' cleaner of placement groups has nobody to ask.
    with make_progress() as progress, ray_session(folder / "cache", True, progress) as session:
        ways = _ways(session, folder, progress)
        # Whoever is first finds Ray cold, and modules that are not yet imported.
        importlib.import_module("maskcls.cluster.fold_queue")
        fit_all([Timed(bare_trainer("warm-up", _storage(session), {"CPU": 1}), [])], at_once=1)
        warm = time.monotonic()
        trials, longest = 0, {False: 0.0, True: 0.0}
        while trials < size // FOLDS:
            compared = trials % _BARE_EVERY == 0
            started = time.monotonic()
            if trials and started + longest[compared] > ends:
                break
            names = list(ways) if compared else [_OURS]
            # In turn, so that none of them is always first.
            for name in names[trials % len(names) :] + names[: trials % len(names)]:
                ways[name].run_trial(trials)
            longest[compared] = max(longest[compared], time.monotonic() - started)
            trials += 1
        warm_s = time.monotonic() - warm
    return _result(ways, trials, size, warm_s, time.monotonic() - begun)


def _ways(session: Session, folder: Path, progress: Progress) -> dict[str, _Way]:
    plan = make_plan(Cluster(gpus=0, threads=1, folds_at_once=_AT_ONCE), FOLDS, session.machine())
    storage, config = _storage(session), resolve("smoke")

    def bare(kind: str, at_once: int) -> Callable[[int], list[Fit]]:
        def run(trial: int) -> list[Fit]:
            found: list[Fit] = []
            names = [f"bare-{kind}-{trial}-{fold}" for fold in range(FOLDS)]
            trainers = [Timed(bare_trainer(name, storage, {"CPU": 1}), found) for name in names]
            fit_all(trainers, at_once)
            return found

        return run

    def ours(trial: int) -> list[Fit]:
        jobs = _jobs(folder / f"trial-{trial}", config)
        return _through_our_queue(jobs, plan, Folder.at(storage), progress)

    return {
        _OURS: _Way(ours, plan.folds_at_once),
        _BARE: _Way(bare("many", plan.folds_at_once), plan.folds_at_once),
        _ALONE: _Way(bare("one", 1), 1),
    }


def _storage(session: Session) -> str:
    """Where Ray Train keeps its records, as in a local run."""
    assert session.temporary is not None, "RAY_ADDRESS is set; this needs a Ray of its own"
    return str(session.temporary / "train")


def _through_our_queue(
    jobs: list[FoldJob], plan: Plan, storage: Folder, progress: Progress
) -> list[Fit]:
    """A trial's folds by our queue, less the training."""
    # Only now: these import Ray, which reads its environment once, and ray_session has set it.
    from maskcls.cluster import fold_queue as folds
    from maskcls.cluster import trainer, worker

    found: list[Fit] = []
    real, name = trainer.make_trainer, Path(jobs[0].run).name
    settings = folds.QueueSettings(name, storage, is_local=True, retries=0, stall_s=600.0)
    with (
        mock.patch.object(worker, "train_fold", empty_training()),
        mock.patch.object(trainer, "make_trainer", lambda *a: Timed(real(*a), found)),
    ):
        outcomes = folds.FoldQueue(jobs, plan, settings, progress, lambda: None).run()
    wrong = {fold: outcome for fold, outcome in outcomes.items() if outcome.kind != "done"}
    if wrong:
        raise RuntimeError(f"{name}: {wrong}")
    return found


def _jobs(run: Path, config: Config) -> list[FoldJob]:
    """As a run's own, but for pixels that are nowhere."""
    run.mkdir()
    place = CachePlace(run / "cache", "none", 0, Geometry(config.image.crop, config.image.size))
    return [
        FoldJob(str(run), str(run), fold, config, place, None, "cpu", 1, task=MASK)
        for fold in range(FOLDS)
    ]


def _result(
    ways: dict[str, _Way], trials: int, wanted: int, warm_s: float, whole_s: float
) -> dict[str, Any]:
    """Ratios are of the trials that had all ways in turn; the figures of ours are of all trials."""
    ours, bare, alone = (ways[name].seconds for name in (_OURS, _BARE, _ALONE))
    figures = {name: way.figures() for name, way in ways.items()}
    ratios = [ours[trial] / seconds for trial, seconds in bare.items()]
    compared = sum(ours[trial] for trial in bare)
    return {
        "size": trials * FOLDS,
        "rows": None,
        "seconds": round(warm_s, 3),
        "peak_mib": round(peak_mib(), 1),
        "bytes_per_row": None,
        "details": {
            "folds": trials * FOLDS,
            "of": wanted,
            "at_once": ways[_OURS].at_once,
            "compared_trials": len(bare),
            "ratio": round(compared / sum(bare.values()), 3),
            "ratio_of_trials": [round(min(ratios), 3), round(max(ratios), 3)],
            "ratio_to_one_at_a_time": round(compared / sum(alone.values()), 3),
            "start_warm_up_and_end_s": round(whole_s - warm_s, 1),
            **figures,
        },
    }


def _machines_cpu_s() -> float:
    """CPU time that all processes of the machine have had [s]."""
    times = psutil.cpu_times()
    return float(times.user + times.system)
