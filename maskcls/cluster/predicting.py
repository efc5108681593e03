"""The folds' networks on new photos, one Ray task each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from maskcls.cluster import worker
from maskcls.cluster.plan import Machine
from maskcls.core.errors import RunFailed
from maskcls.core.progress import Progress
from maskcls.training.job import FoldJob, PredictJob

_TELL_EVERY_S = 30.0


def predict_folds(
    jobs: Sequence[PredictJob], machine: Machine, gpus_per_worker: float, progress: Progress
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """Rows and logits of each job, in the order of the jobs; Ray must be running.

    Raises RunFailed when a task fails (lost ones are tried three times).
    """
    import ray
    import ray.exceptions

    def predict(job: PredictJob) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        # Imported by the task: the driver stays free of torch.
        from maskcls.training.predict import predict_photos

        return predict_photos(job)

    waiting = []
    for job in jobs:
        options = task_options(job, machine, gpus_per_worker)
        waiting.append(ray.remote(**options)(predict).remote(job))
    pending = list(waiting)
    while pending:
        done, pending = ray.wait(pending, timeout=_TELL_EVERY_S)
        progress.count("folds predicted", len(waiting) - len(pending), len(waiting))
        if pending and not done:
            progress.say(f"{len(pending)} folds still predict, or wait for a worker")
    try:
        return list(ray.get(waiting))
    except ray.exceptions.RayError as e:
        raise RunFailed(f"predicting failed: {e}") from e


def task_options(
    job: PredictJob | FoldJob, machine: Machine, gpus_per_worker: float
) -> dict[str, Any]:
    """What Ray gives a task that runs a fold's network."""
    return {
        "num_cpus": min(float(job.threads), max(machine.cpus, 1.0)),
        "num_gpus": gpus_per_worker if job.device == "cuda" else 0,
        "runtime_env": {"env_vars": worker.ENVIRONMENT | {"OMP_NUM_THREADS": str(job.threads)}},
        "max_retries": 3,
    }
