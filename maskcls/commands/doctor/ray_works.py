"""Ray: leftovers of other instances, and whether a local one starts."""

import os
import secrets
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import Self

from maskcls.cluster.joining import address_file, address_to_join, require_ray_at
from maskcls.cluster.requirements import require_loopback, require_open_files
from maskcls.cluster.session import LOCAL_ENVIRONMENT
from maskcls.cluster.temporary import PREFIX, hold, max_root_bytes, temporary_root, why_unfit
from maskcls.commands.doctor.check import Check, Probe, ProbeResult
from maskcls.core.errors import RunFailed, UserError
from maskcls.core.processes import python_command, python_environment
from maskcls.store.places import require_home

TIMEOUT_S = 60.0
DASHBOARD_PORT = 8265
_PROGRAM = """
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
    """Whether Ray's temporary folder, with its sockets, can be in this one; otherwise, where it is."""
    name = "temp path"
    if not (why := why_unfit(str(folder))):
        longest = max_root_bytes()
        return Check(name, "ok", f"{folder} is short enough for Ray's sockets ({longest} at most)")
    try:
        root = temporary_root()
    except UserError as e:
        return Check(name, "problem", str(e))
    return Check(name, "note", f"{folder} {why}; local runs use {root} instead")


def joined() -> Check:
    """Whether the environment names a cluster that runs would join, and a Ray answers there."""
    name, address = "other Ray", address_to_join()
    if address is None:
        return Check(name, "ok", "RAY_ADDRESS names no cluster: runs start a local Ray")
    try:
        require_ray_at(address)
    except (RunFailed, UserError) as e:
        return Check(name, "problem", str(e))
    text = f"RAY_ADDRESS is {address}: runs join that cluster; unset it to start a local Ray"
    return Check(name, "note", text)


def stale_address() -> Check:
    """Whether a Ray that has ended left its address, which other programs would try to reach."""
    name, path = "stale Ray", address_file()
    try:
        address = path.read_text().strip()
    except OSError:
        return Check(name, "ok", "no leftovers of another Ray")
    host, _, port = address.rpartition(":")
    if port.isdigit() and listens(host.strip("[]"), int(port)):
        return Check(name, "ok", f"another Ray runs at {address}; runs here do not use it")
    text = (
        f"{path} names {address}, where no Ray answers; remove the file (ray stop does, too): it"
        " makes runs of other programs fail, not those of maskcls, which have a folder of their own"
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
    """Whether something accepts connections there within a second."""
    try:
        socket.create_connection((host, port), 1.0).close()
    except OSError:
        return False
    return True


class RayProbe(Probe):
    """A local Ray that starts, runs one task and ends, in a temporary folder that is then deleted.

    Raises UserError or RunFailed where a run would refuse to start one.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        require_home()
        require_open_files()
        require_loopback()
        # With the prefix and lock of a run's folder: the next run deletes what a killed doctor left.
        self._folder = tempfile.mkdtemp(prefix=PREFIX, dir=temporary_root())
        self._alive = hold(Path(self._folder))
        own = python_environment()
        env = {k: v for k, v in own.items() if k not in _NOT_INHERITED} | _environment()
        super().__init__(
            python_command("-W", "ignore", "-c", _PROGRAM, self._folder), timeout_s, env
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        os.close(self._alive)
        # Ray's processes notice a killed parent only after a few seconds, and write until then.
        until = time.monotonic() + 5
        while Path(self._folder).exists():
            shutil.rmtree(self._folder, ignore_errors=True)
            if time.monotonic() > until:
                break
            time.sleep(0.05)


# They would make the probe join a cluster, use doctor's job as its own, or crash Ray's processes.
_NOT_INHERITED = (
    "RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_AUTH_TOKEN_PATH", "PYTHONOPTIMIZE",
    "PYTHONWARNINGS", "PYTHONINSPECT",
)  # fmt: skip


def _environment() -> dict[str, str]:
    return LOCAL_ENVIRONMENT | {
        "RAY_AUTH_TOKEN": secrets.token_hex(32),  # otherwise Ray writes one to ~/.ray
    }


def ray_starts(timeout_s: float = TIMEOUT_S) -> Check:
    """Start a local Ray, run one task on it, end it."""
    with RayProbe(timeout_s) as probe:
        return ray_check(probe.result(), timeout_s)


def ray_check(result: ProbeResult, timeout_s: float = TIMEOUT_S) -> Check:
    """The probe's result as a check."""
    name = "Ray starts"
    if result.code == 0:
        return Check(name, "ok", f"a local Ray ran a task after {result.out.strip()} s")
    if result.code is None:
        text = f"a local Ray did not start within {timeout_s:g} s; is the machine busy?"
    else:
        text = f"a local Ray does not start: {result.last_line}"
    load, cores = load_per_core()
    if load > 2:
        # Ray 2.60 gives its processes 30 s to start, which is not enough on a busy machine.
        text += f" The load is {load:.1f} on each of {cores} cores: try again when it is lower."
    return Check(name, "problem", text)


def load_per_core() -> tuple[float, int]:
    """Load average of the last minute, divided by the cores; and the number of cores."""
    cores = os.cpu_count() or 1
    return os.getloadavg()[0] / cores, cores
