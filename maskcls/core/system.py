"""What the system grants this process: cores, by affinity and container quota; memory returned to it."""

import ctypes
import gc
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Whole cores to divide among workers, at least 1."""
    limit = cpu_limit()
    # Rounded down: one thread more than the quota makes the kernel pause all of them.
    return max(1, affinity() if limit is None else min(affinity(), int(limit)))


def affinity() -> int:
    """Cores that the scheduler gives to this process."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


def cpu_limit() -> float | None:
    """The container's limit [cores], None without one."""
    quota, _, period = read_text(CGROUP / "cpu.max").partition(" ")
    if not quota:  # no such file: version 1 of cgroups, as in older containers
        quota = read_text(CGROUP / "cpu/cpu.cfs_quota_us")
        period = read_text(CGROUP / "cpu/cpu.cfs_period_us")
    if quota.isdigit() and period.isdigit() and int(period):
        return int(quota) / int(period)
    return None  # "max", -1 or no such file: no limit


def read_text(path: Path) -> str:
    """Text of a small system file, stripped; "" when it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def release_memory() -> None:
    """Return freed memory to the system; the C library would keep it for this process otherwise.

    Called between the stages of work on big tables: otherwise the peaks of two stages would add up.
    Does nothing where the C library is not glibc.
    """
    # Cycles first: arrays in them are not freed yet.
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return
