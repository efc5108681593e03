"""What a machine must offer before Ray is started; an error message where Ray would hang or crash."""

import os
import resource
import socket
import sys

from maskcls.cluster.joining import address_to_join, require_ray_at
from maskcls.cluster.temporary import temporary_root
from maskcls.core.errors import RunFailed, UserError
from maskcls.core.system import usable_cores
from maskcls.store.places import require_home

_OPEN_FILES = 128  # two folds on two cores took 87 in Ray's raylet, 54 in a controller
_OPEN_FILES_PER_CORE = 16  # one worker per core, with connections from raylet and GCS to each
# Read by every Python process: without asserts and docstrings, Ray's dashboard crashes; with warnings
# as errors, or an interactive prompt after the program, its other processes do.
_NOT_FOR_RAY = ("PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONINSPECT")


def require_start() -> None:
    """Raises UserError or RunFailed when Ray cannot be started here, or the named one not joined.

    Called before anything is read, and again by the session; takes at most 10 s.
    """
    # Without these checks Ray fails in its own processes, whose reason is only in their logs.
    if sys.flags.optimize > 1:
        raise UserError(
            "PYTHONOPTIMIZE=2 (or -OO): Ray cannot be imported without docstrings; unset it."
        )
    require_home()
    require_open_files()
    address = address_to_join()
    if address is not None:
        require_ray_at(address)
    else:
        require_loopback()
        temporary_root()


def drop_what_breaks_ray() -> None:
    """Remove variables from the environment that crash Ray's Python processes.

    Also keep those processes from importing from the current folder, where a user's random.py would hide
    the library's: the dashboard starts its parts with -c.
    """
    for name in _NOT_FOR_RAY:
        os.environ.pop(name, None)
    os.environ["PYTHONSAFEPATH"] = "1"


def require_open_files() -> None:
    """UserError when a process may open fewer files than a run needs."""
    limit, needed = open_files_limit(), min_open_files()
    if limit is not None and limit < needed:
        raise UserError(
            f"open files: this process may open {limit} at most, and a run needs {needed};"
            " raise the limit with ulimit -n 65536 (in a container: --ulimit nofile=65536)."
        )


def min_open_files() -> int:
    """Open files that one process of a run may need on this machine."""
    return _OPEN_FILES + _OPEN_FILES_PER_CORE * usable_cores()


def open_files_limit() -> int | None:
    """Files that a process may open, None without a limit: the hard one, up to which Ray raises it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def require_loopback() -> None:
    """RunFailed when 127.0.0.1 accepts no connections, as in a network namespace that is not set up."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), 2.0).close()
    except OSError as e:
        raise RunFailed(
            f"loopback: 127.0.0.1 cannot be reached ({e.strerror or e}), over which Ray's processes"
            " talk; bring it up with ip link set lo up."
        ) from e


def refuse_public_without_token() -> None:
    """UserError when Ray would listen on a public address without asking for a token."""
    # Not a warning: anyone who reaches Ray's ports can run code as this user.
    public = os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] != "0"
    if public and os.environ["RAY_AUTH_MODE"] != "token":
        raise UserError(
            f"RAY_AUTH_MODE={os.environ['RAY_AUTH_MODE']}: with"
            " RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER set, Ray would listen on every address and"
            " run code that anyone sends; unset one of the two."
        )
