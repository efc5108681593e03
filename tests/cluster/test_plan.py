"""Who gets what, for all the machines that people have."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskcls.cluster.plan import Machine, Recorded, make_plan
from maskcls.config.schema import Cluster
from maskcls.core.errors import UserError

LAPTOP = Machine(cpus=2, gpus=0, is_local=True)


def test_folds_share_two_cores_and_the_last_gets_both() -> None:
    plan = make_plan(Cluster(), 5, LAPTOP)
    assert (plan.device, plan.folds_at_once) == ("cpu", 2)
    assert plan.threads == (1, 1, 1, 1, 2)
    assert plan.resources_of(4) == {"CPU": 2.0}


@pytest.mark.parametrize(("gpus", "at_once"), [(1, 1), (2, 2), (5, 5), (8, 5)])
def test_as_many_folds_at_once_as_gpus(gpus: int, at_once: int) -> None:
    plan = make_plan(Cluster(), 5, Machine(16, gpus, True))
    assert (plan.device, plan.folds_at_once) == ("cuda", at_once)
    assert plan.resources_of(0)["GPU"] == 1.0


@pytest.mark.parametrize(
    ("share", "workers", "gpus", "at_once"),
    [(0.5, 1, 1, 2), (0.2, 1, 1, 5), (0.4, 1, 2, 4), (1.0, 2, 4, 2), (0.6, 2, 4, 2)],
)
def test_fractional_gpus_and_several_workers(
    share: float, workers: int, gpus: int, at_once: int
) -> None:
    settings = Cluster(gpus_per_worker=share, workers_per_fold=workers)
    assert make_plan(settings, 5, Machine(16, gpus, True)).folds_at_once == at_once


def test_workers_of_a_fold_never_share_a_gpu_and_do_share_cores() -> None:
    settings = Cluster(gpus_per_worker=0.5, workers_per_fold=2)
    with pytest.raises(
        UserError, match=r"^cluster\.workers_per_fold=2 needs .* above 0\.5, which is"
    ):
        make_plan(settings, 5, Machine(16, 2, True))
    assert make_plan(settings, 5, LAPTOP).folds_at_once == 1


def test_auto_uses_the_gpus_of_a_cluster_and_0_does_not() -> None:
    cluster = Machine(64, 4, False)
    assert make_plan(Cluster(), 5, cluster).device == "cuda"
    assert make_plan(Cluster(gpus=0), 5, cluster).device == "cpu"


def test_gpus_that_a_cluster_has_not_yet_are_asked_for() -> None:
    plan = make_plan(Cluster(gpus=5), 5, Machine(4, 0, False))
    assert (plan.device, plan.folds_at_once) == ("cuda", 5)
    assert plan.resources_of(0) == {"CPU": 1.0, "GPU": 1.0}


def test_gpus_that_a_machine_will_never_have_are_refused() -> None:
    with pytest.raises(UserError, match=r"cluster\.gpus=2.*has 0"):
        make_plan(Cluster(gpus=2), 5, LAPTOP)


def test_workers_that_never_fit_are_refused() -> None:
    with pytest.raises(UserError, match="do not fit"):
        make_plan(Cluster(workers_per_fold=3), 5, Machine(16, 2, True))


def test_fewer_cores_than_gpu_workers_keep_no_gpu_idle() -> None:
    plan = make_plan(Cluster(), 5, Machine(2, 4, True))
    assert plan.folds_at_once == 4
    assert sum(plan.cpus_per_worker[:4]) <= 2


@pytest.mark.parametrize("recorded", [None, Recorded("cuda", tuple([4] * 5))])
@pytest.mark.parametrize("threads", ["auto", 4])
@pytest.mark.parametrize(
    "machine",
    [
        Machine(2, 1, True),  # where a run of a larger machine is resumed
        Machine(8, 4, True),
        Machine(18, 1, False, node_cpus=16, cpus_per_gpu=2),  # most of them are the head's
        Machine(80, 8, False, node_cpus=64, cpus_per_gpu=2),
        Machine(4, 8, False, node_cpus=4, cpus_per_gpu=0.5),
    ],
)
def test_whatever_the_threads_every_gpu_has_a_worker_that_fits(
    machine: Machine, threads: Any, recorded: Recorded | None
) -> None:
    plan = make_plan(Cluster(threads=threads), 5, machine, recorded)
    assert plan.folds_at_once == min(5, machine.gpus)
    room = machine.cpus_per_gpu or machine.cpus / plan.folds_at_once
    assert all(0 < cpus <= room for cpus in plan.cpus_per_worker)


def test_no_thread_less_where_the_gpus_come_later() -> None:
    later = make_plan(Cluster(gpus=5), 5, Machine(8, 0, False))
    there = make_plan(Cluster(gpus=5), 5, Machine(28, 5, False, node_cpus=8, cpus_per_gpu=4))
    assert later.threads == there.threads == (4,) * 5


def test_a_resumed_run_keeps_its_threads_on_another_machine() -> None:
    recorded = Recorded("cpu", tuple([1, 1, 1, 1, 2]))
    plan = make_plan(Cluster(), 5, Machine(8, 0, True), recorded)
    assert plan.threads == (1, 1, 1, 1, 2)


def test_a_resumed_run_refuses_another_device_and_other_threads() -> None:
    recorded = Recorded("cpu", tuple([1, 1, 1, 1, 2]))
    with pytest.raises(UserError, match="started on cpu"):
        make_plan(Cluster(), 5, Machine(8, 1, True), recorded)
    with pytest.raises(UserError, match=r"cluster\.threads"):
        make_plan(Cluster(threads=4), 5, LAPTOP, recorded)


@given(
    cpus=st.integers(1, 64), folds=st.integers(2, 12), workers=st.integers(1, 3),
    at_once=st.one_of(st.just("auto"), st.integers(1, 12)),
)  # fmt: skip
def test_cores_are_filled_and_never_oversubscribed(
    cpus: int, folds: int, workers: int, at_once: int | str
) -> None:
    settings = Cluster(workers_per_fold=workers, folds_at_once=at_once)  # type: ignore[arg-type]
    plan = make_plan(settings, folds, Machine(cpus, 0, True))
    assert 1 <= plan.folds_at_once <= folds
    for first in range(0, folds, plan.folds_at_once):
        together = range(first, min(first + plan.folds_at_once, folds))
        threads = sum(plan.threads[k] for k in together) * workers
        assert threads <= max(cpus, workers)
        assert sum(plan.cores_of(k) for k in together) <= cpus + 1e-9
        if cpus >= workers * len(together):
            assert threads > cpus - workers  # none is left for one more thread of a fold


def test_no_worker_asks_for_more_than_the_largest_machine_has() -> None:
    # Three nodes of one core: a last round of one fold would otherwise request three, and never start.
    plan = make_plan(Cluster(), 4, Machine(3, 0, False, node_cpus=1))
    assert plan.threads == (1, 1, 1, 1)
    assert plan.cpus_per_worker == (1.0, 1.0, 1.0, 1.0)
    assert make_plan(Cluster(), 4, Machine(3, 0, False, node_cpus=2)).threads == (1, 1, 1, 2)
    explicit = make_plan(Cluster(threads=16), 4, Machine(24, 0, False, node_cpus=8))
    assert set(explicit.cpus_per_worker) == {8.0}
    recorded = Recorded("cpu", tuple([16] * 4))
    again = make_plan(Cluster(), 4, Machine(24, 0, False, node_cpus=8), recorded)
    assert set(again.cpus_per_worker) == {8.0}
