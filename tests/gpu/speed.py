"""Images/s of bare steps, however they are issued, and of our own loop; what the GPU waits for."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tests.gpu import trace, work
from tests.gpu.cases import case_of
from tests.gpu.checks import Ask
from tests.gpu.work import Learning

Report = Callable[..., None]
_WARM_UP = 8
_PROFILED = 20


def speed(ask: Ask, case_name: str, report: Report) -> None:
    """Bare steps, our loop, and the GPU's idle share in the loop."""
    built = _built(ask, case_name)
    report("what", case_of(ask.tiny, case_name).label)
    batch = built.config.train.batch_size
    bare = steps_per_s(work.bare_step(built, work.plain_forward(built)), ask.seconds)
    report("bare steps", bare * batch, "images/s")
    ours, num_steps = loop_steps_per_s(built, bare, ask.seconds)
    report("our loop on decoded pixels", ours * batch, "images/s")
    report("our loop, share of bare steps", ours / bare)
    report("steps of our loop timed", num_steps)
    if ask.device != "cuda":
        return
    busy = trace.busy(lambda after: work.run_loop(built, _WARM_UP + _PROFILED, after), _WARM_UP)
    report("GPU idle in our loop, from kernel times", 1 - busy.kernels_s / busy.wall_s)
    # The profiler slows the CPU down: the kernels' time against a step's without it says more.
    report(
        "GPU idle in our loop, kernel times by unprofiled steps",
        1 - busy.kernels_s / busy.num_steps * ours,
    )
    report("kernels a step", busy.num_kernels / busy.num_steps)
    torch.backends.cudnn.benchmark = True
    tuned = steps_per_s(work.bare_step(built, work.plain_forward(built)), ask.seconds)
    report("bare steps, cudnn.benchmark", tuned * batch, "images/s")
    report("peak of the GPU's memory", torch.cuda.max_memory_allocated() / 2**30, "GiB")


def graphs(ask: Ask, case_name: str, report: Report) -> None:
    """A whole bare step, captured once and replayed."""
    built = _built(ask, case_name)
    batch = built.config.train.batch_size
    for group in built.learner.optimizer.param_groups:
        group["capturable"] = True
    step = work.bare_step(built, work.plain_forward(built))
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # as torch asks for, before a capture
        for _ in range(_WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    speed = steps_per_s(graph.replay, ask.seconds)
    report("bare steps as one CUDA graph", speed * batch, "images/s")
    if not all(bool(p.isfinite().all()) for p in built.learner.network.parameters()):
        report("weights after it are finite", False, ok=False)


def compile(ask: Ask, case_name: str, report: Report) -> None:
    """Bare steps with the network compiled; on a tiny run without code generation."""
    built = _built(ask, case_name)
    batch = built.config.train.batch_size
    backend = "aot_eager" if ask.tiny else "inductor"
    step = work.bare_step(built, work.compiled_forward(built, backend))
    began = time.monotonic()
    step()
    work.synchronize()
    report(f"torch.compile ({backend}), first step", time.monotonic() - began, "s")
    report("bare steps, torch.compile", steps_per_s(step, ask.seconds) * batch, "images/s")


def copies(ask: Ask, case_name: str, report: Report) -> None:
    """A batch on its way: gathered from the map, pinned, copied."""
    case = case_of(ask.tiny, "b0" if not ask.tiny else "tiny")
    job = work.write_run(Path(ask.work), "speed", case, ask.device)
    pixels = work.pixels_of(job)
    num_rows, count = len(pixels), case.batch_size
    size = count * pixels[0].nbytes
    draws = iter(np.random.default_rng(0).permutation(num_rows)[: num_rows // count * count])
    whole = torch.from_numpy(np.array(pixels[:count]))
    report("a batch", size / 2**20, "MiB")
    rows = [np.array([next(draws) for _ in range(count)]) for _ in range(num_rows // count)]
    source = torch.from_numpy(np.asarray(pixels))
    began = time.perf_counter()
    for some in rows:
        torch.index_select(source, 0, torch.from_numpy(some))
    report("gathering", (time.perf_counter() - began) / len(rows) * 1e3, "ms")
    began = time.perf_counter()
    for _ in range(20):
        pinned = whole.pin_memory()
    report("pinning", (time.perf_counter() - began) / 20 * 1e3, "ms")
    for name, batch in (("pinned", pinned), ("not pinned", whole)):
        seconds = copy_s(batch)
        report(f"copying, {name}", seconds * 1e3, "ms")
        report(f"copying, {name}", size / seconds / 1e9, "GB/s")


def copy_s(batch: torch.Tensor, times: int = 50) -> float:
    """Seconds of one copy to the GPU."""
    for _ in range(3):
        batch.to("cuda", non_blocking=True)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(times):
        batch.to("cuda", non_blocking=True)
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / times


def steps_per_s(step: Callable[[], None], seconds: float) -> float:
    """Speed of steps issued one after another, the device's own end waited for."""
    for _ in range(_WARM_UP):
        step()
    work.synchronize()
    began, steps = time.perf_counter(), 0
    while True:
        for _ in range(5):
            step()
        steps += 5
        # Issuing runs ahead of the GPU by as much as its queue holds.
        work.synchronize()
        passed = time.perf_counter() - began
        if passed >= seconds:
            return steps / passed


class _EnoughError(Exception):
    """Ends a loop that is much slower than was expected."""


def loop_steps_per_s(built: Learning, expected: float, seconds: float) -> tuple[float, int]:
    """Speed of our loop after its first steps, and how many were timed; expected: of steps."""
    num_steps = _WARM_UP + max(10, int(expected * seconds))
    began, timed = 0.0, 0

    def after(steps_done: int) -> None:
        nonlocal began, timed
        timed = steps_done - _WARM_UP
        if timed == 0:
            work.synchronize()
            began = time.perf_counter()
        elif timed > 0 and time.perf_counter() - began > 2 * seconds:
            raise _EnoughError

    with contextlib.suppress(_EnoughError):
        work.run_loop(built, num_steps, after)
    work.synchronize()
    return timed / (time.perf_counter() - began), timed


def _built(ask: Ask, case_name: str) -> Learning:
    case = case_of(ask.tiny, case_name)
    return work.build(work.write_run(Path(ask.work), "speed", case, ask.device))
