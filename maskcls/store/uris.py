"""Object-store URIs: how they are written, shown without secrets, opened and put to."""

import contextlib
import functools
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote

from maskcls.core.errors import StorageError, UserError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# Names of options such as Azure's client_secret; no option that a location needs has such a name.
_SECRET = re.compile(r"secret|password|passwd|token|credential|signature|(access|account)_?key")
# Azure's choice of a method, not a credential, although its name has the word.
_NOT_SECRET = ("credential_kind",)


def is_uri(text: str) -> bool:
    """Whether a location is a URI; anything else is a local path, whatever characters it has."""
    return _SCHEME.match(text) is not None


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
        # Spaces and Hangul are encoded as pyarrow expects; "%" is safe, or what is encoded already would
        # be encoded twice.
        path = quote(path.strip("/"), safe="/%~!$&'()*+,;=:@")
        return cls(scheme, authority, f"/{path}" if path else "", query)

    def __str__(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.authority}{self.path}{query}"

    @property
    def root(self) -> str:
        """The bucket alone, with its query: all folders with this root share a client."""
        return str(Uri(self.scheme, self.authority, "", self.query))

    @property
    def shown(self) -> str:
        """The URI for people: without credentials and query."""
        rest = self.authority + unquote(self.path)
        user, at, host = self.authority.rpartition("@")
        if at and not (self.scheme.startswith("abfs") and ":" not in user):
            # On Azure a word before the @, without a colon, is the container's name, no user.
            rest = host + unquote(self.path)
        elif self.is_torn:
            # The secret is cut at some place we cannot know: show only what surely follows it.
            rest = rest.rpartition("@")[2] if "@" in rest else "..."
        return f"{self.scheme}://{rest}"

    @property
    def is_torn(self) -> bool:
        """Whether a / or ? in the secret, not percent-encoded, ended the authority too early."""
        # Only HDFS names a host, with a port after the colon.
        at_host = self.scheme in ("hdfs", "viewfs") or "@" in self.authority
        return ":" in self.authority and not at_host

    @property
    def has_credentials(self) -> bool:
        """Whether it says who opens it: user information, or an option with a secret."""
        user, at, _ = self.authority.rpartition("@")
        # On Azure a word without a colon is the container's name; "anonymous" is pyarrow's word for
        # public buckets.
        is_container = self.scheme.lower().startswith("abfs") and ":" not in user
        if at and user != "anonymous" and not is_container:
            return True
        # These are no folders, and in them a colon separates host and port.
        is_store = self.scheme.lower() not in ("http", "https", "ray", "grpc")
        if self.is_torn and is_store and "@" in f"{self.path}?{self.query}":
            return True
        options = [option.partition("=")[0].lower() for option in self.query.split("&")]
        return any(_SECRET.search(o) for o in options if o not in _NOT_SECRET)

    def below(self, name: str) -> "Uri":
        """A name below this folder; "" is the folder itself."""
        path = f"{self.path}/{quote(name)}" if name else self.path
        return Uri(self.scheme, self.authority, path, self.query)


def refuse_credentials(text: str, where: str = "") -> None:
    """UserError when a URI in the text holds credentials: they would reach records, lists and logs.

    text: a location, or a word of a command line with one in it. where: what begins the message, such
    as a setting's name.
    """
    for found in _SCHEME.finditer(text):
        uri = Uri.parse(text[found.start() :])
        if uri.has_credentials:
            raise UserError(
                f"{where and where + ': '}{uri.shown}: a URI must not hold credentials, since records"
                " and logs repeat it; give them by the environment (S3: AWS_ACCESS_KEY_ID and"
                " AWS_SECRET_ACCESS_KEY) or by a role."
            )


def endpoint() -> str | None:
    """The S3 server that the environment names, if any."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


# What a store answers when the same will fail again, in pyarrow's words.
_REFUSALS = (
    "NO_SUCH_BUCKET|not found|ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE_DOES_NOT_MATCH"
    "|HTTP_?40[134]"
)


@functools.lru_cache(maxsize=16)
def open_store(root: str, endpoint: str | None) -> tuple[Any, str]:
    """pyarrow's filesystem of a bucket, and the bucket's name; UserError when it cannot be opened."""
    # One client for all folders of a bucket: each opens connections of its own. pyarrow reads
    # the endpoint itself (since 14); as an argument it only separates clients in the cache.
    # Imported here, since commands on local folders do not need pyarrow.
    import pyarrow as pa

    uri = Uri.parse(root)
    if not uri.authority.rpartition("@")[2]:
        raise UserError(f"{uri.shown}: names no bucket; give {uri.scheme}://bucket/folder.")
    unknown = UserError(
        f"{uri.shown}: cannot be opened as a folder; give a local path, s3://bucket/folder or"
        " gs://bucket/folder."
    )
    if uri.is_torn:
        raise unknown  # not even tried: pyarrow would repeat the secret in its error
    try:
        store, bucket = _opened(root)
    except pa.ArrowInvalid:
        # pyarrow's own message repeats the URI with its options: neither shown nor chained, since a
        # traceback shows the chain.
        raise unknown from None
    except (OSError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        # Opening asks the store for the bucket's region, so this fails with the network, too. pyarrow
        # gives the store's answer as text only.
        refused = not isinstance(error, OSError) or re.search(_REFUSALS, reason)
        kind = UserError if refused else StorageError
        raise kind(
            f"{uri.shown}: cannot be opened ({reason}); check address and credentials."
        ) from error
    return store, bucket.rstrip("/")


def _opened(root: str) -> tuple[Any, str]:
    import pyarrow as pa
    from pyarrow.fs import FileSystem

    if root.startswith("s3:"):
        # Files of up to 5 MiB in one request and not in three: repeated after an answer that came too
        # late, it does no harm, while completing the same upload twice fails. Older pyarrow lacks it.
        option = ("&" if "?" in root else "?") + "allow_delayed_open=true"
        with contextlib.suppress(pa.ArrowInvalid):
            return FileSystem.from_uri(root + option)  # type: ignore[no-any-return]
    return FileSystem.from_uri(root)  # type: ignore[no-any-return]


def put(store: Any, path: str, data: Any) -> None:
    """Write an object atomically: complete or not at all."""
    # All in one write: closing the stream after a failed write reports the error, while an exception
    # between two writes would close it properly and so publish half a file.
    with store.open_output_stream(path) as stream:
        stream.write(data)


def put_file(store: Any, path: str, file: Path) -> None:
    """Put a local file as an object."""
    import pyarrow as pa

    # One buffer, for the reason given in put.
    with pa.OSFile(str(file)) as source:
        put(store, path, source.read_buffer())
