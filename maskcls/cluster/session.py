"""Starting a local Ray, or joining the one that a job runs in; all sockets are on loopback.

Ray is joined when RAY_ADDRESS names it (`ray job submit` sets it), else a local one is started and ends
with the command. It gets a temporary folder of its own: a stale /tmp/ray/ray_current_cluster of another
program would make every Train run wait 12 s for a dead address (Ray 2.60).
"""

import os
import secrets
import signal
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from maskcls.cluster.joining import address_to_join
from maskcls.cluster.plan import Machine
from maskcls.cluster.ray_internals.start import start_ray
from maskcls.cluster.requirements import (
    drop_what_breaks_ray,
    refuse_public_without_token,
    require_start,
)
from maskcls.cluster.temporary import sweep, temporary_folder, temporary_root, why_not_named
from maskcls.core.errors import Exit, RunFailed, UserError
from maskcls.core.processes import source_path
from maskcls.core.progress import Progress
from maskcls.core.system import usable_cores
from maskcls.store.places import token_path

_OBJECT_STORE = 256 * 2**20  # only statuses and eval logits travel through it [bytes]
_SHUTDOWN_S = 20.0
_SIGNAL_S = 3.0  # time for Python's handler to run before a start that hangs in Ray's code is ended
# Set before ray is imported, which reads them then; values that the user has set are kept.
LOCAL_ENVIRONMENT = {
    # Despite its name: every socket of Ray, metrics included, binds to 127.0.0.1 (Ray 2.60).
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Each is one more process per fold: for the notice before a machine is reclaimed, which a local Ray
    # never gets, and for a page that the dashboard lacks (Ray 2.60).
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "0",
    # The workers' logs are not read through Ray here, yet its log monitor lists their folder ten times
    # a second; with more files than this threshold, only about twice.
    "RAY_LOG_MONITOR_MANY_FILES_THRESHOLD": "1",
}
_ALWAYS = {
    # The controllers' polling interval. An empty fit takes 13 s at the default of 2 s, and 9 s at
    # 0.2 s, but polling that often took some 8 % of two cores from the two folds on them.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1.0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_COLOR_PREFIX": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # CPU workers request no GPU and must not see one by accident.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}


class Session:
    """A running Ray: its resources, its dashboard and, if it is local, its temporary folder."""

    def __init__(self, ray: ModuleType, dashboard: str | None, temporary: Path | None) -> None:
        self.ray = ray
        self.dashboard = dashboard
        self.temporary = temporary

    @property
    def is_local(self) -> bool:
        """Started by this command, and ended with it."""
        return self.temporary is not None

    def own_node(self) -> str | None:
        """Ray's id of this node in a cluster that was joined; None for a local Ray.

        What must happen here is pinned to it: tasks that may run anywhere would fill another node's
        disk, and while they wait for CPUs the autoscaler would start machines.
        """
        if self.is_local:
            return None
        name: str = self.ray.get_runtime_context().get_node_id()
        return name

    def machine(self, needs: Collection[str] = ()) -> Machine:
        """CPUs and GPUs of the whole cluster, at this moment.

        needs: names of other resources that each worker requests, which only some nodes may have.
        """
        has = self.ray.cluster_resources()
        alive = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        # If none has them yet, the plan is made for the nodes there are: others may still be started.
        fit = [node for node in alive if all(node.get(name) for name in needs)] or alive
        largest = max((node.get("CPU", 0.0) for node in fit), default=None)
        per_gpu = [node.get("CPU", 0.0) / node["GPU"] for node in fit if node.get("GPU")]
        # The minimum, since Ray chooses the node: a worker must fit on each of them.
        cpus_per_gpu = None if self.is_local else min(per_gpu, default=None)
        return Machine(
            has.get("CPU", 0.0), has.get("GPU", 0.0), self.is_local, largest, cpus_per_gpu
        )


@contextmanager
def ray_session(cache: Path, dashboard: bool, progress: Progress) -> Iterator[Session]:
    """Join or start Ray, and disconnect from it or end it.

    cache: folder that holds the token of local dashboards. Raises RunFailed when Ray does not start.
    """
    address = address_to_join()
    # On a cluster that is joined, its own settings of authentication and sockets hold.
    for name, value in (({} if address else LOCAL_ENVIRONMENT) | _ALWAYS).items():
        os.environ.setdefault(name, value)
    drop_what_breaks_ray()
    require_start()
    if address:
        os.environ["RAY_ADDRESS"] = address  # without blanks, which Ray would not strip
        with _joined(address) as session:
            yield session
    else:
        os.environ.pop("RAY_ADDRESS", None)  # "local" would make every worker start its own Ray
        with _started(cache, dashboard, progress) as session:
            yield session


@contextmanager
def _joined(address: str) -> Iterator[Session]:
    import ray

    try:
        with _our_signals():
            ray.init(**_quiet(), **_import_path(ray))
    except Exception as e:  # Ray raises many types; the cause is chained
        raise RunFailed(
            f"the Ray cluster at RAY_ADDRESS={address} cannot be joined: {_in_a_line(e)}"
        ) from e
    try:
        yield Session(ray, None, None)
    finally:
        _shut_down(ray)


@contextmanager
def _started(cache: Path, dashboard: bool, progress: Progress) -> Iterator[Session]:
    refuse_public_without_token()
    token = token_file(cache)
    os.environ.setdefault("RAY_AUTH_TOKEN_PATH", str(token))
    root = temporary_root()
    if note := why_not_named(root):
        progress.say(note)
    # Before our own folder is made: what killed commands left may be what fills the disk.
    sweep(root)
    with temporary_folder(root) as temp:
        import ray  # only now: it reads the environment variables when it is imported

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
                    **_import_path(ray),
                )
        except Exception as e:  # Ray raises many types; the cause is chained
            raise RunFailed(
                f"Ray does not start here: {_in_a_line(e)}; maskcls doctor shows details"
            ) from e
        url = f"http://{context.dashboard_url}" if dashboard and context.dashboard_url else None
        if url:
            progress.say(f"Ray's dashboard: {url} (it asks for the token in {token})")
        try:
            yield Session(ray, url, temp)
        finally:
            _shut_down(ray)


@contextmanager
def _our_signals() -> Iterator[None]:
    """Keep our signal handlers while Ray starts, and end the process if Ray's code delays them.

    Ray's own handler for SIGTERM, set by ray.init, ends in an abort (exit code 134). Python runs a
    handler only between two of its own instructions, and a call into Ray may not return for minutes.
    """
    # Python allows signal handlers in the main thread only; elsewhere nothing is replaced.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    read, write = os.pipe()
    os.set_blocking(write, False)  # set_wakeup_fd requires it
    before = signal.set_wakeup_fd(write)
    over = threading.Event()
    watcher = threading.Thread(target=_leave_on_signal, args=(read, over), daemon=True)
    watcher.start()
    try:
        yield
    except SystemExit as e:  # from Ray's handler
        raise KeyboardInterrupt from e
    finally:
        # The flag first: a signal from here on is left to the handlers. The pipe's write end is closed
        # before the join, which is what ends the watcher's read.
        over.set()
        for number, handler in ours.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.close(write)
        watcher.join()
        os.close(read)


def _leave_on_signal(read: int, over: threading.Event) -> None:
    while number := os.read(read, 1):
        if number[0] in (signal.SIGINT, signal.SIGTERM) and not over.wait(_SIGNAL_S):
            # Written and ended directly: the main thread, which would clean up, does not run.
            os.write(2, b"maskcls: interrupted; the same command resumes where it stopped.\n")
            os._exit(Exit.INTERRUPTED)


def _in_a_line(error: Exception) -> str:
    """Ray's error message in one line: its first, or the last one of a log that it quotes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [repr(error)]
    return lines[-1] if lines[0].endswith(":") else lines[0]


def _quiet() -> dict[str, object]:
    # The workers' output is in Ray's logs; progress is reported through the run's own files.
    return {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}


class _FixedPaths(list[str]):
    """A list that Ray cannot extend, and does not replace when it is empty."""

    def __bool__(self) -> bool:
        return True

    def extend(self, paths: Iterable[str]) -> None:
        """Ignore the paths."""


def _import_path(ray: ModuleType) -> dict[str, object]:
    """The folders that workers import from: those of this process, without the current folder.

    Ray puts that first in their sys.path, where the user's random.py would hide the library's. A
    submitted job has a configuration of its own, which holds the uploaded code, and keeps it.
    """
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ:
        return {}
    paths = _FixedPaths(source_path())
    return {"job_config": ray.job_config.JobConfig(_py_driver_sys_path=paths)}


def _shut_down(ray: ModuleType) -> None:
    """End Ray, but wait no longer than _SHUTDOWN_S: the results are on disk by now."""
    thread = threading.Thread(target=ray.shutdown, daemon=True)
    thread.start()
    thread.join(_SHUTDOWN_S)


def token_file(cache: Path) -> Path:
    """The file with this user's token for local dashboards, created on first use, mode 0600.

    cache: holds it if the user has no folder for state files. Raises UserError when neither can be
    written.
    """
    path = token_path(cache)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In a shared cache, the owner of the folder could replace the token by one that they know.
        if path.parent.stat().st_uid != os.geteuid():
            raise PermissionError(13, "another user's")
        path.parent.chmod(0o700)
        _make_token(path)
    except OSError as e:
        raise UserError(
            f"{path}: the token of Ray's dashboard cannot be stored there ({e.strerror or e}); set"
            " XDG_STATE_HOME to a folder that you own."
        ) from e
    return path


def _make_token(path: Path) -> None:
    # Created with its mode, never made private afterwards: in between, others could read it.
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        path.chmod(0o600)
        if path.stat().st_size:
            return
        descriptor = os.open(path, os.O_WRONLY, 0o600)  # left empty by a killed command
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
