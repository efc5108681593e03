"""Runs simulations within some minutes: each size in a process of its own, its line appended at once."""

import importlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from maskcls.cluster.temporary import temporary_root

_GRACE_S = 600.0
"""An estimate may be wrong; a size that takes so much longer than what was left is ended."""
_MOST_MEMORY = 0.85


@dataclass(frozen=True)
class _Last:
    """The size before: how long it took with its inputs, what it had at first and at its peak."""

    size: int
    seconds: float
    base_mib: float
    peak_mib: float


def run(only: Sequence[str], minutes: float, out: Path) -> bool:
    """Measure and append to out; only: of NAMES; minutes: for all together. False when one failed."""
    ends = time.monotonic() + 60 * minutes
    return all([_run_sizes(name, ends, out) for name in only])


def _run_sizes(name: str, ends: float, out: Path) -> bool:
    simulation = importlib.import_module(f"tests.benchmarks.scaling.{name}")
    last: _Last | None = None
    for size in simulation.SIZES:
        left = ends - time.monotonic()
        reason = _reason_to_stop(size, last, left)
        if reason:
            print(f"{name}: {size:,} and more left out: {reason}", flush=True)
            return True
        load, started = os.getloadavg()[0], time.monotonic()
        answer = _measure(name, size, left)
        if answer is None:
            return False
        whole = time.monotonic() - started
        base = answer.get("base_mib", 0.0)
        last = _Last(size, whole, base, answer["peak_mib"])
        line = {"simulation": simulation.NAME, "size": size, **answer}
        _append(out, line | {"whole_s": round(whole, 1), "machine": _machine(load)})
    return True


def _reason_to_stop(size: int, last: _Last | None, left_s: float) -> str | None:
    """Why a size is not tried: it would not fit into the time or the memory that is left."""
    if left_s <= 0:
        return "no time is left"
    if last is None:
        return None
    growth = size / last.size
    needs_s = last.seconds * growth
    if needs_s > left_s:
        return f"it would take some {needs_s:.0f} s and {left_s:.0f} are left (--minutes)"
    needs_mib = last.base_mib + (last.peak_mib - last.base_mib) * growth
    free_mib = _MOST_MEMORY * psutil.virtual_memory().available / 2**20
    if needs_mib > free_mib:
        return f"it would take some {needs_mib:,.0f} MiB and {free_mib:,.0f} can be had"
    return None


def _measure(name: str, size: int, left_s: float) -> dict[str, Any] | None:
    """What the child says; None, and its last words on stderr, when it failed."""
    # A short path: Ray's sockets lie below, see cluster/temporary.py.
    folder = Path(tempfile.mkdtemp(prefix="scale-", dir=temporary_root()))
    words = ["tests.benchmarks.scaling.child", name, str(size), f"{left_s:.1f}", str(folder)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=left_s + _GRACE_S,
            env=_environment(folder),
        )
    except subprocess.TimeoutExpired as late:
        print(f"{name}: {size:,} was ended after {late.timeout:.0f} s", file=sys.stderr)
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode:
        print(f"{name}: {size:,} failed\n{done.stderr[-3000:]}", file=sys.stderr, flush=True)
        return None
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _environment(folder: Path) -> dict[str, str]:
    # A stranger's cluster must not be joined, and a stale /tmp/ray/ray_current_cluster makes every
    # bare Train run wait 12 s for a dead address.
    environment = {**os.environ, "MASKCLS_CACHE": str(folder / "cache"), "RAY_TMPDIR": str(folder)}
    environment.pop("RAY_ADDRESS", None)
    return environment


def _append(out: Path, line: dict[str, Any]) -> None:
    text = json.dumps(line)
    print(text, flush=True)
    with out.open("a", encoding="utf-8") as file:
        file.write(text + "\n")


def _machine(load: float) -> dict[str, Any]:
    """Where and when; load: of the minute before, since other work may share the cores."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "ray": importlib.metadata.version("ray"),
        "date": datetime.now(UTC).date().isoformat(),
        "load": round(load, 1),
    }
