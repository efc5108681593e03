"""The lease: one command at a time writes a run, also when the commands run on several hosts.

Local disk: a lock (flock) on `<run>/.lease`. It ends with the process, however that ends, so
nothing stale is left. The file stays: after deleting it, two commands could lock two files of that
name, so a holder whose file was deleted or replaced has lost its lease.

Object store (lease_renewal.py): the object `.lease`, rewritten every 10 s by the holder (renewal). A
command that finds it held watches for renewals: it is refused within seconds when there are any, and
waits for a killed holder's lease to become free.

    free --written, 2 s later still ours--> held --deleted, or 45 s without a renewal--> free
                                             |
                                             +--another's object found--> lost

A holder that was suspended, or could not reach the store, for more than 45 s does not know whether
the run is still its own. Before it may write again, the lease is claimed as at the beginning.
"""

import contextlib
import errno
import fcntl
import logging
import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from maskcls.core.errors import RunFailed, UserError
from maskcls.store import atomic
from maskcls.store.folder import Folder, in_words
from maskcls.store.lease_holder import LEASE, Holder, read_holder, refusal
from maskcls.store.lease_renewal import RenewedLease, Times

__all__ = ["LEASE", "Lease"]

_log = logging.getLogger(__name__)
_held: set[int] = set()
"""Descriptors of the locks this process holds."""


class Lease:
    """`with Lease(folder, "train"):` - no other command writes the run inside this block.

    Entering raises UserError, naming the holder, when another command works on the run.
    """

    def __init__(
        self,
        folder: Folder,
        purpose: str,
        say: Callable[[str], None] = _log.info,
        *,
        renew_s: float = 10.0,
        free_after_s: float = 45.0,
        settle_s: float = 2.0,
    ) -> None:
        """purpose: the command's name, shown to others. say: reports what is waited for.

        The three times matter on object stores only.
        """
        self.folder = folder
        self._way = (
            _FileLease(folder, purpose)
            if folder.is_local
            else RenewedLease(folder, purpose, say, Times(renew_s, free_after_s, settle_s))
        )

    def __enter__(self) -> Self:
        self._way.take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._way.give_up()

    def check(self) -> None:
        """Raise RunFailed unless the run is known to be ours; call it before each write that stays.

        On an object store it may wait for some seconds, when the last renewal is too old.
        """
        self._way.check()

    @property
    def lost(self) -> bool:
        """Whether `check` raises: another command may have taken the run over; stop writing."""
        try:
            self.check()
        except RunFailed:
            return True
        return False


class _FileLease:
    """A lock on the run's file `.lease`."""

    def __init__(self, folder: Folder, purpose: str) -> None:
        self.folder, self._purpose = folder, purpose
        self._descriptor: int | None = None

    def take(self) -> None:
        with in_words(self.folder, "write"):
            atomic.make_folders(self.folder.local_path)
            path = self.folder.local_path / LEASE
            # Not inheritable (Python's default, PEP 446): a program started by this one must not
            # keep the lock. Opened for writing: over NFS, flock becomes a lock on the file's bytes
            # that all hosts see (Linux 2.6.12 and later), and such a lock needs write access. Not
            # truncated here, since the file may hold another holder's name.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise UserError(refusal(self.folder, _wait_for_holder(self.folder))) from None
        except OSError as error:
            os.close(descriptor)
            raise UserError(
                f"{self.folder.shown}: this file system has no locks ({error.strerror}); "
                "put the run on another, or on an object store."
            ) from error
        self._descriptor = descriptor
        _close_in_forks()
        _held.add(descriptor)
        os.truncate(descriptor, 0)
        os.write(descriptor, Holder.of_this_process(self._purpose).to_bytes())

    def give_up(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            _held.discard(descriptor)
            # A full disk or a lost mount must not keep the lock: only close() frees it.
            with contextlib.suppress(OSError):
                os.truncate(descriptor, 0)
            os.close(descriptor)

    def check(self) -> None:
        """Compare the locked file with the one of this name: another command would lock the latter."""
        if self._descriptor is None:
            return
        ours = os.fstat(self._descriptor)
        try:
            named = (self.folder.local_path / LEASE).stat()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
                # A disk that cannot be read says nothing about the lock; if it stays so, the write
                # that follows fails with the same error.
                _log.warning("lease not found run=%s error=%s", self.folder.shown, error)
                return
        else:
            # Device and inode: a file of the same name may be a new one after a delete.
            if (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino):
                return
        raise RunFailed(
            f"{self.folder.shown}: {LEASE} was deleted or replaced, so another command may work on"
            " this run; this command stops writing: run it again once no other works on this run."
        )


def _wait_for_holder(folder: Folder) -> Holder | None:
    """Who holds the lock; waits a moment, since the holder is written just after locking."""
    for _ in range(10):
        if holder := read_holder(folder):
            return holder
        time.sleep(0.02)
    return None


# A hook that is registered cannot be removed, so that it must be registered only once.
_forks_are_seen = False


def _close_in_forks() -> None:
    # A fork (a data loader's worker) shares the lock and would keep it when this process is killed;
    # closing its copy leaves the lock with this process.
    global _forks_are_seen
    if not _forks_are_seen:
        os.register_at_fork(after_in_child=_close_all)
        _forks_are_seen = True


def _close_all() -> None:
    for descriptor in _held:
        # An exception here would appear in a child that has nothing to do with the run.
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()
