"""What a simulation measures with: seconds of each step, and this process's peak of memory."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from maskcls.core import system

_MIB = 2**20


class Steps:
    """The steps of one simulation at one size.

    What it holds at its beginning is taken off the peak: making the inputs comes before, part by part,
    and is not what is measured.
    """

    def __init__(self, rows: int | None) -> None:
        """rows: of the whole table; None when memory does not go with rows."""
        system.release_memory()
        self._rows = rows
        self._base_mib = psutil.Process().memory_info().rss / _MIB
        self._steps: dict[str, dict[str, float]] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        started = time.monotonic()
        yield
        seconds = time.monotonic() - started
        # A peak never falls: it is that of all steps up to this one.
        self._steps[name] = {"seconds": round(seconds, 4), "peak_mib": round(peak_mib(), 1)}

    def seconds(self, name: str) -> float:
        """How long a step took that is over."""
        return self._steps[name]["seconds"]

    def result(self, **details: Any) -> dict[str, Any]:
        """What goes into the line of docs/scaling.jsonl; details: figures of this simulation alone."""
        peak = peak_mib()
        grown = max(0.0, peak - self._base_mib) * _MIB
        return {
            "rows": self._rows,
            "seconds": round(sum(s["seconds"] for s in self._steps.values()), 3),
            "base_mib": round(self._base_mib, 1),
            "peak_mib": round(peak, 1),
            "bytes_per_row": round(grown / self._rows, 1) if self._rows else None,
            "details": {"steps": self._steps, **details},
        }


def peak_mib() -> float:
    """Largest resident memory of this process so far [MiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
