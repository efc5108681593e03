"""Ray tasks that run a fold's network outside a fold: predicting new images, learning-rate range test.

A task on another node than the driver's decodes the images there, into that node's own cache, if it is
the first to need them.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.cluster import nodes, worker
from maskcls.cluster.plan import Machine, Plan, Recorded, make_plan
from maskcls.cluster.worker import with_own_cache
from maskcls.config.schema import Cluster
from maskcls.core.errors import RunFailed, UserError
from maskcls.core.progress import Progress
from maskcls.store.folder import Folder
from maskcls.store.places import cache_root
from maskcls.training.job import FoldJob, PredictJob, RangeTest

_SAY_EVERY_S = 30.0
_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0
_ALIVE_EVERY_S = 5.0  # far below cluster.stall_s, and few enough that Ray's messages cost nothing

FoldPrediction = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]
"""Rows that could be decoded, int64 [M], and their logits, float32 [M, 18]."""


class TaskOptions(TypedDict):
    """Arguments of ray.remote for a task that runs a network."""

    num_cpus: float
    num_gpus: float
    resources: dict[str, float]
    runtime_env: dict[str, dict[str, str]]
    max_retries: int


@dataclass(frozen=True)
class Source:
    """What another node than the driver's needs to decode the images itself.

    images: location of the images' folder; not in the repr, since a URI may carry credentials and Ray
    stores reprs. paths: below it, in row order. probe: one of them that exists. cache_dir: the setting,
    which each node resolves for itself.
    """

    images: str = field(repr=False)
    paths: "pd.Series[str]" = field(repr=False)
    probe: str
    cache_dir: str


def plan_predicting(placing: Cluster, threads: Sequence[int], machine: Machine) -> Plan:
    """Where the folds predict: on the device that is here, with the threads they trained with.

    placing: settings of this command. threads: of each fold. Errors as in make_plan.
    """
    # The threads of training, since they can change the last bits; one worker, since predicting has no
    # gradients to share. Planned twice: the device first, then with threads recorded for that device.
    settings = replace(placing, threads="auto", workers_per_fold=1)
    device = make_plan(settings, len(threads), machine).device
    return make_plan(settings, len(threads), machine, Recorded(device, tuple(threads)))


def predict_folds(
    jobs: Sequence[PredictJob],
    plan: Plan,
    home: str | None,
    source: Source,
    progress: Progress,
    stall_s: float,
) -> list[FoldPrediction]:
    """Rows and logits of each job, in the order of the jobs; Ray must be running.

    plan: of plan_predicting, its folds in the order of the jobs. home: Ray's id of this node, whose
    pixels are there; None when there is no other. stall_s: when a fold that has begun reports
    nothing for so long, the command gives up [s]. Raises UserError when a checkpoint is damaged or a
    node does not reach the storage, RunFailed when a task fails (lost ones are tried three times) or
    is silent.
    """
    import ray

    # The paths of many images are sent once to each node that needs them. In a list, since Ray replaces
    # a plain reference by its value for every task, also where it is not needed.
    kept = [] if home is None else [ray.put(source)]
    streams = []
    for fold, job in enumerate(jobs):
        task = ray.remote(**task_options(plan, fold), num_returns="streaming")(_predict)
        streams.append(task.remote(job, home, kept))
    found: dict[int, FoldPrediction] = {}
    open_ones, said = dict(enumerate(streams)), time.monotonic()
    # When each fold that has begun reported last; one that waits for resources may wait for long.
    heard: dict[int, float] = {}
    while open_ones:
        ready, _ = ray.wait(list(open_ones.values()), timeout=_LOOK_EVERY_S, fetch_local=False)
        for fold in [fold for fold, stream in open_ones.items() if stream in ready]:
            heard[fold] = said = time.monotonic()
            answer = _next(open_ones[fold], "predicting")
            if not isinstance(answer, int):
                found[fold] = answer
                del open_ones[fold], heard[fold]
                progress.count("folds predicted", len(found), len(streams))
        now = time.monotonic()
        if silent := [fold for fold, when in heard.items() if now - when > stall_s]:
            raise RunFailed(
                f"predicting: fold {silent[0]} has reported nothing for"
                f" {now - heard[silent[0]]:.0f} s, the limit of cluster.stall_s; is its node gone?"
            )
        if now - said > _SAY_EVERY_S:
            said = now
            progress.say(f"{len(open_ones)} folds still predict, or wait for a worker")
    return [found[fold] for fold in range(len(jobs))]


def _next(stream: Any, what: str) -> Any:
    """The next value of a task's stream; the task's UserError is raised as such."""
    import ray

    return _result_of(lambda: ray.get(next(stream)), what)


def _result_of(get: Callable[[], Any], what: str) -> Any:
    """What a task returned; the task's UserError is raised as such, without Ray's wrapping."""
    from ray.exceptions import RayError, RayTaskError

    try:
        return get()
    except RayTaskError as e:
        cause = e.cause
        if isinstance(cause, UserError):
            # A new error of the same type, so that its message is the one sentence alone.
            raise type(cause)(str(cause)) from None
        raise RunFailed(f"{what} failed: {e}") from e
    except RayError as e:
        raise RunFailed(f"{what} failed: {e}") from e


class _Signs:
    """Signs of life of a task that decodes; see nodes.Signs."""

    def __init__(self, put: Callable[[int], None] = lambda rows: None) -> None:
        self._put = put

    def say(self, text: str) -> None:
        _log.info("%s", text)

    def decoded(self) -> None:
        self._put(0)  # no rows yet


def _predict(
    job: PredictJob, home: str | None, kept: Sequence[Any]
) -> Iterator[int | FoldPrediction]:
    """The task: the number of rows done, every few seconds, to show that it runs; then rows and logits.

    kept: Ray's reference to a Source, where there are other nodes than home.
    """
    # Imported by the task: the driver must not load torch, which takes seconds and much memory.
    from maskcls.training.prediction import predict_images

    done: queue.SimpleQueue[int | FoldPrediction | Exception] = queue.SimpleQueue()

    def work() -> None:
        try:
            own = job if home is None else _with_own_pixels(job, home, kept, _Signs(done.put))
            done.put(predict_images(own, lambda rows, num_rows: done.put(rows)))
        except Exception as e:  # raised by the generator, in Ray's own thread
            done.put(e)

    # In a thread, since the loop over batches lies below functions that are no generators.
    threading.Thread(target=work, daemon=True).start()
    yielded = 0.0
    done.put(0)  # begun
    while True:
        item = done.get()
        if isinstance(item, Exception):
            raise item
        if not isinstance(item, int):
            yield item
            return
        if time.monotonic() - yielded > _ALIVE_EVERY_S:
            yielded = time.monotonic()
            yield item


def _with_own_pixels(
    job: PredictJob, home: str, kept: Sequence[Any], signs: nodes.Signs
) -> PredictJob:
    """The job with the pixels of this machine, which are there then."""
    import ray

    if ray.get_runtime_context().get_node_id() == home:
        return job
    # Checked first, for one clear sentence: without the storage every image would count as missing.
    source: Source = ray.get(kept[0])
    images = Folder.at(source.images)
    files = [(Folder.at(job.checkpoints), f"{job.name}/state.json"), (images, source.probe)]
    nodes.require_files(files, "RUN and IMAGES")
    place = replace(job.pixels, root=cache_root(source.cache_dir))
    nodes.ensure_images(place, images, lambda: source.paths, signs)
    return replace(job, pixels=place)


def task_options(plan: Plan, fold: int) -> TaskOptions:
    """The resources and environment of a task that runs a fold's network, as planned."""
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
    job: FoldJob, plan: Plan, low: float, high: float, steps: int, progress: Progress
) -> RangeTest:
    """The learning-rate range test of a fold; Ray must be running. Raises UserError or RunFailed.

    plan: where the folds go; job.threads is its own for the fold.
    """
    import ray

    task = ray.remote(**task_options(plan, job.fold))(_test)
    waiting = task.remote(job, low, high, steps)
    # No limit as in predict_folds: the test reports nothing before its end.
    while not ray.wait([waiting], timeout=_SAY_EVERY_S)[0]:
        progress.say("the range test still runs, or waits for a worker")
    found: RangeTest = _result_of(lambda: ray.get(waiting), "the range test")
    return found


def _test(job: FoldJob, low: float, high: float, steps: int) -> RangeTest:
    """The task; decodes missing images first."""
    # Imported by the task: the driver must not load torch.
    from maskcls.training.lr_range import range_test

    job = with_own_cache(job)
    nodes.require_here(job)
    nodes.ensure_here(job, _Signs())
    return range_test(job, low, high, steps)
