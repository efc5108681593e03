"""A learning-rate range test as one Ray task."""

from typing import Any

from maskcls.cluster.plan import Machine
from maskcls.cluster.predicting import task_options
from maskcls.core.errors import RunFailed, UserError
from maskcls.core.progress import Progress
from maskcls.training.job import FoldJob

_TELL_EVERY_S = 30.0


def range_test_of(
    job: FoldJob, machine: Machine, gpus_per_worker: float, low: float, high: float, updates: int,
    progress: Progress,
) -> Any:  # fmt: skip
    """The RangeTest of a fold; Ray must be running. Raises UserError or RunFailed."""
    import ray
    import ray.exceptions

    def test(job: FoldJob) -> Any:
        # Imported by the task: the driver stays free of torch.
        from maskcls.training.lr_range import range_test

        try:
            found = range_test(job, low, high, updates)
        except UserError as e:
            return {"mistake": str(e)}
        return {"lr": found.lr, "loss": found.loss, "smooth": found.smooth,
                "steepest": found.steepest, "lowest": found.lowest}  # fmt: skip

    waiting = ray.remote(**task_options(job, machine, gpus_per_worker))(test).remote(job)
    while not ray.wait([waiting], timeout=_TELL_EVERY_S)[0]:
        progress.say("the range test still runs, or waits for a worker")
    try:
        found = ray.get(waiting)
    except ray.exceptions.RayError as e:
        raise RunFailed(f"the range test failed: {e}") from e
    if "mistake" in found:
        raise UserError(found["mistake"])
    return found
