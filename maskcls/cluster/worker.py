"""What runs inside a worker on Ray: a fold of a run in Ray Train, or a trial's fold 0 in Ray Tune.

Both unpack the job, make missing pixels, call training.run_fold, and return an Outcome: Ray's retry
policy cannot tell an error in training from a lost machine, so no error of ours may look like a
failure to Ray.
"""

import ctypes
import logging
from dataclasses import asdict, replace
from typing import Any

from maskcls.cluster import nodes
from maskcls.cluster.reporter import Reporter
from maskcls.core.errors import StorageError
from maskcls.core.history import EpochEntry, is_finished
from maskcls.core.outcome import Outcome, outcome_of
from maskcls.store.paths import Folder
from maskcls.store.places import cache_root
from maskcls.store.run import Run
from maskcls.training.job import FoldJob

_log = logging.getLogger(__name__)

ENVIRONMENT = {
    # An allocator that keeps its memory: tf_efficientnet_lite0 at 128x96, one thread: 49 -> 57
    # images/s and a quarter of the page faults (glibc). One arena, since the training thread is
    # not the main one and other arenas give big blocks back at once.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "1000000000000",
    "MALLOC_TOP_PAD_": "268435456",
}
_KEEP = {-1: 10**9, -3: 2**30, -8: 1}  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX of malloc.h


class FoldError(Exception):
    """How a fold with several workers ended in one of them; carries the Outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def train_fold(arguments: dict[str, FoldJob]) -> Outcome:
    """The function that Ray Train runs in every worker of a fold; arguments: {"job": FoldJob}.

    With several workers, an error is raised as FoldError: the others wait in a collective, and only
    raising ends them.
    """
    import ray.train

    job, context = arguments["job"], ray.train.get_context()
    alone, rank = context.get_world_size() == 1, context.get_world_rank()
    try:
        reporter = Reporter(job, rank, lambda entry: ray.train.report(_shown(entry)))
        job = _start(job, reporter)
        from maskcls.training.fold import run_fold
        from maskcls.training.rank import Alone, Distributed

        run_fold(job, Alone() if alone else Distributed(), reporter)
        return Outcome("done")
    except Exception as e:  # whatever it is, the driver shows it and the log keeps it
        outcome = _outcome_here(_peer_lost(e) if not alone and is_lost_peer(e) else e)
    if not alone:
        raise FoldError(outcome)
    return outcome


def _start(job: FoldJob, reporter: Reporter) -> FoldJob:
    """Report, then make the pixels that are missing here; the job with this node's own cache."""
    from ray.exceptions import RayError, RayTaskError

    job = with_own_cache(job)
    # Before the first heartbeat: writing it makes the run's folder, which would seem to be there.
    nodes.require_here(job)
    # Before torch and timm are imported, which takes seconds: the supervisor would say that it waits.
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
    """The job with its decoded images where this machine keeps such things, not the driver's."""
    import ray

    if job.home in (None, ray.get_runtime_context().get_node_id()):
        return job
    return job.with_cache_at(cache_root(job.config.cluster.cache_dir))


def _shown(entry: EpochEntry) -> dict[str, Any]:
    """What Ray's own display gets of an epoch."""
    names = ("epoch", "train_loss", "macro_f1", "images_per_s")
    return {name: getattr(entry, name) for name in names}


def is_lost_peer(error: Exception) -> bool:
    """Whether a worker's error says that another worker of its fold went away."""
    text = str(error).lower()
    if "duplicate gpu" in text or "invalid usage" in text:  # NCCL's words for what comes again
        return False
    signs = ("connection closed", "connection reset", "nccl", "gloo", "broken pipe", "socket")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)


def _peer_lost(error: Exception) -> Exception:
    from maskcls.training.rank import PeerLost

    return PeerLost(str(error))


def train_trial(config: dict[str, Any]) -> None:
    """The function that Ray Tune runs for each trial.

    config: {"number": of the trial, "job": [reference of its FoldJob]}. Reports each epoch's
    numbers, with last: no epoch follows; then {"outcome": the Outcome's fields}.
    """
    import ray
    from ray import tune

    _keep_memory()
    job: FoldJob = ray.get(config["job"][0])

    def report(entry: EpochEntry) -> None:
        train = job.config.train
        history = Run(Folder.at(job.run)).fold(job.fold).history()
        last = is_finished(history, train.epochs, train.patience)
        tune.report(_shown(entry) | {"last": last})

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
    """The allocator settings of ENVIRONMENT, for a process that runs already (glibc)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    for option, value in _KEEP.items():
        mallopt(option, value)
