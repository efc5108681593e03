"""State of the workers of runs, read from the Ray dashboard over HTTP.

Importing Ray and joining its cluster would take seconds and start a process there; showing a status
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
from typing import Any, NotRequired, TypedDict
from urllib.parse import urlsplit

from maskcls.store.heartbeat import Heartbeat

# `status --watch` asks again and again: a dashboard that hangs must not hold up the table for long.
_TIMEOUT_S = 5.0
_MAX_ROWS = (
    10_000  # the most that Ray's API accepts; its default of 100 would cut off large clusters
)


class _WorkerRow(TypedDict):
    """The fields of Ray's answer about a worker that are read here."""

    worker_id: str
    is_alive: bool


class _NodeRow(TypedDict):
    """The fields of Ray's answer about a node that are read here."""

    node_id: str
    state: NotRequired[str]


@dataclass(frozen=True)
class WorkerState:
    """Ray's record of a worker: state, such as ALIVE or DEAD (None when Ray no longer lists it), and
    the name of its log on its node."""

    state: str | None
    log: str


def look_at_workers(
    heartbeats: Sequence[Heartbeat | None], address: str, token: str | None
) -> list[WorkerState | None] | None:
    """State and log of the worker behind each heartbeat; None when the cluster cannot be reached.

    address: of the dashboard, such as http://127.0.0.1:8265.
    """
    try:
        known: list[_WorkerRow] = _rows(address, token, "workers")
        listed: list[_NodeRow] = _rows(address, token, "nodes")
        nodes = {node["node_id"]: node for node in listed}
    except (OSError, ValueError, KeyError):
        # No dashboard, a wrong token, or another program there: the status from the run's own files
        # is shown without it.
        return None
    by_id = {row["worker_id"]: row for row in known}
    return [None if beat is None else _state_of(beat, by_id, nodes) for beat in heartbeats]


def _state_of(
    beat: Heartbeat, by_id: Mapping[str, _WorkerRow], nodes: Mapping[str, _NodeRow]
) -> WorkerState:
    row, node = by_id.get(beat.worker), nodes.get(beat.node)
    state = None if row is None else "ALIVE" if row["is_alive"] else "DEAD"
    # The node decides: when it is gone, Ray may still list its workers as alive.
    if node is not None and node.get("state") == "DEAD":
        state = "NODE DEAD"
    return WorkerState(state, f"worker-{beat.worker}-*-{beat.pid}.out")


def _rows(address: str, token: str | None, what: str) -> Any:
    url = f"{address}/api/v0/{what}?limit={_MAX_ROWS}&detail=true"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # see address_of
    # Without a proxy on loopback: it could not reach this machine, and would receive the token.
    proxies = urllib.request.ProxyHandler({} if is_loopback(address) else None)
    with urllib.request.build_opener(proxies).open(request, timeout=_TIMEOUT_S) as answer:
        return json.load(answer)["data"]["result"]["result"]


def address_of(given: str | None) -> str | None:
    """Address of the dashboard to ask: the given one, RAY_API_SERVER_ADDRESS, or None."""
    found = given or os.environ.get("RAY_API_SERVER_ADDRESS")
    # Other schemes are refused here: urllib would also open file:// and ftp://.
    return found.rstrip("/") if found and found.startswith(("http://", "https://")) else None


def is_loopback(address: str) -> bool:
    """The address is this machine's own."""
    return urlsplit(address).hostname in ("127.0.0.1", "::1", "localhost")


def token_of() -> str | None:
    """The token of a cluster, from where Ray looks for it; None when there is none."""
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token
    for place in (os.environ.get("RAY_AUTH_TOKEN_PATH"), "~/.ray/auth_token"):
        with contextlib.suppress(RuntimeError):  # there is no home folder
            if place and (path := Path(place).expanduser()).is_file():
                return path.read_text(encoding="utf-8").strip()
    return None
