"""A worker's reports: its heartbeat in the run's folder, and its metrics in Ray's export.

Names and tags of the metrics are stable, since dashboards rely on them (docs/grafana). Ray prefixes each
name with `ray_`.
"""

import logging
import os
import platform
import sys
import time
import urllib.parse
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from maskcls.core.errors import UserError
from maskcls.core.history import EpochEntry
from maskcls.core.progress import Phase
from maskcls.core.task import MetricName
from maskcls.store.attempt import Attempt, Fence
from maskcls.store.folder import Folder
from maskcls.store.heartbeat import Heartbeat
from maskcls.store.run import Run
from maskcls.training.job import FoldJob

if TYPE_CHECKING:
    pass

_log = logging.getLogger(__name__)
_EVERY_S = 1.0
_EVERY_S_REMOTE = 5.0  # each heartbeat is a request to the object store, and takes a part of a step

TAGS = ("run", "fold")
SCORE = "maskcls_score"
"""The one with a further tag, `metric`: runs of different tasks are not compared."""
NAMES = {
    "maskcls_images_per_second": "Training speed of the fold [images/s].",
    "maskcls_epoch": "Epoch the fold is in, counted from 1.",
    "maskcls_train_loss": "Mean training loss of the last finished epoch.",
    SCORE: "Score over the whole validation fold after the last finished epoch; higher is better.",
    "maskcls_gpu_idle_share": "Share of the samples at which the fold's GPU was idle, 0 to 1.",
    "maskcls_attempt": "Attempt at the fold, counted from 1; above 1 after a lost worker.",
}
"""Name without Ray's prefix: its description."""


class Reporter:
    """Watcher of a fold in a worker on Ray; rank 0 reports, other ranks only until they train."""

    def __init__(self, job: FoldJob, rank: int, report: Callable[[EpochEntry], object]) -> None:
        """report: receives each epoch; called by every worker of the fold."""
        import ray

        run = Folder.at(job.run)
        self._fold = Run(run).fold(job.fold)
        self._attempt = job.attempt or Attempt(1, "")
        self._fence = Fence(self._fold.attempt, job.attempt)
        self._interval = _EVERY_S if run.is_local else _EVERY_S_REMOTE
        self._epochs, self._rank, self._report = job.config.train.epochs, rank, report
        self._last, self._epoch_started, self._first = 0.0, 0.0, (-1, 0, 0)
        self._notes: list[str] = []
        self._epoch, self._stop, self._is_training = 0, False, False
        context = ray.get_runtime_context()
        self._where = {
            "pid": os.getpid(),
            "node": context.get_node_id(),
            "worker": context.get_worker_id(),
            "host": platform.node(),
            "gpus": [str(gpu) for gpu in ray.get_gpu_ids()],
        }
        # Only rank 0 reports, so only its GPU is sampled.
        self._gpu = GpuMeter(job.device if rank == 0 else "cpu")
        self._metrics = FoldMetrics(run.shown, job.fold, job.task.metric) if rank == 0 else None

    def step_done(self, epoch: int, step: int, num_steps: int, images: int) -> None:
        """See Watcher."""
        now, self._epoch, self._is_training = time.monotonic(), epoch + 1, True
        if self._first[0] != epoch:
            # The first step of an epoch includes warm-up, so the speed is measured from its end.
            self._first, self._epoch_started = (epoch, step, images), now
        # The last step of an epoch is always reported, so that the table does not stop at 97 %.
        if now - self._last < self._interval and step < num_steps:
            return
        seconds = now - self._epoch_started
        speed = (images - self._first[2]) / seconds if seconds > 0 else None
        per_step = seconds / (step - self._first[1]) if step > self._first[1] else None
        left = (self._epochs - epoch) * num_steps - step
        self.beat(
            # After the last step the fold predicts; until its first batch no other report would come.
            "predicting" if left == 0 else "training",
            step=step,
            steps=num_steps,
            images_per_s=speed,
            left_s=None if per_step is None else per_step * left,
        )

    def epoch_done(self, entry: EpochEntry) -> None:
        """See Watcher."""
        if self._metrics is not None:
            self._metrics.set("maskcls_train_loss", entry.train_loss)
            self._metrics.set(SCORE, entry.score)
        self._report(entry)  # a barrier in Ray Train: it would hang unless every worker calls it

    def predicted(self, rows: int, num_rows: int) -> None:
        """See Watcher."""
        if time.monotonic() - self._last >= self._interval:
            self.beat("predicting", step=rows, steps=num_rows)

    def say(self, text: str) -> None:
        """See Watcher."""
        self._notes.append(text)
        self.beat("starting")

    def stop_requested(self) -> bool:
        """See Watcher; as of the last heartbeat, so that the call after each step costs nothing."""
        return self._stop

    def decoded(self) -> None:
        """Images are being decoded on this node; reported by every rank, since any of them may decode
        while the others wait for it.
        """
        if time.monotonic() - self._last >= self._interval:
            self.beat("starting")

    def beat(
        self,
        phase: Phase,
        step: int = 0,
        steps: int = 0,
        images_per_s: float | None = None,
        left_s: float | None = None,
    ) -> None:
        """Write the heartbeat; raises Superseded when a newer attempt owns the fold.

        A failure to write it must not end a fold that trains well.
        """
        if self._metrics is None and (self._is_training or phase != "starting"):
            return  # rank 0 reports for all once they train: they advance in step
        self._last = time.monotonic()
        heartbeat = Heartbeat(
            phase=phase,
            attempt=self._attempt.number,
            token=self._attempt.token,
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            epoch=self._epoch,
            step=step,
            steps=steps,
            images_per_s=images_per_s,
            left_s=left_s,
            gpu_idle=self._gpu.sample(),
            notes=list(self._notes),
            **self._where,
        )
        self._export(heartbeat)
        # Superseded is raised through: an attempt that is no longer the current one must end. Everything
        # else may be storage that is unavailable for a moment; if it lasts, the supervisor sees silence.
        try:
            self._stop = self._fence.stop_requested()
            self._fold.write_heartbeat(heartbeat)
        except (OSError, UserError) as e:
            _log.warning("fold=%s progress.json cannot be written: %s", self._fold.number, e)

    def _export(self, heartbeat: Heartbeat) -> None:
        if self._metrics is not None:
            self._metrics.set("maskcls_images_per_second", heartbeat.images_per_s)
            self._metrics.set("maskcls_epoch", heartbeat.epoch or None)
            self._metrics.set("maskcls_gpu_idle_share", heartbeat.gpu_idle)
            self._metrics.set("maskcls_attempt", heartbeat.attempt)


class FoldMetrics:
    """The gauges of one fold; Ray must be running in this process."""

    def __init__(self, run: str, fold: int, metric: MetricName) -> None:
        """run: its displayed name, without credentials. metric: what the score is of."""
        from ray.util.metrics import Gauge

        tags = {"run": tag_of(run), "fold": str(fold)}
        self._gauges: dict[str, Gauge] = {}
        for name, text in NAMES.items():
            own = tags | {"metric": metric} if name == SCORE else tags
            gauge = Gauge(name, description=text, tag_keys=tuple(own))
            gauge.set_default_tags(own)
            self._gauges[name] = gauge

    def set(self, name: str, value: float | None) -> None:
        """Export a value; None keeps the last one."""
        if value is not None:
            self._gauges[name].set(float(value))


def tag_of(name: str) -> str:
    """A run's name as the value of a metric's tag: Ray accepts ASCII only, so the rest is %-encoded."""
    return name if name.isascii() else urllib.parse.quote(name, safe="/:@ ,=+~")


class GpuMeter:
    """Samples whether the GPU is busy, by NVIDIA's management library; None where there is none."""

    def __init__(self, device: str) -> None:
        """device: of the fold's job, "cpu" or "cuda"."""
        self._can_sample = device == "cuda"
        self._busy, self._samples = 0.0, 0

    def sample(self) -> float | None:
        """The idle share since the start, 0 to 1, with a sample taken now; None if it is unknown."""
        # torch is not imported for this: it takes seconds, and before training the GPU is idle anyway.
        torch: Any = sys.modules.get("torch")
        if not self._can_sample or torch is None:
            return None
        try:
            # Percentage of the last 1/6 to 1 s, depending on the GPU, in which a kernel ran.
            self._busy += torch.cuda.utilization() / 100
        except (
            Exception
        ):  # virtual GPUs raise various errors here: only this metric is missing then
            self._can_sample = False
            return None
        self._samples += 1
        return 1 - self._busy / self._samples
