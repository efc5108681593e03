"""Empty Ray Train runs, and when each was asked for, ran and was over."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from maskcls.core.outcome import Outcome


@dataclass(frozen=True)
class Fit:
    """One fit(): when it was called, its training function began, it returned [s since 1970]."""

    asked: float
    began: float
    ended: float


class Timed:
    """A trainer whose fit() is noted down; its training function must be an `empty_training`."""

    def __init__(self, trainer: Any, fits: list[Fit]) -> None:
        self._trainer, self._fits = trainer, fits

    def fit(self) -> Any:
        """The trainer's result."""
        asked = time.time()
        result = self._trainer.fit()
        began = float(result.return_value.detail)
        self._fits.append(Fit(asked, began, time.time()))
        return result


def empty_training() -> Callable[[dict[str, Any]], Outcome]:
    """A training function that only says when it ran, in the detail of worker.train_fold's answer."""

    # Not of the module: so it travels as a whole, and no worker has to import this package.
    def train(arguments: dict[str, Any]) -> Outcome:
        import time

        from maskcls.core.outcome import Outcome

        return Outcome("done", detail=repr(time.time()))

    return train


def bare_trainer(name: str, storage: str, resources: dict[str, float]) -> Any:
    """A DataParallelTrainer of one worker, as Ray comes; name: unique, or Ray would resume."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    return DataParallelTrainer(
        empty_training(),
        train_loop_config={},
        scaling_config=ScalingConfig(
            num_workers=1, use_gpu="GPU" in resources, resources_per_worker=resources
        ),
        run_config=RunConfig(name=name, storage_path=storage),
    )


def fit_all(trainers: Sequence[Timed], at_once: int) -> None:
    """Run the fits, so many at a time."""
    with ThreadPoolExecutor(at_once) as pool:
        for _ in pool.map(lambda trainer: trainer.fit(), trainers):
            pass
