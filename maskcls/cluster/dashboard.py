"""What a Ray cluster says of the workers of runs: asked of its dashboard, over HTTP alone.

Importing Ray and joining its cluster would take seconds and a process of the cluster's own; looking
must cost neither.
"""

import contextlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from maskcls.store.heartbeat import Heartbeat

_TIMEOUT_S = 5.0
_MOST_ROWS = 10_000


@dataclass(frozen=True)
class WorkerState:
    """What Ray says of a worker: state, such as ALIVE or DEAD (None when Ray has forgotten it), and the
    name of its log on its node."""

    state: str | None
    log: str


def look_at_workers(
    heartbeats: Sequence[Heartbeat | None], address: str, token: str | None
) -> list[WorkerState | None] | None:
    """State and log of the worker behind each heartbeat; None when the cluster cannot be reached.

    address: of the dashboard, such as http://127.0.0.1:8265.
    """
    try:
        known = _rows(address, token, "workers")
        nodes = {node["node_id"]: node for node in _rows(address, token, "nodes")}
    except (OSError, ValueError, KeyError):
        return None
    by_id = {row["worker_id"]: row for row in known}
    return [None if beat is None else _state_of(beat, by_id, nodes) for beat in heartbeats]


def _state_of(beat: Heartbeat, by_id: Mapping[str, Any], nodes: Mapping[str, Any]) -> WorkerState:
    row = by_id.get(beat.worker)
    state = None if row is None else "ALIVE" if row["is_alive"] else "DEAD"
    if nodes.get(beat.node, {}).get("state") == "DEAD":
        state = "NODE DEAD"
    return WorkerState(state, f"worker-{beat.worker}-*-{beat.pid}.out")


def _rows(address: str, token: str | None, what: str) -> list[dict[str, Any]]:
    url = f"{address}/api/v0/{what}?limit={_MOST_ROWS}&detail=true"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # see address_of
    # A proxy is for other machines; it would be given the token.
    proxies = urllib.request.ProxyHandler({} if is_loopback(address) else None)
    with urllib.request.build_opener(proxies).open(request, timeout=_TIMEOUT_S) as answer:
        rows: list[dict[str, Any]] = json.load(answer)["data"]["result"]["result"]
        return rows


def address_of(told: str | None) -> str | None:
    """Address of the dashboard to ask: what was told, RAY_API_SERVER_ADDRESS, or None."""
    found = told or os.environ.get("RAY_API_SERVER_ADDRESS")
    return found.rstrip("/") if found and found.startswith(("http://", "https://")) else None


def is_loopback(address: str) -> bool:
    """The address is this machine's own."""
    return urlsplit(address).hostname in ("127.0.0.1", "::1", "localhost")


def token_of() -> str | None:
    """The token of a cluster, from where Ray looks for it; None when there is none."""
    if told := os.environ.get("RAY_AUTH_TOKEN"):
        return told
    for place in (os.environ.get("RAY_AUTH_TOKEN_PATH"), "~/.ray/auth_token"):
        with contextlib.suppress(RuntimeError):  # there is no home folder
            if place and (path := Path(place).expanduser()).is_file():
                return path.read_text(encoding="utf-8").strip()
    return None
