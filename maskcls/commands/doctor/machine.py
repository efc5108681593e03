"""Cores, memory, disks and limits of this machine, or of the container that this process is in."""

import os
import shutil
from pathlib import Path

from maskcls.cluster.requirements import min_open_files, open_files_limit, require_loopback
from maskcls.cluster.temporary import MIN_FREE_BYTES
from maskcls.commands.doctor.check import Check, Level
from maskcls.core import system as limits
from maskcls.core.errors import RunFailed, UserError
from maskcls.core.system import affinity, cpu_limit, read_text
from maskcls.store.places import require_home

MIB, GIB = 2**20, 2**30
MIN_SHM = 256 * MIB
MIN_CACHE = 2 * GIB
MIN_MEMORY = 2 * GIB  # Ray alone takes 0.5 to 0.7 GB
ENOUGH_OPEN_FILES = 4096
_SHM = Path("/dev/shm")  # noqa: S108  # only read


def cores() -> Check:
    """Cores of the machine, and how many of them this process may use."""
    there, limit = os.cpu_count() or 1, cpu_limit()
    allowed = affinity()
    text = f"{there}"
    if allowed < there:
        text += f", of which this process may use {allowed}"
    if limit is None or limit >= allowed:
        return Check("cores", "ok", text)
    # Ray and torch count the cores and ignore this limit, and then start too many threads.
    text += f", limited to {limit:g} by the container; give cluster.threads if folds are slow"
    return Check("cores", "note", text)


def memory() -> Check:
    """Memory of the machine, and the container's limit on it."""
    (total, available), limit = memory_bytes(), memory_limit()
    text = f"{total / GIB:.1f} GiB, {available / GIB:.1f} GiB available"
    if limit is not None and limit < total:
        text += f", the container may use {limit / GIB:.1f} GiB"
        # The machine's available memory may exceed what the container gets.
        available = min(available, limit)
    # A note, not a problem: caches may be freed, and one fold at a time needs less.
    if available < MIN_MEMORY:
        return Check("memory", "note", f"{text}; train with cluster.folds_at_once=1")
    return Check("memory", "ok", text)


def memory_bytes() -> tuple[int, int]:
    """Total and available memory [bytes]."""
    import psutil

    memory = psutil.virtual_memory()
    return memory.total, memory.available


def memory_limit() -> int | None:
    """The container's limit [bytes], None without one."""
    text = read_text(limits.CGROUP / "memory.max") or read_text(
        limits.CGROUP / "memory/memory.limit_in_bytes"
    )
    # cgroup 1 represents "no limit" as a number near 2**63.
    return int(text) if text.isdigit() and int(text) < 2**60 else None


def shared_memory() -> Check:
    """Size of /dev/shm, where Ray stores the objects that processes exchange."""
    name, size = "shared memory", shm_bytes()
    if size is None:
        return Check(name, "ok", "this system has no /dev/shm; Ray uses files")
    text = f"{_SHM} has {size / MIB:.0f} MiB"
    if size < MIN_SHM:
        text += "; Ray will be slow: start the container with --shm-size=1g (Docker's is 64 MiB)"
        return Check(name, "note", text)
    return Check(name, "ok", text)


def shm_bytes() -> int | None:
    """Size of /dev/shm [bytes], None if there is none."""
    return shutil.disk_usage(_SHM).total if _SHM.is_dir() else None


def cache(folder: Path) -> Check:
    """Whether decoded pixels can be stored in the folder, which need not exist yet."""
    name = "cache folder"
    if fault := unwritable(folder):
        text = f"{fault}; set MASKCLS_CACHE or cluster.cache_dir to a folder that you own"
        return Check(name, "problem", text)
    free = disk_bytes(folder)[1]
    text = f"{folder}, {free / GIB:.1f} GiB free"
    if free < MIN_FREE_BYTES:
        text += "; free some space, or set MASKCLS_CACHE or cluster.cache_dir to a folder with more"
        return Check(name, "problem", text)
    if free < MIN_CACHE:
        return Check(name, "note", f"{text}; 18,900 images at 384x384 need 7.8 GiB")
    return Check(name, "ok", text)


def temp(folder: Path) -> Check:
    """Whether Ray's session, logs and spilled objects fit into the folder for temporary files."""
    name = "temp folder"
    if fault := unwritable(folder):
        return Check(name, "problem", f"{fault}; set TMPDIR to a folder that you own")
    total, free = disk_bytes(folder)
    text = f"{folder}, {free / GIB:.1f} GiB free"
    if free < MIN_FREE_BYTES:
        text += f"; Ray needs {MIN_FREE_BYTES / MIB:.0f} MiB: free some space or set TMPDIR"
        return Check(name, "problem", text)
    if free < 0.05 * total:
        text += "; Ray treats a disk as full at 95 %: free some space or set TMPDIR"
        return Check(name, "note", text)
    return Check(name, "ok", text)


def home() -> Check:
    """Whether there is a home folder, and pretrained weights can be stored in it."""
    try:
        require_home()
    except UserError as e:
        return Check("home", "problem", str(e))
    folder = Path.home()
    if fault := unwritable(folder):
        text = f"{fault}; weights from the hub need HF_HOME set to a folder that you own"
        return Check("home", "note", text)
    return Check("home", "ok", f"{folder} is writable")


def open_files() -> Check:
    """Limit on open files; each Ray process holds many sockets."""
    name, limit, needed = "open files", open_files_limit(), min_open_files()
    if limit is not None and limit < max(needed, ENOUGH_OPEN_FILES):
        level: Level = "problem" if limit < needed else "note"
        text = f"at most {limit}; a small run needs {needed}, a long one more"
        return Check(name, level, f"{text}: raise the limit with ulimit -n 65536")
    return Check(name, "ok", "no limit" if limit is None else f"at most {limit}")


def loopback() -> Check:
    """Whether Ray's processes can connect to each other."""
    try:
        require_loopback()
    except RunFailed as e:
        return Check("loopback", "problem", str(e).removeprefix("loopback: "))
    return Check("loopback", "ok", "127.0.0.1 accepts connections")


def disk_bytes(folder: Path) -> tuple[int, int]:
    """Total and free bytes of the disk that the folder is, or would be, on."""
    usage = shutil.disk_usage(_nearest(folder))
    return usage.total, usage.free


def unwritable(folder: Path) -> str:
    """Why nothing can be written into the folder, "" if it can; it need not exist yet."""
    there = _nearest(folder)
    if not there.is_dir():
        return f"{there} is a file"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"{there} is not writable"
    return ""


def _nearest(folder: Path) -> Path:
    """The folder itself or its nearest existing parent."""
    return next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
