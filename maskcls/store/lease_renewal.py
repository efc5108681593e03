"""The lease of a run on an object store, which has no locks: an object that its holder rewrites."""

import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from maskcls.core.errors import RunFailed, UserError
from maskcls.store.folder import Folder
from maskcls.store.lease_holder import LEASE, Holder, read_holder, refusal

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Times:
    """Of a lease on an object store [s]."""

    renew: float = 10.0
    """Between two renewals."""
    free_after: float = 45.0
    """Since the last renewal, until other commands may take the run."""
    settle: float = 2.0
    """From writing the lease until it is certain that no other command wrote it too."""


class RenewedLease:
    """A lease on an object store, renewed by a thread of its own from `take` to `give_up`."""

    def __init__(
        self, folder: Folder, purpose: str, say: Callable[[str], None], times: Times
    ) -> None:
        self.folder, self._say, self._times = folder, say, times
        # Host and pid are no name for a lease: containers may share both.
        self._own = Holder.of_this_process(purpose, holder=secrets.token_hex(8))
        # A daemon: a command that fails before give_up must be able to end.
        self._renewer = threading.Thread(target=self._renew, name="lease", daemon=True)
        # Guards the next three, which the renewing thread changes.
        self._changed = threading.Condition()
        self._renewed_s = 0.0
        self._is_lost = False
        self._is_over = False

    def take(self) -> None:
        """UserError when another command works on the run."""
        self._refuse_active_holder()
        try:
            # The time before the write: the lease is never newer than this process believes.
            self._renewed_s = _clock_s()
            self._write()
            # An object store has no test-and-set. Of several commands that found the run free, the
            # last to write has it, once all their writes must have arrived.
            time.sleep(self._times.settle)
            other = read_holder(self.folder)
            if not self._is_ours(other):
                raise UserError(refusal(self.folder, other))
        except BaseException:
            self.give_up()
            raise
        self._renewer.start()

    def give_up(self) -> None:
        """Free the run, unless another command has it."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        if self._renewer.is_alive():
            # A renewal still being written would create the object again after the delete below. Not
            # for ever: a store that does not answer must not keep the command from ending.
            self._renewer.join(self._times.free_after)
        # If the store cannot be reached now, the lease expires 45 s later.
        with contextlib.suppress(Exception):
            if self._is_ours(read_holder(self.folder)):
                self.folder.delete(LEASE)

    def check(self) -> None:
        """Raise RunFailed unless this command is known to hold the run.

        When the last renewal is too old, waits up to 12 s for another.
        """
        with self._changed:
            if self._is_late() and not self._is_lost and self._renewer.is_alive():
                self._changed.notify_all()  # wakes the renewing thread before its 10 s have passed
                patience_s = self._times.renew + self._times.settle
                self._changed.wait_for(lambda: self._is_lost or not self._is_late(), patience_s)
            if self._is_lost:
                why = "another command took the run over"
            elif self._is_late():
                why = f"the lease could not be renewed for {self._times.free_after:.0f} s"
            else:
                return
        raise RunFailed(
            f"{self.folder.shown}: {why}; this command stops writing: run it again once no other"
            " works on this run."
        )

    def _refuse_active_holder(self) -> None:
        """Return when the run is free or its holder does not renew; UserError when it does."""
        first = read_holder(self.folder)
        if first is None or (age_s := self._age_s()) >= self._times.free_after:
            return
        left_s = self._times.free_after - age_s
        self._say(
            f"{self.folder.shown}: held by {first}; waits for up to {left_s:.0f} s to see whether that"
            " command is alive"
        )
        ends = time.monotonic() + left_s
        while time.monotonic() < ends:
            # Often enough to refuse within seconds, not only after a whole renewal interval.
            time.sleep(self._times.renew / 4)
            now = read_holder(self.folder)
            if now is None:
                return
            if now != first:
                raise UserError(refusal(self.folder, now))
        # A holder of an earlier version rewrites the object unchanged, so its age decides. Half: some
        # stores cut times to whole seconds.
        if self._age_s() < self._times.free_after / 2:
            raise UserError(refusal(self.folder, first))

    def _age_s(self) -> float:
        """Seconds since the lease was last written, both times by the store's clock."""
        # By a probe object, since the clocks of two hosts may differ by more than the lease's 45 s.
        probe = f"{LEASE}-{self._own.holder}"
        self.folder.write_bytes(probe, b"")
        try:
            times = {entry.name: entry.mtime_ns for entry in self.folder.list()}
        finally:
            self.folder.delete(probe)
        return (times[probe] - times.get(LEASE, 0)) / 1e9

    def _write(self) -> None:
        self.folder.write_bytes(LEASE, self._own.to_bytes())
        # A content that differs each time shows waiting commands that this one is alive.
        self._own = replace(self._own, renewals=self._own.renewals + 1)

    def _is_ours(self, content: Holder | None) -> bool:
        return content is not None and content.holder == self._own.holder

    def _renew(self) -> None:
        """The renewing thread. No exception ends it: later renewals may succeed."""
        while True:
            with self._changed:
                if not self._is_over:
                    self._changed.wait(self._times.renew)
                if self._is_over:
                    return
            try:
                # Outside the lock: check() must not wait for a request.
                renewed_s = self._renew_once()
            except Exception as error:
                _log.warning("lease not renewed run=%s error=%r", self.folder.shown, error)
                continue
            with self._changed:
                self._is_lost = renewed_s is None
                self._renewed_s = renewed_s or self._renewed_s
                self._changed.notify_all()
            if renewed_s is None:
                _log.error("lease lost run=%s", self.folder.shown)
                return

    def _renew_once(self) -> float | None:
        """When the lease was renewed, by `_clock_s`; None when another command has it."""
        if not self._is_ours(read_holder(self.folder)):
            return None
        # Before the write, which may hang for minutes: only what was true when it began counts.
        is_late, begun_s = self._is_late(), _clock_s()
        self._write()
        if is_late:
            # This process was suspended, or the store was unavailable: another command may have
            # found the lease free just now, so it is claimed as in `take`.
            time.sleep(self._times.settle)
            if not self._is_ours(read_holder(self.folder)):
                return None
        return begun_s

    def _is_late(self) -> bool:
        """Whether other commands may take the run."""
        return _clock_s() - self._renewed_s > self._times.free_after


def _clock_s() -> float:
    """Seconds that also pass while the machine sleeps, which Linux's monotonic clock leaves out."""
    # macOS has no CLOCK_BOOTTIME; its CLOCK_MONOTONIC counts sleep.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
