"""Workers that are kept: they train one fold after another, of the many short runs of a study.

A Ray Train run per fold starts its controller and a worker, which imports torch: some 8 s that a fold
of a few seconds should not pay each time. Only on a local Ray, where the queue of folds alone decides
what runs at a time; the workers request no CPUs, so that idle ones block neither a fold nor decoding.

The numbers are those of a new process: every random stream is seeded by fold and epoch, and a worker is
used again only for folds of the same number of threads.
"""

import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from maskcls.cluster import worker
from maskcls.cluster.fold_queue import Fit
from maskcls.cluster.plan import Plan
from maskcls.core.outcome import Outcome
from maskcls.store.folder import Folder
from maskcls.training.job import FoldJob

_Key = tuple[int, tuple[tuple[str, float], ...]]


class _Worker:
    """The actor; see worker.train_alone."""

    def train(self, job: FoldJob) -> Outcome:
        try:
            return worker.train_alone(job)
        finally:
            gc.collect()  # cycles that hold the last network would be held beside the next one


@dataclass(frozen=True)
class _Result:
    return_value: Outcome


class WarmWorkers:
    """The workers of one session; `make_fit` is what FoldQueue takes."""

    def __init__(self) -> None:
        # Taken and given back in the threads of the fits.
        self._lock = threading.Lock()
        self._idle: dict[_Key, list[Any]] = {}

    def make_fit(
        self, job: FoldJob, plan: Plan, name: str, storage: Folder, is_local: bool,
        bad_node: str | None = None,
    ) -> Fit:  # fmt: skip
        """An attempt at a fold; see make_trainer, which is used where a worker cannot be kept."""
        # On a cluster Ray chooses the machine for each fold; several workers are a process group.
        if not is_local or plan.workers_per_fold > 1:
            from maskcls.cluster.trainer import make_trainer

            return make_trainer(job, plan, name, storage, is_local, bad_node)
        needs = {n: v for n, v in plan.resources_of(job.fold).items() if n != "CPU"}
        key = (plan.threads[job.fold], tuple(sorted(needs.items())))
        return _WarmFit(job, lambda: self._take(key), lambda actor: self._give_back(key, actor))

    def _take(self, key: _Key) -> Any:
        with self._lock:
            if idle := self._idle.get(key):
                return idle.pop()
            if key[1]:  # they hold the GPU, or whatever else this one waits for
                self._end_idle()
        return _new_worker(key)

    def _give_back(self, key: _Key, actor: Any) -> None:
        with self._lock:
            self._idle.setdefault(key, []).append(actor)

    def _end_idle(self) -> None:
        import ray

        for actors in self._idle.values():
            for actor in actors:
                ray.kill(actor)
        self._idle.clear()


def _new_worker(key: _Key) -> Any:
    import ray

    threads, needs = key[0], dict(key[1])
    gpus = needs.pop("GPU", 0.0)
    # In the environment, as OpenMP and malloc read it once, when the process starts.
    environment = worker.ENVIRONMENT | {"OMP_NUM_THREADS": str(threads)}
    kind = ray.remote(
        num_cpus=0, num_gpus=gpus, resources=needs, runtime_env={"env_vars": environment}
    )(_Worker)
    return kind.remote()


class _WarmFit:
    """One attempt at a fold in a worker that is kept."""

    def __init__(
        self, job: FoldJob, take: Callable[[], Any], give_back: Callable[[Any], None]
    ) -> None:
        self._job, self._take, self._give_back = job, take, give_back
        self._lock, self._actor, self._is_stopped = threading.Lock(), None, False

    def fit(self) -> _Result:
        """Train; raises RayError when the worker is lost or was stopped."""
        import ray

        with self._lock:
            if self._is_stopped:
                raise RuntimeError("stopped before it began")
            actor = self._actor = self._take()
        outcome: Outcome | None = None
        try:
            outcome = ray.get(actor.train.remote(self._job))
        finally:
            # After an error its memory, or the GPU's, may be in any state.
            if outcome is not None and outcome.kind == "done":
                self._give_back(actor)
            else:
                ray.kill(actor)
        return _Result(outcome)

    def stop(self) -> None:
        """End the worker, so that `fit` of another thread raises."""
        import ray

        with self._lock:
            self._is_stopped = True
            if self._actor is not None:
                ray.kill(self._actor)
