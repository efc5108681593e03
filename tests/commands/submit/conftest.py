"""A home of the test's own, and servers on loopback."""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.submit.dashboards import (
    Dashboard,
    Serve,
)


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home without a token; what submit sets in the environment is taken back."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    # Not taken away: Ray reads it once a process, and a test may be the first to import it.
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    for name in ("RAY_API_SERVER_ADDRESS", "no_proxy"):
        monkeypatch.setenv(name, "before")  # so that it is put back, or taken out, at the end
        monkeypatch.delenv(name)
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield home
    # Ray's client reads the token once a process: a Ray that starts here later would be refused it.
    if ray := sys.modules.get("ray._raylet"):
        ray.AuthenticationTokenLoader.instance().reset_cache()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server on loopback that gives the answer; all of them end with the test."""
    running: list[tuple[Dashboard, threading.Thread]] = []

    def start(answer: object, code: int = 200, inside: int | None = None) -> Dashboard:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        server = Dashboard(code, body, inside)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def deaf() -> Iterator[str]:
    """An address where a connection is taken and no word is said."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
