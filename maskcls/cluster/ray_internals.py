"""Ray Train's trainer, less the helper processes that a fold has no use for, and with a way to end it.

Ray 2.60 starts up to five processes beside the workers of every Train run, each importing ray.train
for some 3 s of CPU time. Two empty runs at once on two cores took 21 s as Ray comes and 14 s without
those (load 5). Kept in one small file, since it leans on internal methods: drop it when Ray lets
one choose.
"""

import threading
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.constants import get_env_vars_to_propagate
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from maskcls.cluster import worker
from maskcls.cluster.plan import Plan
from maskcls.store.paths import Folder


class _Fold:
    """A trainer that can be stopped, without the datasets' manager: no trainer here has a dataset."""

    unneeded: tuple[type, ...] = (DatasetsCallback,)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._controller: Any = None
        self._stopped = False
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Make fit() of another thread raise, and its workers end."""
        with self._lock:
            self._stopped = True
            if self._controller is not None:
                ray.kill(self._controller)

    def _initialize_and_run_controller(self, **arguments: Any) -> Any:
        # As Ray's own, which keeps the controller to itself.
        with self._lock:
            if self._stopped:
                raise RuntimeError("stopped before it began")
            node = ray.get_runtime_context().get_node_id()
            kind = ray.remote(
                num_cpus=0,
                label_selector={ray._raylet.RAY_NODE_ID_KEY: node},
                runtime_env={"env_vars": get_env_vars_to_propagate()},
            )(TrainController)
            self._controller = kind.remote(**arguments)
        ray.get(self._controller.run.remote())
        return ray.get(self._controller.get_result.remote())

    def _create_default_callbacks(self) -> list[Any]:
        callbacks = super()._create_default_callbacks()  # type: ignore[misc]
        return [c for c in callbacks if not isinstance(c, self.unneeded)]


class _Local:
    """Also without the cleaner of placement groups, which end with our own Ray anyway."""

    unneeded = (DatasetsCallback, PlacementGroupCleanerCallback)


def make_trainer(
    arguments: dict[str, Any], plan: Plan, fold: int, name: str, storage: Folder, is_local: bool,
    bad_node: str | None = None,
) -> Any:  # fmt: skip
    """A trainer for one attempt at a fold; its fit() blocks until the fold is done, lost or stopped.

    arguments: of worker.train_fold. name: unique, since Ray would resume from its own records
    otherwise. storage: for Ray's records. bad_node: Ray's id of a node to avoid, if another one fits.
    """
    resources, workers = plan.resources_of(fold), plan.workers_per_fold
    environment = worker.ENVIRONMENT | {"OMP_NUM_THREADS": str(plan.threads[fold])}
    bases: list[type] = [_Fold, DataParallelTrainer]
    if workers > 1:  # only these need a process group; setting it up costs 3 to 4 s a fold
        from ray.train.torch import TorchTrainer

        bases = [_Fold, TorchTrainer]
    kind = type("FoldTrainer", ((_Local, *bases) if is_local else tuple(bases)), {})
    return kind(
        train_loop_per_worker=worker.train_fold,
        train_loop_config=arguments,
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu="GPU" in resources,
            resources_per_worker=resources,
            label_selector=_avoiding(bad_node, resources),
        ),
        run_config=RunConfig(
            name=name,
            storage_path=storage.location,
            failure_config=FailureConfig(max_failures=0),
            worker_runtime_env={"env_vars": environment},
        ),
    )


def _avoiding(bad_node: str | None, resources: dict[str, float]) -> dict[str, str] | None:
    """A label selector that keeps workers off a node; None where no other node could take them."""
    if bad_node is None:
        return None
    for node in ray.nodes():
        fits = all(node["Resources"].get(name, 0) >= need for name, need in resources.items())
        if node["Alive"] and node["NodeID"] != bad_node and fits:
            return {"ray.io/node-id": f"!{bad_node}"}  # a label that Ray gives every node
    return None
