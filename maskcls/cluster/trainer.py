"""The Ray Train run of a fold."""

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig

from maskcls.cluster import worker
from maskcls.cluster.plan import Plan
from maskcls.cluster.ray_internals.train import FoldTrainer
from maskcls.cluster.supervisor import kill_worker
from maskcls.store.folder import Folder
from maskcls.store.run import Run
from maskcls.training.job import FoldJob


def make_trainer(
    job: FoldJob,
    plan: Plan,
    name: str,
    storage: Folder,
    is_local: bool,
    bad_node: str | None = None,
) -> FoldTrainer:
    """A trainer for one attempt at a fold; its fit() blocks until the fold is done, lost or stopped.

    name: unique, since Ray would resume from its own records otherwise. storage: for Ray's records.
    is_local: this command started Ray. bad_node: Ray's id of a node to avoid, if another one fits.
    """
    resources, workers = plan.resources_of(job.fold), plan.workers_per_fold
    environment = worker.ENVIRONMENT | {"OMP_NUM_THREADS": str(plan.threads[job.fold])}
    return FoldTrainer(
        workers,
        is_local,
        lambda: _end_worker(job),
        train_loop_per_worker=worker.train_fold,
        train_loop_config={"job": job},
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu="GPU" in resources,
            resources_per_worker=resources,
            label_selector=_avoiding(bad_node, resources, workers),
        ),
        run_config=RunConfig(
            name=name,
            storage_path=storage.location,
            # The supervisor retries: Ray would also repeat errors that recur, and without a pause.
            failure_config=FailureConfig(max_failures=0),
            # In the environment, as OpenMP and malloc read it once, when the process starts.
            worker_runtime_env={"env_vars": environment},
        ),
    )


def _end_worker(job: FoldJob) -> None:
    """Kill the fold's first worker, if it has reported yet; Ray then ends the others and the run."""
    # The token is compared, since the last heartbeat may be of an earlier attempt, whose pid may belong
    # to another process by now.
    heartbeat = Run(Folder.at(job.run)).fold(job.fold).heartbeat()
    if heartbeat and job.attempt and heartbeat.token == job.attempt.token:
        kill_worker(heartbeat)


def _avoiding(
    bad_node: str | None, resources: dict[str, float], num_workers: int
) -> dict[str, str] | None:
    """A label selector that keeps workers off a node; None where the others could not take them all."""
    if bad_node is None:
        return None
    needs = {name: need for name, need in resources.items() if need > 0}
    room = 0
    for node in ray.nodes():
        if node["Alive"] and node["NodeID"] != bad_node:
            has = node["Resources"]
            room += min(int(has.get(name, 0) / need + 1e-9) for name, need in needs.items())
    # Ray gives every node this label. A selector is a condition to Ray, not a preference.
    return {"ray.io/node-id": f"!{bad_node}"} if room >= num_workers else None
