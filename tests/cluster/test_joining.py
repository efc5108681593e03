"""Addresses of clusters: which are joined, and the error where no Ray answers."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from maskcls.cluster import joining
from maskcls.cluster.joining import address_to_join, require_ray_at
from maskcls.core.errors import RunFailed, UserError

SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


@contextmanager
def _answering(answer: bytes | None) -> Iterator[str]:
    """A server that sends this to each client, or nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection = server.accept()[0]
            with connection, suppress(ConnectionResetError):
                if answer is not None:
                    connection.sendall(answer)
                while connection.recv(100):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize("value", ["", "local", " local "])
def test_local_and_nothing_are_a_ray_of_our_own(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert address_to_join() is None
    monkeypatch.setenv("RAY_ADDRESS", value)
    assert address_to_join() is None
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert address_to_join() == "head:6379"


def test_a_grpc_server_is_taken_for_ray() -> None:
    with _answering(SETTINGS) as address:
        require_ray_at(address)


def test_no_answer_and_other_programs_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskcls.cluster.joining._CONNECT_S", 0.3)
    begun = time.monotonic()
    with _answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as http, _answering(None) as silent:
        said = {address: _said(address) for address in ("127.0.0.1:1", http, silent)}
    assert time.monotonic() - begun < 5
    assert "Connection refused" in said["127.0.0.1:1"]
    assert "another program answers" in said[http]
    assert "does not answer" in said[silent]
    assert all("unset RAY_ADDRESS" in text for text in said.values())


def _said(address: str) -> str:
    with pytest.raises(RunFailed, match=f"^RAY_ADDRESS={address}: no Ray to join at") as raised:
        require_ray_at(address)
    (line,) = str(raised.value).splitlines()
    return line


def test_auto_is_a_living_ray_or_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(joining, "_runs_a_head", lambda: False)
    with pytest.raises(RunFailed, match=r"^RAY_ADDRESS=auto: no Ray runs on this machine; start"):
        require_ray_at("auto")
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray/ray_current_cluster").write_text("127.0.0.1:1")  # of one that was killed
    with pytest.raises(RunFailed, match=r"RAY_ADDRESS=auto: no Ray to join at 127\.0\.0\.1:1"):
        require_ray_at("auto")
    monkeypatch.setattr(joining, "_runs_a_head", lambda: True)
    require_ray_at("auto")


@pytest.mark.parametrize("address", ["http://head:8265", "head", "head:ray", ":6379"])
def test_what_is_no_address_to_join_is_a_mistake(address: str) -> None:
    with pytest.raises(UserError, match=f"^RAY_ADDRESS={address}: .*HOST:6379 of .*, or to auto"):
        require_ray_at(address)
