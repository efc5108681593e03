"""Can pretrained weights be fetched?"""

import os
import sys
import urllib.parse
import urllib.request

from maskcls.commands.doctor.check import Check, Trial

HUB = "https://huggingface.co"
_TIMEOUT_S = 3.0
_WITHOUT = (
    "pretrained weights from the hub cannot be fetched: give model.weights=PATH or none, or use"
    " those that were fetched before"
)
_TRIAL = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()"


def hub() -> Check:
    """Whether the hub, or the proxy on the way to it, takes a connection."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return Check("hub", "note", f"HF_HUB_OFFLINE is set; {_WITHOUT}")
    host, port = _address(os.environ.get("HF_ENDPOINT") or HUB)
    shown, proxy = f"{host}:{port}", urllib.request.getproxies().get("https")
    if proxy and not urllib.request.proxy_bypass(host):
        host, port = _address(proxy)
        shown += f" through {host}:{port}"  # the proxy's user and password are left out
    if reachable(host, port):
        return Check("hub", "ok", f"{shown} can be reached")
    return Check("hub", "note", f"{shown} cannot be reached; {_WITHOUT}")


def reachable(host: str, port: int) -> bool:
    """Whether the port takes a connection within 3 s.

    Tried in another process, as no timeout holds for looking up the host's name.
    """
    with Trial([sys.executable, "-c", _TRIAL, host, str(port)], _TIMEOUT_S + 1) as trial:
        return trial.outcome().code == 0


def _address(url: str) -> tuple[str, int]:
    parts = urllib.parse.urlsplit(url if "//" in url else f"//{url}")
    return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
