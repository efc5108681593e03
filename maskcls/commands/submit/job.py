"""A job as Ray knows it: its id, its environment, and the shell's lines that run, follow and stop it."""

import re
import secrets
import shlex
import string
from collections.abc import Sequence
from datetime import UTC, datetime

from maskcls.commands.submit.address import Address, Mode
from maskcls.core.errors import UserError

JOB_ENVIRONMENT = {
    # `ray job stop` kills after 3 s otherwise, too soon for a fold to write its checkpoint. Ray reads
    # it in the job's supervisor, an actor with the job's own variables (Ray 2.60).
    "RAY_JOB_STOP_WAIT_TIME_S": "60",
    "PYTHONUNBUFFERED": "1",
}


def new_id(job: str) -> str:
    """A readable name for a job, such as train-20260131-kqxw (the date is UTC's)."""
    letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(4))
    return f"{job}-{datetime.now(UTC):%Y%m%d}-{letters}"


def checked_id(text: str) -> str:
    """The id as given; UserError where it cannot be part of a URL and a file's name."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text) is None:
        raise UserError(f"--id {text}: use up to 100 letters, digits, points and dashes.")
    return text


def entrypoint(job: str, words: Sequence[str]) -> str:
    """The shell's line that the cluster runs."""
    return shlex.join(["python", "-m", f"ray_jobs.{job}", *words])


def hints(address: Address, mode: Mode, job_id: str) -> tuple[str, str]:
    """The shell's lines that follow and stop a job; variables, since they win over Ray's options."""
    where = f"RAY_AUTH_MODE={mode} RAY_API_SERVER_ADDRESS={shlex.quote(address.url)} ray job"
    return f"{where} logs -f {job_id}", f"{where} stop {job_id}"
