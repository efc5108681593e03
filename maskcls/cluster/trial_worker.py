"""Inside a trial's actor: train fold 0 of the trial's run, or go on with it; tell Ray Tune."""

import ctypes
import logging
from typing import Any

from ray import tune

from maskcls.core.errors import UserError
from maskcls.core.trouble import may_pass
from maskcls.store.fold_states import read_history
from maskcls.store.paths import Folder
from maskcls.store.run_files import best_of
from maskcls.training.job import FoldJob

_log = logging.getLogger(__name__)
_KEEP = {-1: 10**9, -3: 2**30, -8: 1}  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX of malloc.h


def train_trial(config: dict[str, Any]) -> None:
    """The function that Ray Tune runs for each trial.

    config: {"number": of the trial, "job": [reference of its FoldJob]}. Reports each epoch's numbers,
    with last: no epoch follows; then, if its settings or its training are at fault, {"fault": why}.
    Raises what need not come again, and Tune tries the trial again.
    """
    import ray

    from maskcls.cluster import fetch
    from maskcls.cluster.worker import Teller, with_own_cache

    _keep_memory()
    job = with_own_cache(ray.get(config["job"][0]))

    def report(numbers: dict[str, Any]) -> None:
        tune.report(numbers | {"last": is_last(job, numbers["epoch"])})

    teller = Teller(job, 1, 0, report)
    # Not of the trial: what this machine does not reach, or cannot decode.
    fetch.require_here(job)
    teller.tell("starting")
    from maskcls.training.fold import run_fold
    from maskcls.training.rank import Alone

    fetch.ensure_here(job, teller)
    try:
        run_fold(job, Alone(), teller)
    except Exception as e:
        if may_pass(e):
            raise
        _log.exception("trial %s", config["number"])
        tune.report({"fault": str(e) if isinstance(e, UserError) else f"{type(e).__name__}: {e}"})


def is_last(job: FoldJob, epoch: int) -> bool:
    """Whether the fold only has to write its logits after this epoch, as training/fold.py sees it."""
    train = job.config["train"]
    if epoch >= train["epochs"]:
        return True
    best = best_of(read_history(Folder.at(job.run), job.fold)) if train["patience"] else None
    return best is not None and bool(epoch - best["epoch"] >= train["patience"])


def _keep_memory() -> None:
    """The allocator settings of worker.ENVIRONMENT, for a process that runs already (glibc)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    for option, value in _KEEP.items():
        mallopt(option, value)
