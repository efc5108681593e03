"""`maskcls submit`: send a job to a Ray cluster, follow its log, fetch its results.

It uses Ray's own job client, and adds what that lacks: a timeout for every request, no upload to a
cluster without authentication, and the job's exit code, which Ray replaces by 1.
"""

import asyncio
import os
import re
import secrets
import shlex
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maskcls.cluster.ray_internals.submission import Limits, job_client
from maskcls.commands.submit import source
from maskcls.commands.submit.address import (
    Address,
    Mode,
    authentication_mode,
    in_words,
    parse_address,
    prepare_environment,
    quiet_ray,
    refuse_open,
)
from maskcls.commands.submit.following import Log, ending, fetch, follow
from maskcls.commands.submit.source import Argument, refuse_left_behind, refuse_relative
from maskcls.core.errors import Exit, UserError
from maskcls.core.names import without_credentials
from maskcls.core.progress import Progress
from maskcls.store.folder import Folder

__all__ = ["Argument", "Order", "Submitted", "submit"]


@dataclass(frozen=True)
class Order:
    """The job to submit.

    job: a module of ray_jobs. words: its arguments, passed on unchanged. places: those of them that
    name a location or a file (`--config`, `--space`). address: None for RAY_API_SERVER_ADDRESS, else
    DEFAULT_ADDRESS. job_id: None for a random one. fetch: local folder for the results.
    """

    job: str
    words: tuple[str, ...]
    places: tuple[Argument, ...] = ()
    address: str | None = None
    job_id: str | None = None
    wait: bool = True
    fetch: str | None = None


@dataclass(frozen=True)
class Submitted:
    """Exit code; the fetched files; a sentence for each result that could not be fetched."""

    exit_code: Exit
    job_id: str
    fetched: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def submit(order: Order, show: Callable[[str], None], progress: Progress) -> Submitted:
    """Submit a job and, unless order.wait is off, follow it to its end.

    show: receives the job's id, then each line of its log. The exit code is the job's own; DEGRADED if
    it succeeded but a result could not be fetched; INTERRUPTED if this command was interrupted, which
    does not affect the job. Sets Ray's variables in this process's environment. Raises UserError before
    anything is sent when the order, the address or the token is invalid; RunFailed when the connection
    to the cluster is lost.
    """
    # All checks come before anything is sent, those without a connection first.
    address = parse_address(order.address, os.environ)
    job_id = checked_id(order.job_id) if order.job_id is not None else new_id(order.job)
    target = _target(order)
    refuse_relative(order.places)
    mode = authentication_mode(address)
    refuse_open(address, mode)
    prepare_environment(address, mode)
    follow_hint, stop_hint = hints(address, mode, job_id)
    commands = f"To follow it: {follow_hint}\nTo stop it: {stop_hint}"
    with source.source() as (folder, is_checkout):
        files = source.uploaded_files(folder)
        refuse_left_behind(order.places, files if is_checkout else ())
        source.refuse_large(files)
        show(f"job {job_id} at {address.url}")
        _warn(order, address, mode, progress)
        packages = " and ".join(source.PACKAGES)
        what = "this folder, without what .gitignore names" if is_checkout else packages
        progress.say(f"sends {what}: {len(files)} files, {source.mib(sum(files.values()))}")
        try:
            client = _send(order, address, job_id, folder)
        except KeyboardInterrupt:
            progress.say(
                f"interrupted while {job_id} was sent; it may run nevertheless.\n{commands}"
            )
            return Submitted(Exit.INTERRUPTED, job_id)
    if not order.wait:
        progress.say(commands)
        return Submitted(Exit.GOOD, job_id)
    log = Log(order.job, show)
    try:
        with in_words(address, job_id, f"the job may still run; to follow it: {follow_hint}"):
            info = asyncio.run(follow(client, job_id, log))
    except KeyboardInterrupt:
        progress.say(f"you no longer follow {job_id}; it continues to run.\n{commands}")
        return Submitted(Exit.INTERRUPTED, job_id)
    finally:
        log.close()
    code = ending(job_id, str(info.status), info.message, log.exit_code)
    # A job that failed may have left old or incomplete files.
    if target is None or code not in (Exit.GOOD, Exit.DEGRADED):
        return Submitted(code, job_id)
    fetched, missing = fetch(order.job, order.places, target)
    return Submitted(Exit.DEGRADED if missing else code, job_id, tuple(fetched), tuple(missing))


def _send(order: Order, address: Address, job_id: str, folder: Path) -> Any:
    """Upload the folder, unless the cluster has it, and start the job; returns Ray's client."""
    with in_words(address, job_id, "nothing was sent"):
        client = make_client(address)
    with in_words(address, job_id, "ray job list shows whether the job was started"):
        client.submit_job(
            entrypoint=entrypoint(order.job, order.words),
            submission_id=job_id,
            runtime_env={"working_dir": str(folder), "env_vars": dict(JOB_ENVIRONMENT)},
        )
    return client


def _target(order: Order) -> Folder | None:
    """The folder to fetch into, if any; UserError unless it is new or empty."""
    if order.fetch is None:
        return None
    if not order.wait:
        raise UserError(
            "--fetch needs the job's end, for which --no-wait does not wait; remove one of them."
        )
    folder = Folder.at(order.fetch)
    if not folder.is_local:
        raise UserError(f"--fetch {folder}: name a folder on this machine.")
    if folder.exists() and (not folder.is_dir() or folder.list()):
        raise UserError(f"--fetch {folder}: this is not an empty folder; name a new one.")
    return folder


def _warn(order: Order, address: Address, mode: Mode, progress: Progress) -> None:
    if mode == "token" and not address.is_loopback and not address.is_encrypted:
        progress.warn(
            f"the token goes to {address.host} unencrypted; https, or an SSH tunnel to the cluster's"
            " loopback (ray dashboard cluster.yaml), would keep it secret."
        )
    if any(without_credentials(word) != word for word in order.words):
        progress.warn(
            "a location holds credentials, and Ray keeps a job's command in its list and log;"
            " give the cluster's machines a role instead."
        )


# The answer may take longer than a connection: Ray's dashboard waits 10 s for a node that can start the
# job.
_LIMITS = Limits(connect=10.0, answer=60.0, upload=600.0)


def make_client(address: Address) -> Any:
    """Ray's job client with a timeout for each request; asks the cluster for its version."""
    quiet_ray()
    return job_client(address.url, _LIMITS)


JOB_ENVIRONMENT = {
    # `ray job stop` kills after 3 s otherwise, too soon for a fold to write its checkpoint. Ray reads
    # it in the job's supervisor, an actor with the job's own variables (Ray 2.60).
    "RAY_JOB_STOP_WAIT_TIME_S": "90",
    "PYTHONUNBUFFERED": "1",  # the log is followed line by line
}


def new_id(job: str) -> str:
    """A readable name for a job, such as train-20260131-kqxw (date in UTC)."""
    letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(4))
    return f"{job}-{datetime.now(UTC):%Y%m%d}-{letters}"


def checked_id(text: str) -> str:
    """The given id; UserError if it cannot be part of a URL and a file name."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text) is None:
        raise UserError(f"--id {text}: use up to 100 letters, digits, points and dashes.")
    return text


def entrypoint(job: str, words: Sequence[str]) -> str:
    """The shell command that the cluster runs."""
    return shlex.join(["python", "-m", f"ray_jobs.{job}", *words])


def hints(address: Address, mode: Mode, job_id: str) -> tuple[str, str]:
    """Shell commands that follow and stop a job; with variables, which override Ray's options."""
    where = f"RAY_AUTH_MODE={mode} RAY_API_SERVER_ADDRESS={shlex.quote(address.url)} ray job"
    return f"{where} logs -f {job_id}", f"{where} stop {job_id}"
