"""A learning-rate range test as one Ray task."""

from typing import Any

from maskcls.cluster import fetch
from maskcls.cluster.plan import Plan
from maskcls.cluster.predicting import task_options
from maskcls.cluster.worker import with_own_cache
from maskcls.core.errors import RunFailed, UserError
from maskcls.core.progress import Progress
from maskcls.training.job import FoldJob

_TELL_EVERY_S = 30.0


def range_test_of(
    job: FoldJob, plan: Plan, low: float, high: float, updates: int, progress: Progress
) -> Any:
    """The RangeTest of a fold as a dict; Ray must be running. Raises UserError or RunFailed.

    plan: where the folds go; job.threads is its own for the fold.
    """
    import ray
    import ray.exceptions

    task = ray.remote(**task_options(plan, job.fold))(_test)
    waiting = task.remote(job, low, high, updates)
    while not ray.wait([waiting], timeout=_TELL_EVERY_S)[0]:
        progress.say("the range test still runs, or waits for a worker")
    try:
        found = ray.get(waiting)
    except ray.exceptions.RayError as e:
        raise RunFailed(f"the range test failed: {e}") from e
    if "mistake" in found:
        raise UserError(found["mistake"])
    return found


def _test(job: FoldJob, low: float, high: float, updates: int) -> dict[str, Any]:
    """The task: the RangeTest's fields, or {"mistake": sentence}; makes missing pixels first."""
    # Imported by the task: the driver stays free of torch.
    from maskcls.training.lr_range import range_test

    try:
        job = with_own_cache(job)
        fetch.require_here(job)
        fetch.ensure_here(job, None)
        found = range_test(job, low, high, updates)
    except UserError as e:
        return {"mistake": str(e)}
    return {"lr": found.lr, "loss": found.loss, "smooth": found.smooth,
            "steepest": found.steepest, "lowest": found.lowest}  # fmt: skip
