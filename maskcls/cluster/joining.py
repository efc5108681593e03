"""The address of a cluster to join, and whether a Ray answers there.

Ray itself tries for minutes and prints its own errors; here a wrong address is one sentence within
seconds.
"""

import os
import socket
import threading
from pathlib import Path

from maskcls.core.errors import RunFailed, UserError

_CONNECT_S = 4.0
# The whole probe: connecting and the answer, _CONNECT_S each, and the name lookup, which has no timeout
# of its own. It keeps within the 10 s that require_ray_at promises.
_PROBE_S = 8.0
# The first bytes of an HTTP/2 client and its empty settings; a gRPC server answers with its own.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS = 4
_REMEDY = "start the cluster, correct the address, or unset RAY_ADDRESS to start a local Ray."


def address_to_join() -> str | None:
    """The cluster that RAY_ADDRESS names; None for a local Ray: unset, empty or "local"."""
    address = os.environ.get("RAY_ADDRESS", "").strip()
    return None if address in ("", "local") else address


def require_ray_at(address: str) -> None:
    """Raises within 10 s: UserError when this is not an address to join, RunFailed without an answer."""
    # Easily confused: `ray job submit` also accepts RAY_ADDRESS, and there it is the dashboard's URL.
    if address.startswith(("http://", "https://")):
        raise UserError(
            f"RAY_ADDRESS={address}: that is a dashboard, for ray job submit; to join the cluster"
            " from here, set it to HOST:6379 of its head, or to auto."
        )
    place = address.removeprefix("ray://")
    if address == "auto":
        place = _recorded_address()
        if _runs_a_head():
            return  # Ray itself finds it among the processes, without a recorded address
        if not place:
            raise RunFailed(f"RAY_ADDRESS=auto: no Ray runs on this machine; {_REMEDY}")
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit():
        raise UserError(
            f"RAY_ADDRESS={address}: set it to HOST:6379 of the cluster's head, or to auto."
        )
    # In a thread, since a name lookup cannot be interrupted. The list starts with the reason for the
    # case that the thread has not finished by _PROBE_S.
    why = ["it does not answer"]
    thread = threading.Thread(
        target=lambda: why.append(_why_no_ray(host.strip("[]"), int(port))), daemon=True
    )
    thread.start()
    thread.join(_PROBE_S)
    if why[-1]:
        raise RunFailed(f"RAY_ADDRESS={address}: no Ray to join at {place} ({why[-1]}); {_REMEDY}")


def address_file() -> Path:
    """Where ray start leaves the address of the machine's cluster, by Ray's own rule."""
    default = os.environ.get("TMPDIR") if os.uname().sysname == "Linux" else None
    return Path(os.environ.get("RAY_TMPDIR") or default or "/tmp") / "ray/ray_current_cluster"  # noqa: S108


def _recorded_address() -> str:
    try:
        return address_file().read_text().strip()
    except OSError:
        return ""


def _runs_a_head() -> bool:
    import psutil  # local, as it is needed for RAY_ADDRESS=auto only

    return any(process.info["name"] == "gcs_server" for process in psutil.process_iter(["name"]))


def _why_no_ray(host: str, port: int) -> str:
    """Why no Ray can be there; "" when a gRPC server answers."""
    try:
        with socket.create_connection((host, port), _CONNECT_S) as connection:
            if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
                return ""  # such a server answers only after a handshake with certificates
            connection.settimeout(_CONNECT_S)
            connection.sendall(_HELLO)
            answer = connection.recv(9)  # the header of an HTTP/2 frame; byte 3 is its type
    except TimeoutError:
        return "it does not answer"
    except (OSError, OverflowError) as e:  # OverflowError: a port above 65535
        return getattr(e, "strerror", None) or str(e)
    return "" if len(answer) > 3 and answer[3] == _SETTINGS else "another program answers"
