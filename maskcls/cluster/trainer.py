"""The Ray Train run of a fold."""

from typing import Any

from ray.train import FailureConfig, RunConfig, ScalingConfig

from maskcls.cluster import worker
from maskcls.cluster.plan import Plan
from maskcls.cluster.ray_internals.train import FoldTrainer
from maskcls.cluster.supervisor import kill_worker
from maskcls.store.fold_states import read_progress
from maskcls.store.paths import Folder
from maskcls.training.job import FoldJob


def make_trainer(
    arguments: dict[str, Any], plan: Plan, fold: int, name: str, storage: Folder, is_local: bool
) -> FoldTrainer:
    """A trainer for one attempt at a fold; its fit() blocks until the fold is done, lost or stopped.

    arguments: of worker.train_fold. name: unique, since Ray would resume from its own records
    otherwise. storage: for Ray's records. is_local: Ray is our own.
    """
    resources, workers = plan.resources_of(fold), plan.workers_per_fold
    environment = worker.ENVIRONMENT | {"OMP_NUM_THREADS": str(plan.threads[fold])}
    return FoldTrainer(
        workers,
        is_local,
        lambda: _end_worker(arguments["job"]),
        train_loop_per_worker=worker.train_fold,
        train_loop_config=arguments,
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu="GPU" in resources, resources_per_worker=resources
        ),
        run_config=RunConfig(
            name=name,
            storage_path=storage.location,
            failure_config=FailureConfig(max_failures=0),
            worker_runtime_env={"env_vars": environment},
        ),
    )


def _end_worker(job: FoldJob) -> None:
    """Kill the fold's first worker, if it has reported yet; Ray then ends the others and the run."""
    if progress := read_progress(Folder.at(job.run), job.fold):
        kill_worker(progress)
