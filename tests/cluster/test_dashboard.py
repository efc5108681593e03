"""What `maskcls status` asks Ray's dashboard, and what it does without one."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from maskcls.cluster.dashboard import (
    WorkerState,
    address_of,
    is_loopback,
    look_at_workers,
    token_of,
)
from maskcls.store.heartbeat import Heartbeat
from tests.record_factory import heartbeat

TOKEN = "secret"  # noqa: S105
WORKERS = [
    {"worker_id": "w0", "is_alive": True},
    {"worker_id": "w1", "is_alive": False},
    {"worker_id": "w2", "is_alive": True},
]
NODES = [{"node_id": "n0", "state": "ALIVE"}, {"node_id": "n1", "state": "DEAD"}]


class Dashboard(BaseHTTPRequestHandler):
    """Answers as Ray's state API does."""

    def do_GET(self) -> None:
        wanted = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        rows = WORKERS if self.path.startswith("/api/v0/workers?") else NODES
        body = json.dumps({"data": {"result": {"result": rows}}}).encode()
        self.send_response(200 if wanted else 401)
        self.end_headers()
        self.wfile.write(body if wanted else b"")

    def log_message(self, *words: object) -> None:
        """Quiet."""


@pytest.fixture
def dashboard() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Dashboard)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def beat_of(number: int, node: str) -> Heartbeat:
    return heartbeat(worker=f"w{number}", node=node)


def test_each_worker_has_its_state_and_log(dashboard: str) -> None:
    workers = [beat_of(0, "n0"), beat_of(1, "n0"), beat_of(2, "n1"), beat_of(9, "n0"), None]
    found = look_at_workers(workers, dashboard, TOKEN)
    assert found is not None
    states = [side and side.state for side in found]
    assert states == ["ALIVE", "DEAD", "NODE DEAD", None, None]
    assert found[4] is None
    assert found[0] == WorkerState("ALIVE", "worker-w0-*-7.out")


@pytest.mark.parametrize("token", [None, "another"])
def test_without_the_token_nothing_is_known(dashboard: str, token: str | None) -> None:
    assert look_at_workers([beat_of(0, "n0")], dashboard, token) is None


def test_without_a_dashboard_nothing_is_known() -> None:
    assert look_at_workers([beat_of(0, "n0")], "http://127.0.0.1:9", TOKEN) is None


def test_where_address_and_token_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert address_of(None) is None
    assert token_of() is None
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("of the cluster\n")
    assert token_of() == "of the cluster"
    (tmp_path / "other").write_text("reported\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "other"))
    assert token_of() == "reported"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "first")
    assert token_of() == "first"
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://a:1/")
    assert address_of(None) == "http://a:1"
    assert address_of("http://b:2") == "http://b:2"
    assert address_of("ray://b:2") is None
    assert is_loopback("http://127.0.0.1:8265")
    assert not is_loopback("http://127.0.0.1.example.com:8265")


def test_a_proxy_is_not_given_the_token(dashboard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert look_at_workers([beat_of(0, "n0")], dashboard, TOKEN) is not None
