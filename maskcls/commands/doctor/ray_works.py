"""Ray: what lies around of other ones, and whether a local one starts."""

import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

from maskcls.cluster.session import LOCAL_ENVIRONMENT, hold, temporary_prefix, temporary_root
from maskcls.commands.doctor.check import Check, Outcome, Trial

TIMEOUT_S = 60.0
DASHBOARD_PORT = 8265
_LONGEST = 107 if sys.platform.startswith("linux") else 103  # a unix socket's path [bytes]
_TRIAL = """
import sys, time
begun = time.monotonic()
import ray
from pathlib import Path
from maskcls.cluster.ray_internals.start import start_ray
start_ray(ray, Path(sys.argv[1]), address="local", num_cpus=1, num_gpus=0,
          include_dashboard=False, object_store_memory=80_000_000, log_to_driver=False)
assert ray.get(ray.remote(lambda: 7).remote(), timeout=60) == 7
print(f"{time.monotonic() - begun:.1f}", flush=True)
ray.shutdown()
"""


def temp_path(folder: Path) -> Check:
    """Whether Ray's sockets below the folder have paths that the system accepts."""
    name, length, most = "temp path", len(os.fsencode(folder)), temp_path_most()
    if length > most:
        text = (
            f"{folder} has {length} characters, and Ray's sockets below it allow {most};"
            " local runs use /tmp instead"
        )
        return Check(name, "note", text)
    return Check(name, "ok", f"{length} characters, short enough for Ray's sockets")


def temp_path_most() -> int:
    """Longest folder for temporary files below which Ray's sockets can be made [bytes]."""
    below = f"/{_prefix()}12345678/session_2026-01-01_12-00-00_123456_{os.getpid()}"
    return _LONGEST - len(f"{below}/sockets/plasma_store")


def _prefix() -> str:
    return temporary_prefix()  # a run's next start sweeps away what a killed doctor left


def joined() -> Check:
    """Whether the environment names a cluster that runs would join."""
    address = os.environ.get("RAY_ADDRESS")
    if address:
        text = f"RAY_ADDRESS is {address}: runs join that cluster; unset it for a Ray of their own"
        return Check("other Ray", "note", text)
    return Check("other Ray", "ok", "RAY_ADDRESS is not set: runs start a Ray of their own")


def address_file() -> Path:
    """Where ray start leaves the address of the machine's cluster, by Ray's own rule."""
    default = os.environ.get("TMPDIR") if sys.platform.startswith("linux") else None
    return Path(os.environ.get("RAY_TMPDIR") or default or "/tmp") / "ray/ray_current_cluster"  # noqa: S108


def stale_address() -> Check:
    """Whether a Ray that ended left its address: other programs would try to reach it."""
    name, path = "stale Ray", address_file()
    try:
        address = path.read_text().strip()
    except OSError:
        return Check(name, "ok", "no leftovers of another Ray")
    host, _, port = address.rpartition(":")
    if port.isdigit() and listens(host.strip("[]"), int(port)):
        return Check(name, "ok", f"another Ray runs at {address}; runs here keep apart from it")
    text = (
        f"{path} names {address}, where no Ray answers; remove the file (ray stop does too): it"
        " makes other programs' runs fail, not these, which have a folder of their own"
    )
    return Check(name, "note", text)


def dashboard_port() -> Check:
    """Whether the dashboard's usual port is free."""
    name = "dashboard port"
    if listens("127.0.0.1", DASHBOARD_PORT):
        text = f"{DASHBOARD_PORT} is in use; the dashboard of a run takes the next free one"
        return Check(name, "note", text)
    return Check(name, "ok", f"{DASHBOARD_PORT} is free")


def listens(host: str, port: int) -> bool:
    """Whether something takes connections there within a second."""
    try:
        socket.create_connection((host, port), 1.0).close()
    except OSError:
        return False
    return True


class RayTrial(Trial):
    """A local Ray that starts, runs one task and ends, in a temporary folder that goes with it."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._folder = tempfile.mkdtemp(prefix=_prefix(), dir=temporary_root())
        self._alive = hold(Path(self._folder))
        env = {k: v for k, v in os.environ.items() if k not in _NOT_INHERITED} | _environment()
        command = [sys.executable, "-W", "ignore", "-c", _TRIAL, self._folder]
        super().__init__(command, timeout_s, env)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        os.close(self._alive)
        # Ray's processes notice a killed parent within a few seconds and write until then.
        until = time.monotonic() + 5
        while Path(self._folder).exists():
            shutil.rmtree(self._folder, ignore_errors=True)
            if time.monotonic() > until:
                break
            time.sleep(0.05)


# They would make the trial join a cluster, or take the doctor's job for its own.
_NOT_INHERITED = ("RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_AUTH_TOKEN_PATH")


def _environment() -> dict[str, str]:
    return LOCAL_ENVIRONMENT | {
        "RAY_AUTH_TOKEN": secrets.token_hex(32),  # else Ray writes one to ~/.ray
    }


def ray_starts(timeout_s: float = TIMEOUT_S) -> Check:
    """Start a local Ray, run one task on it, end it."""
    with RayTrial(timeout_s) as trial:
        return ray_check(trial.outcome(), timeout_s)


def ray_check(outcome: Outcome, timeout_s: float = TIMEOUT_S) -> Check:
    """What the trial says about Ray."""
    name = "Ray starts"
    if outcome.code == 0:
        return Check(name, "ok", f"a local Ray ran a task after {outcome.out.strip()} s")
    if outcome.code is None:
        text = f"a local Ray did not start within {timeout_s:g} s; is the machine busy?"
    else:
        text = f"a local Ray does not start: {outcome.last_line}"
    load, cores = load_per_core()
    if load > 2:
        # Ray 2.60 gives its parts 30 s to start, which is little on a machine that is busy.
        text += f" The load is {load:.1f} on each of {cores} cores: try again when it is less."
    return Check(name, "problem", text)


def load_per_core() -> tuple[float, int]:
    """Programs that wanted to run over the last minute, on each core; and the cores."""
    cores = os.cpu_count() or 1
    return os.getloadavg()[0] / cores, cores
