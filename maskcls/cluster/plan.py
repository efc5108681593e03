"""Placement of folds: from settings and machine to folds at once, threads, resources. Arithmetic only.

On a GPU machine every worker gets cluster.gpus_per_worker of a GPU; folds without a free GPU wait.
Without GPUs the folds share the cores: on two cores, two folds at once with one thread each trained 127
images/s in total, one fold with two threads 112 (tf_efficientnet_lite0 at 128x96, batch 64). The folds
of the last, incomplete round also get the cores of the missing folds, so no core is idle.
"""

from dataclasses import dataclass
from typing import Literal

from maskcls.config.relations import shared_gpu
from maskcls.config.schema import Cluster
from maskcls.core.errors import UserError

MAX_GPU_THREADS = 4
"""A worker on a GPU gathers batches and launches kernels; more threads bring no gain."""


@dataclass(frozen=True)
class Machine:
    """What Ray has: logical CPUs and GPUs of the whole cluster, and whether it is a local one.

    node_cpus: CPUs of its largest node, the maximum for one worker; None if there is only one node.
    cpus_per_gpu: the minimum over the nodes with GPUs; None as above, or if no node has GPUs.
    """

    cpus: float
    gpus: float
    is_local: bool
    node_cpus: float | None = None
    cpus_per_gpu: float | None = None


@dataclass(frozen=True)
class Recorded:
    """What a run keeps of the plan of its first start, since it affects the last bits of a result."""

    device: Literal["cpu", "cuda"]
    threads: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """How the folds of a run are placed.

    threads: of each worker, per fold; recorded, since it can change the last bits of a result.
    cores: shared by the folds. reason: for this placement, in words.
    """

    device: Literal["cpu", "cuda"]
    folds_at_once: int
    threads: tuple[int, ...]
    workers_per_fold: int
    cpus_per_worker: tuple[float, ...]
    gpus_per_worker: float
    extra_resources: dict[str, float]
    cores: float
    reason: str

    def resources_of(self, fold: int) -> dict[str, float]:
        """The resources requested from Ray for each worker of a fold."""
        gpu = {"GPU": self.gpus_per_worker} if self.device == "cuda" else {}
        return {"CPU": self.cpus_per_worker[fold]} | gpu | self.extra_resources

    def cores_of(self, fold: int) -> float:
        """CPUs that all workers of a fold hold together."""
        return self.cpus_per_worker[fold] * self.workers_per_fold


def make_plan(
    settings: Cluster, folds: int, machine: Machine, recorded: Recorded | None = None
) -> Plan:
    """Place the folds of a run.

    recorded: the plan of the run's first start; its threads and device are kept, so that a resumed run
    is bit-identical. Raises UserError for what the machine does not offer.
    """
    gpus = _gpus(settings, machine)
    if recorded is not None:
        _check_recorded(settings, recorded, gpus)
    if gpus:
        return _on_gpus(settings, folds, machine, gpus, recorded)
    return _on_cpus(settings, folds, machine, recorded)


def _gpus(settings: Cluster, machine: Machine) -> float:
    if settings.gpus == "auto":
        return machine.gpus
    # Only on a local Ray: a cluster may start machines with GPUs when they are requested.
    if settings.gpus > machine.gpus and machine.is_local:
        raise UserError(
            f"cluster.gpus={settings.gpus}: this machine has {machine.gpus:g};"
            f" set at most {machine.gpus:g}, or auto."
        )
    return settings.gpus


def _check_recorded(settings: Cluster, recorded: Recorded, gpus: float) -> None:
    device = "cuda" if gpus else "cpu"
    if recorded.device != device:
        raise UserError(
            f"this run was started on {recorded.device} and would resume on {device}, with other"
            " results; use cluster.gpus to choose, or start another run."
        )
    # "auto" takes over the recorded threads silently; only an explicit other number is a contradiction.
    threads = list(recorded.threads)
    if settings.threads != "auto" and set(threads) != {settings.threads}:
        raise UserError(
            f"cluster.threads: {threads} there, {settings.threads} now; threads can change the last"
            " bits, so a run keeps those it was started with."
        )


def _on_gpus(
    settings: Cluster, folds: int, machine: Machine, gpus: float, recorded: Recorded | None
) -> Plan:
    workers, share = settings.workers_per_fold, settings.gpus_per_worker
    if workers > 1 and share <= 0.5:
        raise UserError(f"{shared_gpu(workers, share)}.")
    # Workers that fit: a share of a GPU never spans two GPUs. The tolerance, as 1 / 0.1 may round to
    # less than 10.
    fit = int(gpus) * int(1 / share + 1e-9)
    slots = fit // workers
    if slots == 0:
        raise UserError(
            f"cluster.workers_per_fold={workers} of {share:g} GPU each do not fit into"
            f" {gpus:g} GPUs; ask for fewer or smaller ones."
        )
    slots = min(slots, folds, _max_folds_at_once(settings, folds))
    # Where no GPU is there yet, its node will have more CPUs than the head that is counted now.
    threads = MAX_GPU_THREADS
    room = 1.0
    if machine.gpus:
        room = machine.cpus / (slots * workers)
        if (
            machine.cpus_per_gpu is not None
        ):  # workers with a GPU cannot use the CPUs of other nodes
            room = min(room, machine.cpus_per_gpu * share)
        threads = max(1, min(MAX_GPU_THREADS, int(room)))
    of_folds = _threads(settings, folds, recorded, threads)
    # Never more CPUs than there are for each worker: too few for the threads must not idle a GPU.
    cpus = tuple(min(float(t), max(0.01, room)) for t in of_folds)
    reason = f"{gpus:g} GPUs, {share:g} per worker, {workers} workers per fold"
    return Plan(
        "cuda",
        slots,
        of_folds,
        workers,
        cpus,
        share,
        settings.resources_per_worker,
        machine.cpus,
        reason,
    )


def _on_cpus(settings: Cluster, folds: int, machine: Machine, recorded: Recorded | None) -> Plan:
    cores, workers = max(1, int(machine.cpus)), settings.workers_per_fold
    # A worker cannot span two nodes: one that asked for more CPUs than any node has would never start.
    max_cpus = max(1, int(machine.node_cpus or cores))
    each = 1 if settings.threads == "auto" else settings.threads
    slots = max(1, min(folds, _max_folds_at_once(settings, folds), cores // (each * workers)))
    if recorded is not None:
        threads = recorded.threads
    elif settings.threads != "auto":
        threads = (settings.threads,) * folds
    else:
        shares = _threads_by_fold(max(1, cores // workers), folds, slots)
        threads = tuple(min(share, max_cpus) for share in shares)
    cpus = tuple(float(min(t, cores / workers, max_cpus)) for t in threads)
    reason = f"no GPU: {cores} cores, {slots} folds at once"
    if workers * min(threads) > cores:
        reason += f"; {workers} workers per fold are more than the cores and will be slow"
    if not machine.is_local and settings.gpus == "auto":
        reason += " (if GPUs start on demand here, say how many: cluster.gpus=N)"
    return Plan(
        "cpu", slots, threads, workers, cpus, 0.0, settings.resources_per_worker, cores, reason
    )


def _threads_by_fold(cores: int, folds: int, slots: int) -> tuple[int, ...]:
    """Threads of each fold, so that every round of folds uses all cores, including the last one.

    Fixed per fold and not decided when a fold starts: the threads affect the last bits, and the order in
    which folds end varies.
    """
    threads: list[int] = []
    for first in range(0, folds, slots):
        together = min(slots, folds - first)
        whole, rest = divmod(cores, together)
        threads += [max(1, whole + (i < rest)) for i in range(together)]
    return tuple(threads)


def _max_folds_at_once(settings: Cluster, folds: int) -> int:
    return folds if settings.folds_at_once == "auto" else settings.folds_at_once


def _threads(
    settings: Cluster, folds: int, recorded: Recorded | None, auto: int
) -> tuple[int, ...]:
    if recorded is not None:  # even if there are more cores now: the result must not change
        return recorded.threads
    return (auto if settings.threads == "auto" else settings.threads,) * folds
