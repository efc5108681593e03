"""record.json: where a run came from and what became of it; enough to tell two runs apart for ever."""

import importlib.metadata
import logging
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maskcls.core.errors import Exit, UserError
from maskcls.core.names import without_credentials
from maskcls.store.paths import Folder

_log = logging.getLogger(__name__)
FORMAT = 1
_PACKAGES = (
    "maskcls", "ray", "torch", "torchvision", "timm", "numpy", "pandas", "pyarrow", "scikit-learn",
    "pillow", "simplejpeg", "safetensors",
)  # fmt: skip


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a number."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


def machine() -> dict[str, Any]:
    """What the command runs on."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
    }


def git_commit() -> str | None:
    """Commit of the checkout that the program runs from, with "-dirty" if changed; None otherwise."""
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        tracked = _git(here, "ls-files", "--error-unmatch", Path(__file__).name)
        dirty = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-dirty" if dirty else commit if tracked else None


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(  # noqa: S603 (fixed words)
        ["git", "-C", str(folder), *words],  # noqa: S607 (the user's own git)
        capture_output=True, text=True, check=True, timeout=10,
    )  # fmt: skip
    return done.stdout.strip()


def new_record(data: dict[str, Any]) -> dict[str, Any]:
    """A run's first record; data: what it trains on, with its fingerprint."""
    return {
        "format": FORMAT,
        "created": now(),
        "versions": versions(),
        "machine": machine(),
        "git_commit": git_commit(),
        "data": data,
        "starts": [],
    }


def read_record(run: Folder) -> dict[str, Any] | None:
    """The run's record, None for a folder without one."""
    if not run.exists("record.json"):
        return None
    record: dict[str, Any] = run.read_json("record.json")
    if record.get("format") != FORMAT:
        raise UserError(
            f"{run}/record.json: written by another version of maskcls (format"
            f" {record.get('format')}, this one reads {FORMAT}); use that version or another run."
        )
    return record


def add_start(record: dict[str, Any], command: Sequence[str]) -> dict[str, Any]:
    """Note that a command starts on the run; returns its entry, to be completed by ending."""
    entry = {
        "command": [without_credentials(word) for word in command],
        "started": now(),
        "ended": None,
        "exit_code": None,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "python": sys.executable,
        "versions": versions(),
    }
    record["starts"].append(entry)
    return entry


@dataclass
class Ending:
    """How a command ends; a failure until it says otherwise."""

    exit_code: Exit = Exit.FAILURE


@contextmanager
def ending(entry: dict[str, Any], write: Callable[[], None]) -> Iterator[Ending]:
    """Complete a start's entry when the command ends, however it does, and write the record.

    An error that ends it is told even if the record cannot be written any more; without one, that is
    the error.
    """

    def complete() -> None:
        entry["ended"], entry["exit_code"] = now(), int(end.exit_code)
        write()

    end = Ending()
    try:
        yield end
    except BaseException as e:
        kinds = {KeyboardInterrupt: Exit.INTERRUPTED, UserError: Exit.MISTAKE}
        end.exit_code = next((c for k, c in kinds.items() if isinstance(e, k)), Exit.FAILURE)
        try:
            complete()
        except (OSError, UserError) as also:
            _log.warning("the record of this command's end cannot be written: %s", also)
        raise
    complete()
