"""The temporary folder of a local Ray: where it can be, who uses it, removing those of killed commands.

Ray keeps its unix sockets there, whose paths have at most 107 bytes, and encodes the path as ASCII.
"""

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from maskcls.core.errors import UserError

PREFIX = "mcls-"
"""Prefix of our temporary folders for Ray, by which people and `sweep` recognise them."""
MIN_FREE_BYTES = 32 * 2**20
"""Minimum free space, for Ray's logs; a small run writes some 3 MB."""
_SOCKET_BYTES = 107 if sys.platform.startswith("linux") else 103  # a unix socket's path
_ENVIRONMENT = ("TMPDIR", "TEMP", "TMP")  # in the order of Python's tempfile
_STANDARD = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  # a folder of our own is made in them


def max_root_bytes() -> int:
    """Maximum length of the path of a folder below which Ray's sockets fit [bytes]."""
    # The longest of Ray's names below its folder, with a time of the usual length.
    session = f"session_2026-01-01_12-00-00_123456_{os.getpid()}"  # Ray names it after this process
    return _SOCKET_BYTES - len(f"/{PREFIX}12345678/r/{session}/sockets/plasma_store")


def why_unfit(folder: str) -> str:
    """Why Ray's temporary folder cannot be in this one, as the end of a sentence; "" if it can."""
    length, longest = len(os.fsencode(folder)), max_root_bytes()
    if not folder.isascii():
        return "has a name that is not ASCII, which Ray cannot use"
    if length > longest:
        return f"has {length} characters, and Ray's sockets below it allow {longest}"
    if not Path(folder).is_dir():
        return "is not a folder"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "is not writable"
    free = free_bytes(folder)
    if free < MIN_FREE_BYTES:
        needed = MIN_FREE_BYTES / 2**20
        return f"has {free / 2**20:.1f} MiB free, and Ray needs {needed:.0f} MiB"
    return ""


def free_bytes(folder: str) -> int:
    """Free space for this user on the folder's disk [bytes]."""
    return shutil.disk_usage(folder).free


def named_root() -> str | None:
    """The folder for temporary files that the environment names, if any."""
    named = next((os.environ[name] for name in _ENVIRONMENT if os.environ.get(name)), None)
    return None if named is None else str(Path(named).absolute())


def temporary_root() -> str:
    """The parent of our folder: TMPDIR if it is suitable, else a standard one.

    Raises UserError, with a reason for each, when none is suitable.
    """
    reasons = []
    for folder in _candidates():
        if not (why := why_unfit(folder)):
            return folder
        reasons.append(f"{folder} {why}")
    raise UserError(
        f"no folder for Ray's temporary files: {'; '.join(reasons)}; set TMPDIR to a folder that you"
        f" own, with a path of at most {max_root_bytes()} characters."
    )


def why_not_named(root: str) -> str:
    """Why `root` is used instead of the folder that the environment names, as a sentence; "" if it is
    the same.
    """
    named = named_root()
    if named is None or named == root:
        return ""
    return f"TMPDIR: {named} {why_unfit(named)}; Ray's temporary files are in {root}"


@contextlib.contextmanager
def temporary_folder(root: str) -> Iterator[Path]:
    """A new folder of this command alone, locked until the end and then deleted.

    Ray makes its own folder accessible to all users, so that one is created inside this.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    held = hold(folder)
    try:
        yield folder
    finally:
        # Deleted before the lock is released, or another command's sweep would delete it at the same
        # time. Errors are ignored: a process of Ray may still write; the next sweep deletes the rest.
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def hold(folder: Path) -> int:
    """Mark a temporary folder as in use, by a lock that the returned descriptor holds."""
    descriptor = os.open(folder / "alive", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def sweep(root: str) -> None:
    """Delete the folders that killed commands left in `root`: Ray never deletes its sessions."""
    for folder in Path(root).glob(f"{PREFIX}*"):
        # A lock and not a pid, which means another process, or none, in another container.
        try:
            descriptor = hold(folder)
        except OSError:  # in use, another user's, or not a folder
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _candidates() -> list[str]:
    named = named_root()
    return [folder for folder in (named, *_STANDARD) if folder is not None]
