"""Ending a worker that hangs: a signal on its own machine, since it answers to nothing else."""

import os
import signal
from collections.abc import Mapping
from typing import Any


def kill_worker(told: Mapping[str, Any]) -> None:
    """Kill the process that told this; Ray then sees it die.

    told: a fold's progress.json, of which node (Ray's name of the machine) and pid count.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    strategy = NodeAffinitySchedulingStrategy(told["node"], soft=False)

    def kill(pid: int) -> None:  # os.kill itself is no function that Ray can send
        os.kill(pid, signal.SIGKILL)

    ray.remote(num_cpus=0, scheduling_strategy=strategy)(kill).remote(told["pid"])
