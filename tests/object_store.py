"""An S3 server on loopback, and a bucket on it that no other test has."""

import logging
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from moto.server import ThreadedMotoServer

from maskcls.store.folder import Folder


@dataclass(frozen=True)
class Bucket:
    """A new bucket: its name, the server's HOST:PORT, and the query that its URIs need."""

    name: str
    server: str
    query: str

    def uri(self, path: str) -> str:
        """The URI of a folder or file in it; credentials are in the environment (new_bucket)."""
        return f"s3://{self.name}/{path}?{self.query}"

    def take(self, source: Path, name: str) -> Folder:
        """Copy a folder's files into the bucket; the folder there."""
        there = Folder.at(self.uri(name))
        for path in (p for p in source.rglob("*") if p.is_file()):
            there.write_bytes(path.relative_to(source).as_posix(), path.read_bytes())
        return there


@contextmanager
def new_bucket() -> Iterator[Bucket]:
    """Start a server; all servers of a process share their buckets, so this one's name is new.

    Whoever reads its URIs finds made-up credentials in the environment, this process's children too.
    """
    os.environ.update(AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret")  # noqa: S106
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it would log a line for each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        name = f"bucket-{uuid4().hex[:12]}"
        put = urllib.request.Request(f"http://{host}:{port}/{name}", method="PUT")
        urllib.request.urlopen(put, timeout=10).close()  # noqa: S310  # our own server
        query = f"endpoint_override={host}:{port}&scheme=http&region=us-east-1"
        yield Bucket(name, f"{host}:{port}", query)
    finally:
        server.stop()
