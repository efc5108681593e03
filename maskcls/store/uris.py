"""Object-store URIs: how they are written, shown without secrets, opened and put to."""

import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote

from maskcls.core.errors import UserError


@dataclass(frozen=True)
class Uri:
    """scheme://authority/path?query, the path percent-encoded."""

    scheme: str
    authority: str = field(repr=False)
    path: str
    query: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI as typed."""
        scheme, _, rest = text.partition("://")
        rest, _, query = rest.partition("?")
        authority, _, path = rest.partition("/")
        # Spaces and Hangul as typed; what is encoded already stays.
        path = quote(path.strip("/"), safe="/%~!$&'()*+,;=:@")
        return cls(scheme, authority, f"/{path}" if path else "", query)

    def __str__(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.authority}{self.path}{query}"

    @property
    def root(self) -> str:
        """The bucket alone, with its credentials and query: names a client."""
        return str(Uri(self.scheme, self.authority, "", self.query))

    @property
    def shown(self) -> str:
        """The URI for people: without credentials and query."""
        rest = self.authority + unquote(self.path)
        user, at, host = self.authority.rpartition("@")
        if at and not (self.scheme.startswith("abfs") and ":" not in user):
            # On Azure a word without a colon is the container's name.
            rest = host + unquote(self.path)
        elif self.is_torn:
            rest = rest.rpartition("@")[2] if "@" in rest else "..."
        return f"{self.scheme}://{rest}"

    @property
    def is_torn(self) -> bool:
        """Whether a / or ? in the secret, not percent-encoded, cut the authority short."""
        # Only HDFS names a host, with a port after the colon.
        at_host = self.scheme in ("hdfs", "viewfs") or "@" in self.authority
        return ":" in self.authority and not at_host

    def below(self, name: str) -> "Uri":
        """A name below this folder; "" is the folder itself."""
        path = f"{self.path}/{quote(name)}" if name else self.path
        return Uri(self.scheme, self.authority, path, self.query)


def endpoint() -> str | None:
    """The S3 server that the environment names, if any."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


@functools.lru_cache(maxsize=16)
def open_store(root: str, endpoint: str | None) -> tuple[Any, str]:
    """pyarrow's filesystem of a bucket, and the bucket's name; UserError when it cannot be opened."""
    # One client for all folders of a bucket. pyarrow reads the endpoint itself (since 14); here it
    # only says which clients are the same.
    import pyarrow as pa
    from pyarrow.fs import FileSystem

    uri = Uri.parse(root)
    if not uri.authority.rpartition("@")[2]:
        raise UserError(f"{uri.shown}: names no bucket; give {uri.scheme}://bucket/folder.")
    unknown = UserError(
        f"{uri.shown}: cannot be opened as a folder; give a local path, s3://bucket/folder or "
        "gs://bucket/folder, a / in a secret key written as %2F."
    )
    if uri.is_torn:
        raise unknown
    try:
        store, bucket = FileSystem.from_uri(root)
    except pa.ArrowInvalid:
        # pyarrow's own message repeats the URI with its credentials: neither told nor chained.
        raise unknown from None
    except (OSError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{uri.shown}: cannot be opened ({reason}); check address and credentials."
        ) from error
    return store, bucket.rstrip("/")


def put(store: Any, path: str, data: Any) -> None:
    """Write an object whole or not at all."""
    # All in one write: closing the stream after a failed one reports its error, while closing it
    # between two writes would make half a file visible.
    with store.open_output_stream(path) as stream:
        stream.write(data)


def put_file(store: Any, path: str, file: Path) -> None:
    """Put a local file as an object."""
    import pyarrow as pa

    with pa.OSFile(str(file)) as source:
        put(store, path, source.read_buffer())
