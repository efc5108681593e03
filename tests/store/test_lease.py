"""One command at a time writes a run on the local disk."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maskcls.core.errors import RunFailed, UserError
from maskcls.store import lease_holder
from maskcls.store.folder import Folder
from maskcls.store.lease import LEASE, Lease
from maskcls.store.lease_holder import Holder

HOLDER = """
import os, subprocess, sys, time
from maskcls.store.lease import Lease
from maskcls.store import lease_holder
from maskcls.store.folder import Folder
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


@pytest.mark.parametrize("replaced", [False, True])
def test_holder_whose_file_was_deleted_or_replaced_has_lost_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Folder.at("run")
    with Lease(run, "train") as lease:
        lease.check()
        (tmp_path / "run" / LEASE).unlink()
        if replaced:
            with Lease(run, "evaluate") as other:
                with pytest.raises(RunFailed, match=r"^run: \.lease was deleted or replaced"):
                    lease.check()
                other.check()
        assert lease.lost
    with Lease(run, "train"):
        pass


def test_holder_whose_whole_run_was_deleted_has_lost_it(tmp_path: Path) -> None:
    run = Folder.at(tmp_path / "run")
    with Lease(run, "train") as lease:
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(RunFailed, match="deleted or replaced"):
            lease.check()


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


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", None), ("[]", None), ("{}", None), ("no JSON", None),
        ('{"purpose": "train", "pid": "7", "host": 1}', "train, pid ? on host ?, since ? UTC"),
        ('{"purpose": "train", "host": "a", "pid": 7, "started": "2026-01-31T10:11:12Z"}',
         "train, pid 7 on host a, since 2026-01-31 10:11 UTC"),
    ],
)  # fmt: skip
def test_a_holder_that_cannot_be_read_is_no_error(content: str, words: str | None) -> None:
    holder = Holder.parse(content.encode())
    assert (holder and str(holder)) == words


@pytest.mark.parametrize(("failures", "reads"), [(2, 3), (3, 3)])
def test_a_lease_whose_reading_is_cut_off_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, reads: int
) -> None:
    folder, calls = Folder.at(tmp_path), []
    folder.write_json(LEASE, {"purpose": "train"})
    content = folder.read_bytes(LEASE)

    def read_bytes(_: Folder, name: str) -> bytes:
        calls.append(name)
        if len(calls) <= failures:
            raise OSError("AWS Error INTERNAL_FAILURE during GetObject operation: stream cut off")
        return content

    monkeypatch.setattr(lease_holder, "READ_AGAIN_S", 0.0)
    monkeypatch.setattr(Folder, "read_bytes", read_bytes)
    if failures < reads:
        holder = lease_holder.read_holder(folder)
        assert holder is not None
        assert holder.purpose == "train"
    else:
        with pytest.raises(OSError, match="cut off"):
            lease_holder.read_holder(folder)
    assert len(calls) == reads
