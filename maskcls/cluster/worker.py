"""The functions that run inside a worker on Ray: a fold in Ray Train or in a process that is kept, or a
trial's fold 0 in Ray Tune.

All unpack the job, decode missing images, call training.run_fold, and return an Outcome: Ray does not
distinguish an error in training from a lost machine, so our own errors must not look like failures to
Ray.
"""

import ctypes
import logging
from dataclasses import asdict, replace
from typing import Any, TypedDict

from maskcls.cluster import nodes
from maskcls.cluster.reporter import Reporter
from maskcls.core.errors import StorageError
from maskcls.core.history import EpochEntry, is_finished
from maskcls.core.outcome import Outcome, outcome_of
from maskcls.store.folder import Folder
from maskcls.store.places import cache_root
from maskcls.store.run import Run
from maskcls.training.job import FoldJob

_log = logging.getLogger(__name__)

ENVIRONMENT = {
    # Settings with which glibc's allocator keeps freed memory instead of returning it to the system:
    # 57 images/s instead of 49, and a quarter of the page faults (tf_efficientnet_lite0 at 128x96, one
    # thread). One arena, since training runs outside the main thread, and other arenas return large
    # blocks at once.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "1000000000000",
    "MALLOC_TOP_PAD_": "268435456",
}
_KEEP = {-1: 10**9, -3: 2**30, -8: 1}  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX of malloc.h


class FoldError(Exception):
    """Raised in a worker of a fold with several workers; carries the Outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def train_fold(arguments: dict[str, FoldJob]) -> Outcome:
    """The function that Ray Train runs in every worker of a fold; arguments: {"job": FoldJob}.

    With several workers, an error is raised as FoldError: the others wait in a collective, and Ray ends
    them only when one raises.
    """
    import ray.train

    job, context = arguments["job"], ray.train.get_context()
    alone, rank = context.get_world_size() == 1, context.get_world_rank()
    try:
        reporter = Reporter(job, rank, lambda entry: ray.train.report(_reported(entry)))
        job = _start(job, reporter)
        # Imported after the first heartbeat, see _start.
        from maskcls.training.fold import run_fold
        from maskcls.training.rank import Alone, Distributed

        run_fold(job, Alone() if alone else Distributed(), reporter)
        return Outcome("done")
    except Exception as e:  # whatever it is, the driver shows it and the log keeps it
        outcome = _outcome_here(_peer_lost(e) if not alone and is_lost_peer(e) else e)
    if not alone:
        raise FoldError(outcome)
    return outcome


def train_alone(job: FoldJob) -> Outcome:
    """A fold in a process that trains several, one after another (cluster/warm.py)."""
    try:
        reporter = Reporter(job, 0, lambda entry: None)
        job = _start(job, reporter)
        from maskcls.training.fold import run_fold
        from maskcls.training.rank import Alone

        run_fold(job, Alone(), reporter)
        return Outcome("done")
    except Exception as e:  # as in train_fold
        return _outcome_here(e)


def _start(job: FoldJob, reporter: Reporter) -> FoldJob:
    """Report, then make the pixels that are missing here; the job with this node's own cache."""
    from ray.exceptions import RayError, RayTaskError

    job = with_own_cache(job)
    # Before the first heartbeat, which would create the run's folder on a node that does not reach it.
    nodes.require_here(job)
    # Before torch and timm are imported: that takes a minute on a slow node, and the supervisor would
    # report that the fold waits for resources.
    reporter.beat("starting")
    try:
        nodes.ensure_here(job, reporter)
    except RayError as e:
        if isinstance(e, RayTaskError):  # an error of our own code, which would come again
            raise
        raise StorageError(f"decoding here was lost ({e})") from e
    return job


def _outcome_here(error: Exception) -> Outcome:
    """See outcome_of; with the node, which after a GPU fault is not the next attempt's first choice."""
    import ray

    outcome = outcome_of(error)
    if not outcome.leave_node:
        return outcome
    return replace(outcome, node=ray.get_runtime_context().get_node_id())


def with_own_cache(job: FoldJob) -> FoldJob:
    """The job with the cache folder of this node instead of the driver's."""
    import ray

    if job.home in (None, ray.get_runtime_context().get_node_id()):
        return job
    return job.with_cache_at(cache_root(job.config.cluster.cache_dir))


def _reported(entry: EpochEntry) -> dict[str, float]:
    """The values of an epoch that Ray shows, and by which ASHA decides."""
    names = ("epoch", "train_loss", "score", "images_per_s")
    values = {name: getattr(entry, name) for name in names}
    # ASHA lets a trial go on whose result lacks the score, but cannot compare one that is None.
    return {name: value for name, value in values.items() if value is not None}


def is_lost_peer(error: Exception) -> bool:
    """Whether a worker's error means that another worker of its fold was lost."""
    # By its text: torch raises a plain RuntimeError for most failures of a collective.
    text = str(error).lower()
    if "duplicate gpu" in text or "invalid usage" in text:  # NCCL's messages for errors that recur
        return False
    signs = ("connection closed", "connection reset", "nccl", "gloo", "broken pipe", "socket")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)


def _peer_lost(error: Exception) -> Exception:
    from maskcls.training.rank import PeerLost

    return PeerLost(str(error))


class TrialConfig(TypedDict):
    """What Tune passes to a trial. number: the trial's. job: a list with a reference to its FoldJob."""

    number: int
    job: list[Any]


def train_trial(config: TrialConfig) -> None:
    """The function that Ray Tune runs for each trial.

    Reports each epoch's numbers, with last: no epoch follows; then {"outcome": the Outcome's fields}.
    """
    import ray
    from ray import tune

    # By a call: ENVIRONMENT is given to the workers of Ray Train, not to Tune's actors.
    _keep_memory()
    job: FoldJob = ray.get(config["job"][0])

    def report(entry: EpochEntry) -> None:
        train = job.config.train
        history = Run(Folder.at(job.run)).fold(job.fold).history()
        # The trial itself says so, since train.epochs may be searched and patience may end it earlier.
        last = is_finished(history, train.epochs, train.patience)
        tune.report(_reported(entry) | {"last": last})

    try:
        reporter = Reporter(job, 0, report)
        job = _start(job, reporter)
        from maskcls.training.fold import run_fold
        from maskcls.training.rank import Alone

        run_fold(job, Alone(), reporter)
        outcome = Outcome("done")
    except Exception as e:
        outcome = _outcome_here(e)
        _log.exception("trial %s", config["number"])
    tune.report({"outcome": asdict(outcome)})


def _keep_memory() -> None:
    """The allocator settings of ENVIRONMENT, for a process that is already running (glibc)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library, such as musl; only speed is lost
        return
    for option, value in _KEEP.items():
        mallopt(option, value)
