"""nodes: clusters of 1 to 8 nodes on this one machine, each with one logical CPU and one logical GPU.

Logical: nothing runs on a GPU, and all nodes share the machine's cores, so this shows what Ray's
scheduling costs, not what machines would do. The first node is the head, with the dashboard, and has
the driver.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from maskcls.cluster import session
from tests.benchmarks.scaling.fits import Fit, Timed, bare_trainer, fit_all
from tests.benchmarks.scaling.steps import Steps

NAME = "nodes"
SIZES = (1, 2, 4, 8)
_TASKS_PER_GPU = 5
_ROUNDS = 10
_MOST_NODES_WITH_FITS = 2
"""An empty fit costs some ten seconds of CPU time: more at once would measure the cores."""
_FITS_PER_NODE = 2
_PATIENCE_S = 180.0
_OBJECT_STORE = 100 * 2**20


def measure(size: int, seconds: float, folder: Path) -> dict[str, Any]:
    """See the package; size: nodes."""
    _set_environment(folder)
    import ray
    from ray.cluster_utils import Cluster

    steps, cluster = Steps(None), Cluster()
    try:
        with steps.step("start"):
            for number in range(size):
                _add_node(cluster, is_head=number == 0)
            ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        with steps.step("a task on every node"):
            _on_every_node(size)
        details = _tasks(steps, size) | _processes()
        if size <= _MOST_NODES_WITH_FITS:
            details |= _fits(steps, size, folder)
        return steps.result(**details)
    finally:
        ray.shutdown()
        cluster.shutdown()  # its own nodes only; `ray stop` would end everybody's


def _set_environment(folder: Path) -> None:
    """As a local session: loopback only, a token, fewer helpers; before ray is imported."""
    token = session.token_file(folder / "cache")
    ours = session.LOCAL_ENVIRONMENT | session._ALWAYS | {"RAY_AUTH_TOKEN_PATH": str(token)}
    for name, value in ours.items():
        os.environ.setdefault(name, value)
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # Ray would hold it against the logical GPUs


def _add_node(cluster: Any, is_head: bool) -> None:
    own: dict[str, Any] = {}
    if is_head:
        # Port 0: Ray chooses. Other nodes get that from Cluster itself.
        own = {"include_dashboard": True, "dashboard_agent_listen_port": 0}
    cluster.add_node(num_cpus=1, num_gpus=1, object_store_memory=_OBJECT_STORE, **own)


def _empty_task(max_calls: int) -> Any:
    """A remote function that takes a GPU and says on which node it ran.

    max_calls: tasks of a worker process; 0 is any number. Ray's default for a GPU is 1, so that its
    memory comes free.
    """
    import ray

    # Not of the module: see fits.empty_training.
    def where() -> str:
        import ray

        node: str = ray.get_runtime_context().get_node_id()
        return node

    return ray.remote(num_cpus=0, num_gpus=1, max_calls=max_calls)(where)


def _on_every_node(size: int) -> None:
    """One task pinned to each node, all at once: each waits for its node's first worker process.

    Left to Ray, empty tasks would all run on the first node whose worker is up.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = _empty_task(max_calls=0)
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    pinned = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    asked = [task.options(scheduling_strategy=place).remote() for place in pinned]
    found = ray.get(asked, timeout=_PATIENCE_S)
    assert len(set(found)) == size, f"{len(set(found))} of {size} nodes"


def _tasks(steps: Steps, size: int) -> dict[str, Any]:
    """Five empty tasks for each GPU, placed as Ray likes: in processes that stay, then in new ones."""
    import ray

    each, nodes = _TASKS_PER_GPU * size, set[str]()

    def run(task: Any) -> None:
        nodes.update(ray.get([task.remote() for _ in range(each)], timeout=_PATIENCE_S))

    stays, goes = _empty_task(max_calls=0), _empty_task(max_calls=1)
    with steps.step("tasks"):
        for _ in range(_ROUNDS):
            run(stays)
    with steps.step("tasks in new processes"):
        run(goes)
    return {
        "tasks": each,
        "ms_per_task": round(1000 * steps.seconds("tasks") / (_ROUNDS * each), 3),
        "s_per_task_in_new_process": round(steps.seconds("tasks in new processes") / each, 3),
        "nodes_used": len(nodes),
    }


def _processes() -> dict[str, Any]:
    """Ray's processes and their memory; what several share counts once."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            found.append(process.memory_full_info().pss)
    return {"processes": len(found), "processes_mib": round(sum(found) / 2**20)}


def _fits(steps: Steps, size: int, folder: Path) -> dict[str, Any]:
    """Empty Train runs, as many at once as there are GPUs."""
    found: list[Fit] = []
    trainers = [
        Timed(bare_trainer(f"fit-{n}", str(folder / "train"), {"CPU": 1, "GPU": 1}), found)
        for n in range(_FITS_PER_NODE * size)
    ]
    with steps.step("empty fits"):
        fit_all(trainers, at_once=size)
    each = [round(fit.ended - fit.asked, 2) for fit in found]
    return {"fits_s": each, "s_per_fit": round(steps.seconds("empty fits") / len(each), 2)}
