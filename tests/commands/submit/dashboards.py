"""A dashboard to be asked, that says one thing; and addresses that others share."""

import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from maskcls.commands.submit.address import Address

MODE_PAGE = "/api/authentication_mode"
LOCAL = Address("http://127.0.0.1:8265", "127.0.0.1")
REMOTE = Address("http://10.0.0.7:8265", "10.0.0.7")
SECURE = Address("https://ray.example.org", "ray.example.org")


class Dashboard(ThreadingHTTPServer):
    """Answers every GET in the same way, and remembers who asked for what.

    inside: the code for all pages but the one about the guard, None for the same as there.
    """

    daemon_threads = True

    def __init__(self, code: int, body: bytes, inside: int | None) -> None:
        self.code, self.body, self.inside = code, body, inside
        self.asked: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Dashboard)
        server.asked.append((self.path, self.headers.get("Authorization")))
        other = server.inside if self.path != MODE_PAGE else None
        self.send_response(other or server.code)
        self.send_header("Content-Length", str(len(server.body)))
        self.end_headers()
        self.wfile.write(server.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


Serve = Callable[..., Dashboard]


def unused_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"
