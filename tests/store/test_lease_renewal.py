"""A lease on an object store whose holder hangs, sleeps, or cannot reach the store."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from maskcls.core.errors import RunFailed
from maskcls.store.atomic import Data
from maskcls.store.folder import Folder
from maskcls.store.lease import LEASE, Lease
from maskcls.store.lease_renewal import RenewedLease
from maskcls.store.listing import Entry


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Bucket(Folder):
    """Has the lease of an object store, but lies on the disk, so that other processes reach it."""

    before_read: Callable[[], None] = _nothing
    before_write: Callable[[], None] = _nothing
    after_write: Callable[[], None] = _nothing

    @classmethod
    def on(cls, folder: Path, **hooks: Callable[[], None]) -> "Bucket":
        """The bucket in a folder."""
        return cls(str(folder), False, **hooks)

    @property
    def disk(self) -> Folder:
        """Where the objects lie."""
        return Folder(self.location, is_local=True)

    @property
    def shown(self) -> str:
        return "s3://bucket"

    def read_bytes(self, name: str) -> bytes:
        self.before_read()
        return self.disk.read_bytes(name)

    def write_bytes(self, name: str, data: Data) -> None:
        self.before_write()
        self.disk.write_bytes(name, data)
        self.after_write()

    def delete(self, name: str) -> None:
        self.disk.delete(name)

    def list(self, name: str = "", recursive: bool = False) -> list[Entry]:
        return self.disk.list(name, recursive)


def _lease(folder: Folder, free_after_s: float = 0.4, settle_s: float = 0.01) -> Lease:
    return Lease(folder, "train", renew_s=0.1, free_after_s=free_after_s, settle_s=settle_s)


def _answer(lease: Lease) -> str:
    try:
        lease.check()
    except RunFailed as error:
        return str(error)
    return "ours"


def _wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.mark.parametrize("error", [RuntimeError("no such region"), OSError("unreachable")])
def test_errors_while_renewing_do_not_end_the_renewals(tmp_path: Path, error: Exception) -> None:
    errors: list[Exception] = []

    def fail() -> None:
        if errors:
            raise errors.pop()

    bucket = Bucket.on(tmp_path, before_write=fail)
    with _lease(bucket) as lease:
        errors += [error, error]
        _wait_until(lambda: not errors)
        before = bucket.read_json(LEASE)["renewals"]
        _wait_until(lambda: bool(bucket.read_json(LEASE)["renewals"] > before))
        lease.check()
        assert not lease.lost
    assert not bucket.disk.exists(LEASE)


def test_a_lease_that_cannot_be_renewed_any_more_is_lost(tmp_path: Path) -> None:
    held = threading.Event()

    def fail() -> None:
        if held.is_set():
            raise RuntimeError("no such region")

    with _lease(Bucket.on(tmp_path, before_write=fail)) as lease:
        held.set()
        lease.check()
        time.sleep(0.5)
        with pytest.raises(
            RunFailed, match=r"^s3://bucket: the lease could not be renewed for 0 s"
        ):
            lease.check()
        assert lease.lost


def test_a_lease_whose_thread_has_ended_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RenewedLease, "_renew", lambda self: None)
    with _lease(Bucket.on(tmp_path)) as lease:
        lease.check()
        time.sleep(0.5)
        with pytest.raises(RunFailed, match="could not be renewed"):
            lease.check()


def test_a_store_that_hangs_does_not_hang_the_check(tmp_path: Path) -> None:
    held, goes_on = threading.Event(), threading.Event()

    def hang() -> None:
        if held.is_set():
            goes_on.wait()

    with _lease(Bucket.on(tmp_path, before_write=hang)) as lease:
        held.set()
        time.sleep(0.5)
        with pytest.raises(RunFailed, match="could not be renewed"):
            lease.check()
        goes_on.set()
        # No other command has taken the run, so this one holds it again.
        _wait_until(lambda: not lease.lost)


def test_who_renews_late_notices_a_command_that_found_the_lease_free_just_then(
    tmp_path: Path,
) -> None:
    is_held, is_late = threading.Event(), threading.Event()

    def pause() -> None:
        if is_held.is_set() and not is_late.is_set():
            time.sleep(0.5)

    def take_over() -> None:
        # The first write after the pause was begun in time, as far as it knows; the next one is late.
        if is_late.is_set():
            bucket.disk.write_json(LEASE, {"holder": "other"})
        elif is_held.is_set():
            is_late.set()

    bucket = Bucket.on(tmp_path, before_write=pause, after_write=take_over)
    with _lease(bucket, settle_s=0.03) as lease:
        is_held.set()
        _wait_until(lambda: bool(bucket.read_json(LEASE) == {"holder": "other"}))
        answers = [_answer(lease)]
        while "could not be renewed" in answers[-1]:  # until the thread has asked the store
            answers.append(_answer(lease))
        assert "took the run over" in answers[-1]
    assert bucket.read_json(LEASE) == {"holder": "other"}


ASKED = """
import sys, time
from pathlib import Path
from maskcls.store.lease import Lease
from tests.store.test_lease_renewal import Bucket, _answer
bucket = Bucket.on(Path(sys.argv[1]), before_read=lambda: time.sleep(0.03))
with Lease(bucket, "train", renew_s=0.5, free_after_s=0.8, settle_s=0.05) as lease:
    print("held", flush=True)
    for _ in sys.stdin:
        print(_answer(lease), flush=True)
"""


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_process_that_was_suspended_asks_the_store_before_it_writes(
    tmp_path: Path, is_taken: bool
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ASKED, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            process.send_signal(signal.SIGSTOP)
            time.sleep(1.0)
            if is_taken:
                Bucket.on(tmp_path).disk.write_json(LEASE, {"holder": "other"})
            process.stdin.write("\n")
            process.send_signal(signal.SIGCONT)
            answer = process.stdout.readline()
        finally:
            process.kill()
    assert ("took the run over" in answer, answer == "ours\n") == (is_taken, not is_taken)
