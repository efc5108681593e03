"""The folds' networks on new photos, one Ray task each; anywhere in a cluster.

A task on another machine than the driver's makes the photos' pixels there, in that machine's own cache,
if it is the first to need them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.cluster import fetch, worker
from maskcls.cluster.plan import Machine, Plan, make_plan
from maskcls.config.schema import Cluster
from maskcls.core.errors import RunFailed, UserError
from maskcls.core.progress import Progress
from maskcls.pixels.cache import cache_root
from maskcls.store.paths import Folder
from maskcls.training.job import PredictJob

_TELL_EVERY_S = 30.0

Predicted = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]
"""Rows that could be decoded, int64 [M], and their logits, float32 [M, 18]."""


@dataclass(frozen=True)
class Source:
    """What another machine than the driver's needs to make the pixels itself.

    photos: location of the photos' folder; no repr shows it, since a URI may carry credentials and
    Ray keeps reprs. paths: below it, in row order. probe: one of them that is there. cache_dir: the
    setting; each machine keeps its pixels where that means there.
    """

    photos: str = field(repr=False)
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

    # The paths of many photos travel once to each machine that asks for them. In a list, or Ray would
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
    from maskcls.training.predict import predict_photos

    try:
        return predict_photos(job if home is None else _with_own_pixels(job, home, kept))
    except UserError as e:
        return str(e)


def _with_own_pixels(job: PredictJob, home: str, kept: Sequence[Any]) -> PredictJob:
    """The job with the pixels of this machine, which are there then."""
    import ray

    if ray.get_runtime_context().get_node_id() == home:
        return job
    source: Source = ray.get(kept[0])
    photos = Folder.at(source.photos)
    files = [(Folder.at(job.checkpoints), f"{job.name}/state.json"), (photos, source.probe)]
    fetch.require_files(files, "RUN and IMAGES")
    place = replace(job.pixels, root=cache_root(source.cache_dir))
    fetch.ensure_photos(place, photos, lambda: source.paths)
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
