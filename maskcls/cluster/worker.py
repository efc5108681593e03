"""Inside a Ray Train worker: unpack the job, call training.run_fold, tell how far it is.

What is told goes into fold-K/progress.json, which the driver and `maskcls status` read; Ray's own
report is for its display. An error in training comes back as a value: Ray's retry policy cannot tell
it from a lost machine, so only what is lost may look like a failure to Ray.
"""

import ctypes
import logging
import os
import platform
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ray import tune

from maskcls.cluster import nodes as fetch
from maskcls.cluster.reporter import FoldMetrics, GpuMeter
from maskcls.core.errors import UserError, may_pass
from maskcls.pixels.cache import cache_root
from maskcls.store.fold_states import read_history
from maskcls.store.paths import Folder
from maskcls.store.run_files import best_of
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
_SHOWN = {
    "maskcls_images_per_second": "images_per_s",
    "maskcls_epoch": "epoch",
    "maskcls_gpu_idle_share": "gpu_idle",
}
_TELL_EVERY_S = 1.0
_TELL_EVERY_S_REMOTE = 5.0


def train_fold(arguments: dict[str, Any]) -> dict[str, Any]:
    """The function that Ray Train runs in every worker of a fold.

    arguments: {"job": FoldJob, "attempt": n}. Returns {"done": fold.json}, {"mistake": sentence} or
    {"error": traceback}; raises only when the fold was lost to the system.
    """
    import ray.train

    job: FoldJob = arguments["job"]
    context = ray.train.get_context()
    alone, rank = context.get_world_size() == 1, context.get_world_rank()
    try:
        return {
            "done": _train(job, Reporter(job, arguments["attempt"], rank, ray.train.report), alone)
        }
    except UserError as e:
        result = {"mistake": str(e)}
    except Exception as e:  # whatever it is, the driver shows it and the log keeps it
        if not alone and _is_lost_peer(e):
            from maskcls.training.rank import PeerLost

            raise PeerLost(str(e)) from e
        result = {"error": f"{type(e).__name__}: {e}", "traceback": traceback.format_exc()}
    if not alone:
        # The other workers wait in a collective: raising ends them, and the value would be lost.
        raise FoldError(result)
    return result


def _train(job: FoldJob, teller: "Reporter", alone: bool) -> dict[str, Any]:
    job = with_own_cache(job)
    # Before a word is told: telling makes the run's folder, and it would seem to be there.
    fetch.require_here(job)
    # Before torch and timm are imported, which takes seconds: the queue would say that it waits.
    teller.tell("starting")
    from maskcls.training.fold import run_fold
    from maskcls.training.rank import Alone, Distributed

    fetch.ensure_here(job, teller)
    return run_fold(job, Alone() if alone else Distributed(), teller)


def with_own_cache(job: FoldJob) -> FoldJob:
    """The job with its decoded images where this machine keeps such things, not the driver's."""
    import ray

    if job.home in (None, ray.get_runtime_context().get_node_id()):
        return job
    return job.with_cache_at(cache_root(job.config["cluster"]["cache_dir"]))


class FoldError(Exception):
    """An error in settings or training of a fold with several workers; carries train_fold's value."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result)
        self.result = result


def _is_lost_peer(error: Exception) -> bool:
    text = str(error).lower()
    if "duplicate gpu" in text or "invalid usage" in text:  # NCCL's words for what comes again
        return False
    signs = ("connection closed", "connection reset", "nccl", "gloo", "broken pipe", "socket")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)


class Reporter:
    """Watcher of a fold in a Ray Train worker; only rank 0 writes."""

    def __init__(
        self, job: FoldJob, attempt: int, rank: int, report: Callable[[dict[str, Any]], object]
    ) -> None:
        """report: hears of each epoch; called by every worker of the fold."""
        import ray

        run = Folder.at(job.run)
        self._folder = run.child(f"fold-{job.fold}")
        self._interval = _TELL_EVERY_S if run.is_local else _TELL_EVERY_S_REMOTE
        self._attempt, self._fold = attempt, job.fold
        self._epochs = int(job.config["train"]["epochs"])
        self._last, self._epoch_started, self._first = 0.0, 0.0, (-1, 0, 0)
        self._notes: list[str] = []
        self._epoch, self._report = 0, report
        context = ray.get_runtime_context()
        self._where = {
            "pid": os.getpid(),
            "node": context.get_node_id(),
            "worker": context.get_worker_id(),
            "host": platform.node(),
            "gpus": [str(gpu) for gpu in ray.get_gpu_ids()],
        }
        # Only rank 0 tells, so only its GPU is looked at.
        self._gpu = GpuMeter(job.device if rank == 0 else "cpu")
        self._metrics = FoldMetrics(run.shown, job.fold) if rank == 0 else None

    def step_done(self, epoch: int, step: int, num_steps: int, images: int) -> None:
        """See Watcher."""
        now, self._epoch = time.monotonic(), epoch + 1
        if self._first[0] != epoch:
            # The first update of an epoch warms up; speed counts from its end.
            self._first, self._epoch_started = (epoch, step, images), now
        if now - self._last < self._interval and step < num_steps:
            return
        seconds = now - self._epoch_started
        speed = (images - self._first[2]) / seconds if seconds > 0 else None
        per_step = seconds / (step - self._first[1]) if step > self._first[1] else None
        left = (self._epochs - epoch) * num_steps - step
        phase = "predicting" if left == 0 else "training"
        self.tell(
            phase, epoch=epoch + 1, step=step, steps=num_steps,
            images_per_s=speed, left_s=per_step * left if per_step is not None else None,
        )  # fmt: skip

    def epoch_done(self, entry: dict[str, Any]) -> None:
        """See Watcher."""
        numbers = {k: entry[k] for k in ("epoch", "train_loss", "macro_f1", "images_per_s")}
        if self._metrics is not None:
            self._metrics.set("maskcls_train_loss", entry["train_loss"])
            self._metrics.set("maskcls_macro_f1", entry["macro_f1"])
        self._report(numbers)  # a barrier in Ray Train, so every worker calls it

    def predicted(self, rows: int, num_rows: int) -> None:
        """See Watcher."""
        if time.monotonic() - self._last >= self._interval:
            self.tell("predicting", epoch=self._epoch, step=rows, steps=num_rows)

    def say(self, text: str) -> None:
        """See Watcher."""
        self._notes.append(text)
        self.tell("starting")

    def tell(self, phase: str, **numbers: Any) -> None:
        """Write progress.json; only rank 0 does. Failing to must not end a fold that trains well."""
        if self._metrics is None:
            return
        self._last = time.monotonic()
        numbers["gpu_idle"] = self._gpu.look()
        for name, key in _SHOWN.items():
            self._metrics.set(name, numbers.get(key))
        self._metrics.set("maskcls_attempt", self._attempt)
        told = {
            "phase": phase,
            "attempt": self._attempt,
            **self._where,
            **numbers,
            "notes": self._notes,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        try:
            self._folder.write_json("progress.json", told)
        except (OSError, UserError) as e:
            _log.warning("fold=%s progress.json cannot be written: %s", self._fold, e)


_KEEP = {-1: 10**9, -3: 2**30, -8: 1}  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX of malloc.h


def train_trial(config: dict[str, Any]) -> None:
    """The function that Ray Tune runs for each trial.

    config: {"number": of the trial, "job": [reference of its FoldJob]}. Reports each epoch's numbers,
    with last: no epoch follows; then, if its settings or its training are at fault, {"fault": why}.
    Raises what need not come again, and Tune tries the trial again.
    """
    import ray

    from maskcls.cluster import nodes as fetch

    _keep_memory()
    job = with_own_cache(ray.get(config["job"][0]))

    def report(numbers: dict[str, Any]) -> None:
        tune.report(numbers | {"last": is_last(job, numbers["epoch"])})

    teller = Reporter(job, 1, 0, report)
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
