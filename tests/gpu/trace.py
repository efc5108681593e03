"""How long a GPU computes, from the kernels in a profiler's trace: NVML calls it busy with any one."""

import json
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile

from tests.gpu import work


@dataclass(frozen=True)
class Busy:
    """What ran in so many steps. kernels_s: time in which at least one kernel ran."""

    kernels_s: float
    wall_s: float
    num_kernels: int
    num_steps: int


def busy(run: Callable[[Callable[[int], None]], None], warm_up: int) -> Busy:
    """Profile steps after the first few; run(after_step) makes them all."""
    profiler = profile(activities=[ProfilerActivity.CUDA])
    began, steps = 0.0, 0

    def after(steps_done: int) -> None:
        nonlocal began, steps
        steps = steps_done
        if steps_done == warm_up:
            work.synchronize()
            profiler.start()
            began = time.perf_counter()

    run(after)
    work.synchronize()
    wall_s = time.perf_counter() - began
    profiler.stop()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        kernels = kernel_times(json.loads(path.read_text(encoding="utf-8")))
    if not kernels:
        raise RuntimeError("the profiler's trace holds no kernel; may it read the GPU's counters?")
    return Busy(union(kernels) / 1e6, wall_s, len(kernels), steps - warm_up)


def kernel_times(trace: dict[str, Any]) -> list[tuple[float, float]]:
    """Start and end of all kernels in a Chrome trace [us]; copies are none."""
    return [
        (float(event["ts"]), float(event["ts"]) + float(event["dur"]))
        for event in trace["traceEvents"]
        if event.get("ph") == "X" and event.get("cat") == "kernel"
    ]


def union(times: Iterable[tuple[float, float]]) -> float:
    """Length of what intervals cover together, however they overlap."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(times):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
