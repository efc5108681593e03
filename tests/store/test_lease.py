"""One command at a time writes a run on the local disk."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maskcls.core.errors import UserError
from maskcls.store.lease import LEASE, Lease
from maskcls.store.paths import Folder

HOLDER = """
import os, subprocess, sys, time
from maskcls.store.lease import Lease
from maskcls.store.paths import Folder
with Lease(Folder.at(sys.argv[1]), "train"):
    if sys.argv[2] == "fork" and os.fork() == 0:
        os.write(1, b"%d\\n" % os.getpid())
        time.sleep(60)
    if sys.argv[2] == "ended":
        if os.fork() == 0:
            os._exit(0)
        os.wait()
        subprocess.run([sys.executable, "-c", ""], check=True)
    if sys.argv[2] != "fork":
        os.write(1, b"0\\n")
    time.sleep(60)
"""


@contextmanager
def _holder(run: Path, kind: str = "plain") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process that holds the lease, and the number of the one it forked."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run), kind], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        forked = int(process.stdout.readline())
        try:
            yield process, forked
        finally:
            process.kill()
            if forked:
                os.kill(forked, signal.SIGKILL)


def test_second_process_is_refused_and_killing_the_holder_frees_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Folder.at("runs/a")
    with _holder(tmp_path / "runs/a") as (process, _):
        with (
            pytest.raises(
                UserError,
                match=rf"^runs/a: another command \(train, pid {process.pid} on host \S+, "
                r"since \d{4}-\d\d-\d\d \d\d:\d\d UTC\) is working on this run; wait for it or "
                r"stop it\.$",
            ),
            Lease(run, "evaluate"),
        ):
            pass
        process.kill()
        process.wait()
        with Lease(run, "evaluate"):
            assert run.read_json(LEASE)["purpose"] == "evaluate"


def test_fork_of_a_killed_holder_does_not_keep_the_run(tmp_path: Path) -> None:
    with _holder(tmp_path, "fork") as (process, forked):
        process.kill()
        process.wait()
        os.kill(forked, 0)
        with Lease(Folder.at(tmp_path), "evaluate") as lease:
            assert not lease.lost


def test_lease_is_held_while_forks_end_and_programs_start(tmp_path: Path) -> None:
    run = Folder.at(tmp_path)
    with (
        _holder(tmp_path, "ended") as (process, _),
        pytest.raises(UserError, match=f"pid {process.pid} "),
        Lease(run, "evaluate"),
    ):
        pass


def test_second_lease_in_the_same_process_is_refused(tmp_path: Path) -> None:
    run = Folder.at(tmp_path)
    with Lease(run, "train") as lease:
        with pytest.raises(UserError, match=f"pid {os.getpid()} "), Lease(run, "train"):
            pass
        lease.check()
    with Lease(run, "train"):
        pass


def test_error_inside_frees_the_run(tmp_path: Path) -> None:
    run = Folder.at(tmp_path)
    with pytest.raises(ZeroDivisionError), Lease(run, "train"):
        raise ZeroDivisionError
    with Lease(run, "train"):
        pass


def test_content_names_the_holder(tmp_path: Path) -> None:
    run = Folder.at(tmp_path / "new")
    with Lease(run, "train"):
        content = json.loads((tmp_path / "new" / LEASE).read_text())
    assert content.keys() == {"host", "pid", "purpose", "started"}
    assert content["pid"] == os.getpid()
    assert time.strptime(content["started"], "%Y-%m-%dT%H:%M:%SZ")
    assert (tmp_path / "new" / LEASE).read_text() == ""
