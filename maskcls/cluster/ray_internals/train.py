"""Ray Train: trainers that start no unneeded processes and that another thread can stop.

Ray 2.60 starts up to five processes besides the workers of every Train run, each importing ray.train for
some 3 s of CPU time. Two empty runs at once on two cores took 21 s with Ray's defaults and 14 s without
those processes (load 5).
"""

import threading
from collections.abc import Callable
from typing import Any

import ray

from maskcls.cluster.ray_internals import CHANGED, fall_back, internal

NO_GROUP = "a trainer without a process group"
FEWER_PROCESSES = "Train runs without helper processes"
STOPPING = "the handle of a Train run's controller"


class FoldTrainer:
    """One Train run: `fit` in one thread, `stop` from another."""

    def __init__(
        self, num_workers: int, is_local: bool, end_workers: Callable[[], None], **arguments: Any
    ) -> None:
        """end_workers: stops by public means, see `stop`. arguments: of Ray's TorchTrainer."""
        self._end_workers = end_workers
        kind = _trainer_class(num_workers)
        kind = internal(FEWER_PROCESSES, lambda: _with_fewer_processes(kind, is_local)) or kind
        self._trainer = (internal(STOPPING, lambda: _stoppable(kind)) or kind)(**arguments)
        self.fit: Callable[[], Any] = self._trainer.fit
        """Train; returns Ray's result, blocks until then. Raises when the run failed or was stopped."""

    def stop(self) -> None:
        """Make `fit` of another thread raise, and its workers end.

        Killing the controller does both at once. The fallback kills the workers, so that Ray sees them
        die: a second or two later, and without effect on workers that have not started yet.
        """
        self.fit = _refuse
        kill_controller = getattr(self._trainer, "kill_controller", None)
        if kill_controller is None or not kill_controller():
            self._end_workers()


def _refuse() -> Any:
    raise RuntimeError("stopped before it began")


def _trainer_class(num_workers: int) -> Any:
    """Without TorchTrainer's process group for one worker: setting it up costs 3 to 4 s per fold."""
    if num_workers == 1 and (found := internal(NO_GROUP, _without_group)) is not None:
        return found
    from ray.train.torch import TorchTrainer

    return TorchTrainer


def _without_group() -> Any:
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    return DataParallelTrainer


def _with_fewer_processes(base: Any, is_local: bool) -> Any:
    """Without the datasets' manager, since no trainer here has a dataset.

    A local Ray ends with the command, so it needs no cleaner of placement groups either.
    """
    from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
    from ray.train.v2._internal.callbacks.placement_group_callback import (
        PlacementGroupCleanerCallback,
    )

    unneeded = (DatasetsCallback, *([PlacementGroupCleanerCallback] if is_local else []))
    _require(base, "_create_default_callbacks")

    class WithFewerProcesses(base):  # type: ignore[misc]
        def _create_default_callbacks(self) -> list[Any]:
            return [c for c in super()._create_default_callbacks() if not isinstance(c, unneeded)]

    return WithFewerProcesses


def _stoppable(base: Any) -> Any:
    """Keeps a reference to the controller, which Ray hides: it cannot stop a fit in a thread."""
    from ray.train.v2._internal.constants import get_env_vars_to_propagate
    from ray.train.v2._internal.execution.controller import TrainController

    _require(base, "_initialize_and_run_controller")
    _require(TrainController, "run", "get_result")

    class Stoppable(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._lock = threading.Lock()
            self._controller: Any = None
            self._is_stopped = False
            self._is_public = False  # the run uses Ray's own method after all

        def kill_controller(self) -> bool:
            """Whether the controller was killed, or will not be started any more."""
            # The lock: the thread of `fit` may be starting the controller at this moment.
            with self._lock:
                self._is_stopped = True
                if self._controller is not None:
                    ray.kill(self._controller)
                return self._controller is not None or not self._is_public

        def _initialize_and_run_controller(self, **arguments: Any) -> Any:
            with self._lock:
                if self._is_stopped:
                    raise RuntimeError("stopped before it began")
                try:
                    self._controller = self._start(**arguments)
                except CHANGED as error:
                    fall_back(STOPPING, repr(error))
                    self._is_public = True
            if self._controller is None:
                return super()._initialize_and_run_controller(**arguments)
            # Outside the lock, which `kill_controller` needs while this waits for the whole run.
            ray.get(self._controller.run.remote())
            return ray.get(self._controller.get_result.remote())

        def _start(self, **arguments: Any) -> Any:
            # As Ray starts its own: on the node of the driver.
            kind = ray.remote(
                num_cpus=0,
                label_selector={"ray.io/node-id": ray.get_runtime_context().get_node_id()},
                runtime_env={"env_vars": get_env_vars_to_propagate()},
            )(TrainController)
            return kind.remote(**arguments)

    return Stoppable


def _require(kind: Any, *names: str) -> None:
    """AttributeError unless a class has these methods.

    A subclass that overrides a method which Ray no longer calls would be ineffective without an error.
    """
    for name in names:
        getattr(kind, name)
