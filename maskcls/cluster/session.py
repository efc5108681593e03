"""Starting a local Ray, or joining the one a job runs in; everything that listens is on loopback.

Ray is joined when RAY_ADDRESS says where (`ray job submit` sets it), else a local one is started and
ended with the command. Its temporary folder is its own: a stale /tmp/ray/ray_current_cluster of
another program would make every Train run wait 12 s for a dead address (Ray 2.60).
"""

import fcntl
import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from maskcls.cluster.plan import Machine
from maskcls.cluster.ray_internals.start import start_ray
from maskcls.core.errors import RunFailed, UserError
from maskcls.core.progress import Progress
from maskcls.core.system import usable_cores

_OBJECT_STORE = 256 * 2**20  # only statuses and eval logits travel through it [bytes]
_SHUTDOWN_S = 20.0
# Sockets lie at ROOT/mcls-PID-8 characters/r/session_DATE_PID/sockets/plasma_store: 107 bytes at most.
LONGEST_TEMPORARY_ROOT = 18  # leaves room for pids of seven digits
# Set before ray is imported; a value the user has set stands.
LOCAL_ENVIRONMENT = {
    # Despite its name: every socket of Ray, metrics included, binds to 127.0.0.1 (Ray 2.60).
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A process per fold each, for machines that are taken away and a page the dashboard lacks.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "0",
    # Nobody reads the workers' logs through Ray here, yet its log monitor lists its folder ten times
    # a second; with more files than this it does so twice.
    "RAY_LOG_MONITOR_MANY_FILES_THRESHOLD": "1",
}
_ALWAYS = {
    # The controllers' poll. At the default of 2 s an empty fit takes 13 s, at .2 s it takes 9; but
    # polling that often kept two folds on two cores from some 8 % of them.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1.0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_COLOR_PREFIX": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # CPU workers ask for no GPU and shall not see one by accident.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}


class Session:
    """A running Ray: what it has, its dashboard and, if it is our own, its temporary folder."""

    def __init__(self, ray: ModuleType, dashboard: str | None, temporary: Path | None) -> None:
        self.ray = ray
        self.dashboard = dashboard
        self.temporary = temporary

    @property
    def is_local(self) -> bool:
        """Started by us and ended with us."""
        return self.temporary is not None

    def own_node(self) -> str | None:
        """Ray's name of this machine in a cluster that was joined; None for our own Ray.

        What must happen here is pinned to it: tasks that may go anywhere would fill another
        machine's disk, and waiting for CPUs they would start machines.
        """
        if self.is_local:
            return None
        name: str = self.ray.get_runtime_context().get_node_id()
        return name

    def machine(self, needs: Collection[str] = ()) -> Machine:
        """CPUs and GPUs of the whole cluster, as it is now.

        needs: names of other resources that each worker takes, which only some machines may have.
        """
        has = self.ray.cluster_resources()
        alive = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        fit = [node for node in alive if all(node.get(name) for name in needs)] or alive
        largest = max((node.get("CPU", 0.0) for node in fit), default=None)
        per_gpu = [node.get("CPU", 0.0) / node["GPU"] for node in fit if node.get("GPU")]
        least = None if self.is_local else min(per_gpu, default=None)
        return Machine(has.get("CPU", 0.0), has.get("GPU", 0.0), self.is_local, largest, least)


@contextmanager
def ray_session(cache: Path, dashboard: bool, progress: Progress) -> Iterator[Session]:
    """Join or start Ray, and leave or end it.

    cache: folder that holds the token of local dashboards. Raises RunFailed when Ray does not start.
    """
    address = os.environ.get("RAY_ADDRESS")
    for name, value in (({} if address else LOCAL_ENVIRONMENT) | _ALWAYS).items():
        os.environ.setdefault(name, value)
    if address:
        with _joined(address) as session:
            yield session
    else:
        with _started(cache, dashboard, progress) as session:
            yield session


@contextmanager
def _joined(address: str) -> Iterator[Session]:
    import ray

    if address.startswith(("http://", "https://")):
        raise UserError(
            f"RAY_ADDRESS={address}: that is a dashboard, for ray job submit; to join the cluster"
            " from here, name its head as HOST:6379, or say auto."
        )
    try:
        with _our_signals():
            ray.init(**_quiet())
    except Exception as e:  # Ray raises many kinds; the cause is chained
        raise RunFailed(f"the Ray cluster at RAY_ADDRESS={address} cannot be joined: {e}") from e
    try:
        yield Session(ray, None, None)
    finally:
        _shut_down(ray)


@contextmanager
def _started(cache: Path, dashboard: bool, progress: Progress) -> Iterator[Session]:
    _refuse_open_doors()
    token = token_file(cache)
    os.environ.setdefault("RAY_AUTH_TOKEN_PATH", str(token))
    _sweep()
    # Ray opens its folder to everybody; the one around it is ours alone.
    # Short, since unix sockets inside may have 107 characters; named by the process, for _sweep.
    temp = Path(tempfile.mkdtemp(prefix=temporary_prefix(), dir=temporary_root()))
    alive = hold(temp)
    try:
        import ray

        try:
            with _our_signals():
                context = start_ray(
                    ray,
                    temp,
                    address="local",
                    num_cpus=usable_cores(),
                    include_dashboard=dashboard,
                    dashboard_host="127.0.0.1",
                    object_store_memory=_OBJECT_STORE,
                    **_quiet(),
                )
        except Exception as e:  # Ray raises many kinds; the cause is chained
            raise RunFailed(f"Ray does not start here: {e}; maskcls doctor says more") from e
        url = f"http://{context.dashboard_url}" if dashboard and context.dashboard_url else None
        if url:
            progress.say(f"Ray's dashboard: {url} (it asks for the token in {token})")
        try:
            yield Session(ray, url, temp)
        finally:
            _shut_down(ray)
    finally:
        shutil.rmtree(temp, ignore_errors=True)
        os.close(alive)


def _refuse_open_doors() -> None:
    """UserError when Ray would listen on a public address and ask nobody for a token."""
    public = os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] != "0"
    if public and os.environ["RAY_AUTH_MODE"] != "token":
        raise UserError(
            f"RAY_AUTH_MODE={os.environ['RAY_AUTH_MODE']}: with"
            " RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER set, Ray would listen on every address and run"
            " anybody's code; unset one of the two."
        )


@contextmanager
def _our_signals() -> Iterator[None]:
    """Keep our handlers: Ray's own for SIGTERM, set by ray.init, ends in an abort (exit code 134)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)


def _quiet() -> dict[str, Any]:
    # The workers' lines are in Ray's logs; ours come through the run's own records.
    return {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}


def _shut_down(ray: ModuleType) -> None:
    """End Ray, but never wait for it longer than _SHUTDOWN_S: the results are on disk by now."""
    thread = threading.Thread(target=ray.shutdown, daemon=True)
    thread.start()
    thread.join(_SHUTDOWN_S)


def token_file(cache: Path) -> Path:
    """The file with this user's token for local dashboards, made on first use, mode 0600."""
    path = cache / "ray-token"
    cache.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.stat().st_size:
            path.chmod(0o600)
            return path
        descriptor = os.open(path, os.O_WRONLY, 0o600)  # left empty by a killed command
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return path


def temporary_prefix() -> str:
    """What the names of our temporary folders for Ray begin with; names the owner for people."""
    return f"mcls-{os.getpid()}-"


def temporary_root() -> str:
    """Where they lie: the usual place, or /tmp when its path is too long for unix sockets in it."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= LONGEST_TEMPORARY_ROOT else "/tmp"  # noqa: S108


def hold(folder: Path) -> int:
    """Mark a temporary folder as in use, by a lock that the descriptor holds."""
    descriptor = os.open(folder / "alive", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _sweep() -> None:
    """Delete what killed commands left in the temporary folder: Ray keeps its sessions for ever."""
    for folder in Path(temporary_root()).glob("mcls-*-*"):
        # A lock tells more than a pid, which means nothing from one container to another.
        try:
            descriptor = hold(folder)
        except OSError:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)
