"""The folds' networks on new images, one Ray task each; anywhere in a cluster.

A task on another machine than the driver's makes the images' pixels there, in that machine's own cache,
if it is the first to need them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.cluster import nodes as fetch
from maskcls.cluster import worker
from maskcls.cluster.plan import Machine, Plan, make_plan
from maskcls.cluster.worker import with_own_cache
from maskcls.config.schema import Cluster
from maskcls.core.errors import RunFailed, UserError
from maskcls.core.progress import Progress
from maskcls.pixels.cache import cache_root
from maskcls.store.paths import Folder
from maskcls.training.job import FoldJob, PredictJob

_TELL_EVERY_S = 30.0

Predicted = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]
"""Rows that could be decoded, int64 [M], and their logits, float32 [M, 18]."""


@dataclass(frozen=True)
class Source:
    """What another machine than the driver's needs to make the pixels itself.

    images: location of the images' folder; no repr shows it, since a URI may carry credentials and
    Ray keeps reprs. paths: below it, in row order. probe: one of them that is there. cache_dir: the
    setting; each machine keeps its pixels where that means there.
    """

    images: str = field(repr=False)
    paths: "pd.Series[str]" = field(repr=False)
    probe: str
    cache_dir: str


def plan_predicting(placing: Cluster, threads: Sequence[int], machine: Machine) -> Plan:
    """Where the folds predict: on the device that is here, with the threads they trained with.

    placing: settings of this command. threads: of each fold. Errors as in make_plan.
    """
    # The threads of training, which can change the last bits; and one worker is enough.
    settings = replace(placing, threads="auto", workers_per_fold=1)
    device = make_plan(settings, len(threads), machine).device
    recorded = {"device": device, "threads": list(threads)}
    return make_plan(settings, len(threads), machine, recorded)


def predict_folds(
    jobs: Sequence[PredictJob], plan: Plan, home: str | None, source: Source, progress: Progress
) -> list[Predicted]:
    """Rows and logits of each job, in the order of the jobs; Ray must be running.

    plan: of plan_predicting, its folds in the order of the jobs. home: Ray's name of this machine,
    whose pixels are there; None when there is no other. Raises UserError when a checkpoint is
    damaged or a machine does not reach the storage, RunFailed when a task fails (lost ones are tried
    three times).
    """
    import ray
    import ray.exceptions

    # The paths of many images travel once to each machine that asks for them. In a list, or Ray would
    # fetch them for every task.
    kept = [] if home is None else [ray.put(source)]
    waiting = []
    for fold, job in enumerate(jobs):
        waiting.append(ray.remote(**task_options(plan, fold))(_predict).remote(job, home, kept))
    pending = list(waiting)
    while pending:
        done, pending = ray.wait(pending, timeout=_TELL_EVERY_S)
        progress.count("folds predicted", len(waiting) - len(pending), len(waiting))
        if pending and not done:
            progress.say(f"{len(pending)} folds still predict, or wait for a worker")
    try:
        answers: list[Predicted | str] = ray.get(waiting)
    except ray.exceptions.RayError as e:
        raise RunFailed(f"predicting failed: {e}") from e
    for answer in answers:
        if isinstance(answer, str):
            raise UserError(answer)
    return [answer for answer in answers if not isinstance(answer, str)]


def _predict(job: PredictJob, home: str | None, kept: Sequence[Any]) -> Predicted | str:
    """The task: rows and logits, or the sentence of a UserError.

    kept: Ray's reference to a Source, where there are other machines than home.
    """
    # Imported by the task: the driver stays free of torch.
    from maskcls.training.prediction import predict_images

    try:
        return predict_images(job if home is None else _with_own_pixels(job, home, kept))
    except UserError as e:
        return str(e)


def _with_own_pixels(job: PredictJob, home: str, kept: Sequence[Any]) -> PredictJob:
    """The job with the pixels of this machine, which are there then."""
    import ray

    if ray.get_runtime_context().get_node_id() == home:
        return job
    source: Source = ray.get(kept[0])
    images = Folder.at(source.images)
    files = [(Folder.at(job.checkpoints), f"{job.name}/state.json"), (images, source.probe)]
    fetch.require_files(files, "RUN and IMAGES")
    place = replace(job.pixels, root=cache_root(source.cache_dir))
    fetch.ensure_images(place, images, lambda: source.paths)
    return replace(job, pixels=place)


def task_options(plan: Plan, fold: int) -> dict[str, Any]:
    """What Ray gives a task that runs a fold's network; the plan has what fits into a machine."""
    resources = plan.resources_of(fold)
    return {
        "num_cpus": resources.pop("CPU"),
        "num_gpus": resources.pop("GPU", 0),
        "resources": resources,
        "runtime_env": {
            "env_vars": worker.ENVIRONMENT | {"OMP_NUM_THREADS": str(plan.threads[fold])}
        },
        "max_retries": 3,
    }


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
