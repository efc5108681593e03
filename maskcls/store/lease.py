"""The lease: one command at a time writes a run, also when the commands run on several hosts.

Local disk: a lock (flock) on `<run>/.lease`. It ends with the process, however that ends, so
nothing stale is left. The file stays: after deleting it, two commands could lock two files of that
name.

Object store, which knows no locks: the object `.lease`, rewritten every 10 s by the holder. Who finds
it held looks whether that happens: a living holder's command is refused after some seconds, a killed
one's lease is waited for.

    free --written, 2 s later still ours--> held --deleted, or 45 s without rewriting--> free
                                             |
                                             +--another's object found--> lost
"""

import contextlib
import fcntl
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from maskcls.core.errors import RunFailed, UserError
from maskcls.store import atomic
from maskcls.store.paths import Folder, in_words, json_bytes

LEASE = ".lease"
_log = logging.getLogger(__name__)
_held: set[int] = set()
"""Descriptors of the locks this process holds."""


class Lease:
    """`with Lease(folder, "train"):` - nobody else writes the run meanwhile.

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
        """purpose: the command's name, told to others. say: hears what is waited for.

        The three times matter on object stores.
        """
        self.folder, self._say = folder, say
        self.lost = False
        """On an object store: another command has taken the run over; stop writing."""
        self._renew_s, self._free_after_s, self._settle_s = renew_s, free_after_s, settle_s
        self._us: dict[str, Any] = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "purpose": purpose,
            "started": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
        self._renewals = 0
        self._descriptor: int | None = None
        self._stop = threading.Event()
        self._renewer: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self.folder.is_local:
            self._lock()
        else:
            self._claim()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.folder.is_local:
            self._unlock()
        else:
            self._give_up()

    def check(self) -> None:
        """Raise RunFailed when the lease was lost; to be called before a lasting write."""
        if self.lost:
            raise RunFailed(
                f"{self.folder.shown}: this command could not renew its lease for "
                f"{self._free_after_s:.0f} s or another took the run over; it stops writing."
            )

    # Local disk

    def _lock(self) -> None:
        with in_words(self.folder, "write"):
            atomic.make_folders(self.folder.local_path)
            path = self.folder.local_path / LEASE
            # Not inheritable (Python's default, PEP 446): a program started by this one must not
            # keep the lock. Opened for writing, since over NFS flock becomes a lock on the file's
            # bytes, seen by all hosts (Linux 2.6.12 and later), and such a lock needs it.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise UserError(self._refusal(_wait_for_content(self.folder))) from None
        except OSError as error:
            os.close(descriptor)
            raise UserError(
                f"{self.folder.shown}: this file system knows no locks ({error.strerror}); "
                "put the run on another, or on an object store."
            ) from error
        self._descriptor = descriptor
        _close_in_forks()
        _held.add(descriptor)
        os.truncate(descriptor, 0)
        os.write(descriptor, json_bytes(self._us))

    def _unlock(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            _held.discard(descriptor)
            with contextlib.suppress(OSError):
                os.truncate(descriptor, 0)
            os.close(descriptor)

    # Object store

    def _claim(self) -> None:
        self._us["holder"] = secrets.token_hex(8)
        self._refuse_the_living()
        try:
            self._write()
            # Of several that found the run free, the last to write has it.
            time.sleep(self._settle_s)
            other = _content(self.folder)
            if not self._is_ours(other):
                raise UserError(self._refusal(other))
        except BaseException:
            self._give_up()
            raise
        self._renewer = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._renewer.start()

    def _refuse_the_living(self) -> None:
        """Return when the run is free, or its holder is seen not to renew; UserError when it does."""
        first = _content(self.folder)
        if not first or (age_s := self._age_s()) >= self._free_after_s:
            return
        self._say(
            f"{self.folder.shown}: held by {_words(first)}; looking whether that is still at work, for"
            f" up to {self._free_after_s - age_s:.0f} s"
        )
        ends = time.monotonic() + self._free_after_s - age_s
        while time.monotonic() < ends:
            time.sleep(self._renew_s / 4)
            now = _content(self.folder)
            if not now:
                return
            if now != first:
                raise UserError(self._refusal(now))
        # An earlier checkout's holder writes the same again. Half: stores cut times to seconds.
        if self._age_s() < self._free_after_s / 2:
            raise UserError(self._refusal(first))

    def _write(self) -> None:
        self.folder.write_bytes(LEASE, json_bytes(self._us | {"renewals": self._renewals}))
        self._renewals += 1

    def _is_ours(self, content: dict[str, Any]) -> bool:
        return bool(content.get("holder") == self._us["holder"])

    def _age_s(self) -> float:
        """Seconds since the lease was last written, both times by the store's clock."""
        # The clocks of two hosts may differ by more than the lease's 45 s.
        probe = f"{LEASE}-{self._us['holder']}"
        self.folder.write_bytes(probe, b"")
        try:
            times = {entry.name: entry.mtime_ns for entry in self.folder.list()}
        finally:
            self.folder.delete(probe)
        return (times[probe] - times.get(LEASE, 0)) / 1e9

    def _renew(self) -> None:
        renewed = time.monotonic()
        while not self._stop.wait(self._renew_s):
            try:
                other = _content(self.folder)
                self.lost = not self._is_ours(other)
                if not self.lost:
                    self._write()
                    renewed = time.monotonic()
            except (OSError, UserError) as error:
                _log.warning("lease not renewed run=%s error=%s", self.folder.shown, error)
                self.lost = time.monotonic() - renewed > self._free_after_s
            if self.lost:
                _log.error("lease lost run=%s", self.folder.shown)
                return

    def _give_up(self) -> None:
        self._stop.set()
        if self._renewer is not None:
            self._renewer.join()
        # A store that cannot be reached now frees the run by itself, 45 s later.
        with contextlib.suppress(OSError, UserError):
            if self._is_ours(_content(self.folder)):
                self.folder.delete(LEASE)

    def _refusal(self, other: dict[str, Any]) -> str:
        return (
            f"{self.folder.shown}: another command ({_words(other)}) is working on this run; wait for "
            "it or stop it."
        )


def _words(holder: dict[str, Any]) -> str:
    since = str(holder.get("started", "?")).replace("T", " ")[:16]
    return (
        f"{holder.get('purpose', '?')}, pid {holder.get('pid', '?')} on host"
        f" {holder.get('host', '?')}, since {since} UTC"
    )


def _content(folder: Folder) -> dict[str, Any]:
    """Who holds the lease; empty when nobody does or the holder cannot be read."""
    try:
        content = json.loads(folder.read_bytes(LEASE))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _wait_for_content(folder: Folder) -> dict[str, Any]:
    """Who holds the lock; waits a moment, for between lock and content lies an instant."""
    for _ in range(10):
        if content := _content(folder):
            return content
        time.sleep(0.02)
    return {}


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
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()
