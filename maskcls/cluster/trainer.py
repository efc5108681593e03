"""Ray Train's trainer, less the helper processes that a fold of ours has no use for.

Ray 2.60 starts up to five processes beside the workers of every Train run, each importing ray.train
for some 3 s of CPU time. Two empty runs at once on two cores took 21 s as Ray comes and 14 s without
those (load 5). Kept in one small file, since it leans on an internal method: drop it when Ray lets
one choose.
"""

from typing import Any

from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from maskcls.cluster import worker
from maskcls.cluster.plan import Plan
from maskcls.store.paths import Folder


class _WithoutDatasets:
    """A trainer without the datasets' manager: no trainer here has a dataset."""

    unneeded: tuple[type, ...] = (DatasetsCallback,)

    def _create_default_callbacks(self) -> list[Any]:
        callbacks = super()._create_default_callbacks()  # type: ignore[misc]
        return [c for c in callbacks if not isinstance(c, self.unneeded)]


class _Local:
    """Also without the cleaner of placement groups, which end with our own Ray anyway."""

    unneeded = (DatasetsCallback, PlacementGroupCleanerCallback)


def make_trainer(
    arguments: dict[str, Any], plan: Plan, fold: int, name: str, storage: Folder, is_local: bool
) -> Any:
    """A trainer for one attempt at a fold; its fit() blocks until the fold is done or lost.

    arguments: of worker.train_fold. name: unique, since Ray would resume from its own records
    otherwise. storage: for Ray's records.
    """
    resources, workers = plan.resources_of(fold), plan.workers_per_fold
    environment = worker.ENVIRONMENT | {"OMP_NUM_THREADS": str(plan.threads[fold])}
    bases: list[type] = [_WithoutDatasets, DataParallelTrainer]
    if workers > 1:  # only these need a process group; setting it up costs 3 to 4 s a fold
        from ray.train.torch import TorchTrainer

        bases = [_WithoutDatasets, TorchTrainer]
    kind = type("FoldTrainer", ((_Local, *bases) if is_local else tuple(bases)), {})
    return kind(
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
