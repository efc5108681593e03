"""Starting a local Ray, or joining the one a job runs in; everything that listens is on loopback.

Ray is joined when RAY_ADDRESS says where (`ray job submit` sets it), else a local one is started and
ended with the command. Its temporary folder is its own: a stale /tmp/ray/ray_current_cluster of
another program would make every Train run wait 12 s for a dead address (Ray 2.60).
"""

import os
import secrets
import signal
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from maskcls.cluster.joining import address_to_join
from maskcls.cluster.plan import Machine
from maskcls.cluster.ray_internals.start import start_ray
from maskcls.cluster.requirements import (
    drop_what_breaks_ray,
    refuse_open_doors,
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
_SIGNAL_S = 3.0  # time for Python's own way out before a start that is stuck in Ray's code is left
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
        fewest = None if self.is_local else min(per_gpu, default=None)
        return Machine(has.get("CPU", 0.0), has.get("GPU", 0.0), self.is_local, largest, fewest)


@contextmanager
def ray_session(cache: Path, dashboard: bool, progress: Progress) -> Iterator[Session]:
    """Join or start Ray, and leave or end it.

    cache: folder that holds the token of local dashboards. Raises RunFailed when Ray does not start.
    """
    address = address_to_join()
    for name, value in (({} if address else LOCAL_ENVIRONMENT) | _ALWAYS).items():
        os.environ.setdefault(name, value)
    drop_what_breaks_ray()
    require_start()
    if address:
        os.environ["RAY_ADDRESS"] = (
            address  # without the blanks that Ray would take for a part of it
        )
        with _joined(address) as session:
            yield session
    else:
        os.environ.pop("RAY_ADDRESS", None)  # "local" would start Rays of their own in the workers
        with _started(cache, dashboard, progress) as session:
            yield session


@contextmanager
def _joined(address: str) -> Iterator[Session]:
    import ray

    try:
        with _our_signals():
            ray.init(**_quiet(), **_code_path(ray))
    except Exception as e:  # Ray raises many kinds; the cause is chained
        raise RunFailed(
            f"the Ray cluster at RAY_ADDRESS={address} cannot be joined: {_in_a_line(e)}"
        ) from e
    try:
        yield Session(ray, None, None)
    finally:
        _shut_down(ray)


@contextmanager
def _started(cache: Path, dashboard: bool, progress: Progress) -> Iterator[Session]:
    refuse_open_doors()
    token = token_file(cache)
    os.environ.setdefault("RAY_AUTH_TOKEN_PATH", str(token))
    root = temporary_root()
    if note := why_not_named(root):
        progress.say(note)
    sweep(root)
    with temporary_folder(root) as temp:
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
                    **_code_path(ray),
                )
        except Exception as e:  # Ray raises many kinds; the cause is chained
            raise RunFailed(
                f"Ray does not start here: {_in_a_line(e)}; maskcls doctor says more"
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
    """Keep our handlers while Ray starts, and end the process if Ray's code does not let them run.

    Ray's own handler for SIGTERM, set by ray.init, ends in an abort (exit code 134). Python runs a
    handler between two of its own instructions only, which a call into Ray may not reach for long.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    read, write = os.pipe()
    os.set_blocking(write, False)  # as set_wakeup_fd asks for
    before = signal.set_wakeup_fd(write)
    over = threading.Event()
    watcher = threading.Thread(target=_leave_on_signal, args=(read, over), daemon=True)
    watcher.start()
    try:
        yield
    except SystemExit as e:  # from Ray's handler
        raise KeyboardInterrupt from e
    finally:
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
            os.write(2, b"maskcls: interrupted; the same command resumes where it stopped.\n")
            os._exit(Exit.INTERRUPTED)


def _in_a_line(error: Exception) -> str:
    """What Ray complains of: its first line, or the last one of a log that it quotes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [repr(error)]
    return lines[-1] if lines[0].endswith(":") else lines[0]


def _quiet() -> dict[str, Any]:
    # The workers' lines are in Ray's logs; ours come through the run's own records.
    return {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}


class _Fixed(list[str]):
    """A list that Ray cannot add to, and does not take for none when it is empty."""

    def __bool__(self) -> bool:
        return True

    def extend(self, paths: Iterable[str]) -> None:
        """Leave the paths out."""


def _code_path(ray: ModuleType) -> dict[str, Any]:
    """Where workers import from: as this process, without the current folder.

    Ray puts that first in their sys.path, where the user's random.py would hide the library's. A job
    of a cluster comes with what it needs.
    """
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ:
        return {}
    paths = _Fixed(source_path())
    return {"job_config": ray.job_config.JobConfig(_py_driver_sys_path=paths)}


def _shut_down(ray: ModuleType) -> None:
    """End Ray, but never wait for it longer than _SHUTDOWN_S: the results are on disk by now."""
    thread = threading.Thread(target=ray.shutdown, daemon=True)
    thread.start()
    thread.join(_SHUTDOWN_S)


def token_file(cache: Path) -> Path:
    """The file with this user's token for local dashboards, made on first use, mode 0600.

    cache: holds it where the user has no folder for such things. Raises UserError when neither can be
    written.
    """
    path = token_path(cache)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.stat().st_uid != os.geteuid():
            raise PermissionError(13, "another user's")
        path.parent.chmod(0o700)
        _make_token(path)
    except OSError as e:
        raise UserError(
            f"{path}: the token of Ray's dashboard cannot be kept there ({e.strerror or e}); set"
            " XDG_STATE_HOME to a folder that is yours."
        ) from e
    return path


def _make_token(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        path.chmod(0o600)
        if path.stat().st_size:
            return
        descriptor = os.open(path, os.O_WRONLY, 0o600)  # left empty by a killed command
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
