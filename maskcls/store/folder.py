"""Folders on local disk or on an object store: the only way to data and run folders.

Local files are handled by the standard library; pyarrow is imported when an object store is opened.
A write is atomic: after a failure the old content is there (`maskcls.store.atomic`; a single put on an
object store).
"""

import contextlib
import errno
import io
import json
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self
from urllib.parse import unquote

from maskcls.core.errors import StorageError, UserError
from maskcls.core.names import as_on_disk, printable, without_credentials
from maskcls.store import atomic
from maskcls.store.listing import Entry, scan, scan_store
from maskcls.store.uris import (
    Uri,
    endpoint,
    is_uri,
    open_store,
    put,
    put_file,
    refuse_credentials,
)

CHUNK_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Folder:
    """A folder on local disk or on an object store, whether it exists yet or not.

    Names are relative to it, with / between their parts; "" is the folder itself. All methods raise
    UserError when the disk is full or permission is missing, and FileNotFoundError where a file to
    read is missing.
    """

    location: str
    """Absolute local path or URI; opens the same folder in another process. Messages take `shown`,
    which leaves a URI's options out."""
    is_local: bool

    @classmethod
    def at(cls, location: str | Path) -> Self:
        """The folder at a local path, file:// URI, or URI that pyarrow knows (s3://, gs://, ...).

        `~` is expanded, links are not resolved. A local path that does not exist as typed is
        matched with the names on disk regardless of how accents and Hangul are composed (NFC, NFD).
        An S3 server other than Amazon's is named by the URI's query
        (`s3://bucket/runs?endpoint_override=host:port&scheme=http`) or by AWS_ENDPOINT_URL, which
        pyarrow reads itself. Raises UserError for a URI that cannot be opened or holds credentials.
        """
        text = str(location)
        if not text:
            raise UserError("the name of a folder is empty; give a path or a URI.")
        # pyarrow and Ray refuse a lone surrogate only later, in the middle of the work.
        if (shown := printable(text)) != text:
            raise UserError(f"{shown}: this name is not UTF-8, as tables and Ray need; rename it.")
        if not is_uri(text):
            if found := re.match(r"(s3|gs|gcs|abfss?|hdfs|file):/", text):
                # A typing error, or what pathlib makes of a URI: without this check it would become a
                # local folder named "s3:".
                kind = found[1]
                raise UserError(f"{kind}:/...: a URI has two slashes after the colon: {kind}://...")
            return cls(str(as_on_disk(absolute_path(text))), is_local=True)
        refuse_credentials(text)
        uri = Uri.parse(text)
        if uri.scheme.lower() == "file":
            if uri.authority not in ("", "localhost"):
                raise UserError(f"{uri.shown}: files of another host cannot be read; mount them.")
            return cls(str(as_on_disk(absolute_path(unquote(uri.path)))), is_local=True)
        # Opened now and not at the first use, so that a wrong address is reported before any work.
        open_store(uri.root, endpoint())
        return cls(str(uri), is_local=False)

    @classmethod
    def of_file(cls, location: str) -> tuple[Self, str]:
        """The folder of a file, and its name there; UserError when the location names a folder."""
        path, query = location, ""
        if is_uri(location):  # in a local path a question mark is an ordinary character
            path, _, query = location.partition("?")
            if path.endswith("://") or "/" not in path.partition("://")[2]:
                raise UserError(f"{Uri.parse(location).shown}: names no file; name one in it.")
        parent, _, name = path.rpartition("/")
        folder = cls.at(
            f"{parent or ('/' if path.startswith('/') else '.')}{query and '?' + query}"
        )
        if is_uri(location):
            name = unquote(name)
        if not name or folder.is_dir(name):
            raise UserError(
                f"{without_credentials(location)}: this is a folder; name a file in it."
            )
        return folder, name

    @property
    def shown(self) -> str:
        """The folder as users and logs see it: without credentials, short below the working folder.

        A URI's query is left out too.
        """
        if not self.is_local:
            return Uri.parse(self.location).shown
        # Not below the working folder, or the working folder was deleted: the full path is shown.
        with contextlib.suppress(ValueError, FileNotFoundError):
            short = str(self.local_path.relative_to(Path.cwd()))
            return self.location if short == "." else short
        return self.location

    def __repr__(self) -> str:
        return f"Folder({self.shown!r})"

    def __str__(self) -> str:
        return self.shown

    @property
    def local_path(self) -> Path:
        """The folder as a local path; RuntimeError when it is on an object store."""
        if not self.is_local:
            raise RuntimeError(f"{self.shown} is not on the local disk")
        return Path(self.location)

    def below(self, path: str) -> Self:
        """The folder at a path with "/" below this one; "" is this one."""
        return self.child(*path.split("/")) if path else self

    def child(self, *parts: str) -> Self:
        """The folder below this one, whether it exists or not."""
        name = _checked("/".join(parts))
        if self.is_local:
            return type(self)(str(self._path(name)), is_local=True)
        return type(self)(str(Uri.parse(self.location).below(name)), is_local=False)

    def exists(self, name: str = "") -> bool:
        """Whether there is a file or folder of this name."""
        with in_words(self, "read"):
            if self.is_local:
                return self._path(name).exists()
            return bool(self._info(name).type.name != "NotFound")

    def is_dir(self, name: str = "") -> bool:
        """Whether there is a folder of this name."""
        with in_words(self, "read"):
            if self.is_local:
                return self._path(name).is_dir()
            return bool(self._info(name).type.name == "Directory")

    def list(self, name: str = "", recursive: bool = False) -> list[Entry]:
        """Files and folders, hidden ones too, sorted by name; none when the folder is missing.

        Links are followed, except into a folder they lie in. Raises UserError when it is a file.
        """
        with in_words(self, "read"):
            if self.is_local:
                return scan(self._path(name), recursive)
            return scan_store(*self._store(name), recursive)

    def read_bytes(self, name: str) -> bytes:
        """The content of a file."""
        return b"".join(self.read_chunks(name))

    def open(self, name: str) -> IO[bytes]:
        """A file to read parts of; from an object store it is fetched whole."""
        if not self.is_local:
            # Parquet seeks back and forth; each seek would be a request of its own.
            return io.BytesIO(self.read_bytes(name))
        with in_words(self, "read"):
            return self._path(name).open("rb")

    def read_chunks(self, name: str) -> Iterator[bytes]:
        """The content of a file, in pieces of at most 8 MiB."""
        with in_words(self, "read"):
            if self.is_local:
                file: Any = self._path(name).open("rb")
            else:
                store, path = self._store(name)
                file = store.open_input_stream(path)
            with file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk

    def read_text(self, name: str) -> str:
        """The content of a UTF-8 file; UserError when it is not UTF-8."""
        try:
            return self.read_bytes(name).decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{self.shown}/{name}: byte {error.start} is not UTF-8; save the file as UTF-8."
            ) from error

    def read_json(self, name: str) -> Any:
        """The content of a JSON file; UserError when it is not JSON."""
        text = self.read_text(name)
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{self.shown}/{name} line {error.lineno}: not valid JSON ({error.msg}); "
                "restore or delete the file."
            ) from error

    def write_bytes(self, name: str, data: atomic.Data) -> None:
        """Create or replace a file, atomically and flushed to disk; makes missing folders."""
        with in_words(self, "write"):
            if self.is_local:
                atomic.write_file_atomically(self._path(name), data)
            else:
                store, path = self._store(name)
                put(store, path, data)

    def fill_file(self, name: str, fill: Callable[[Path], None]) -> None:
        """As write_bytes, for content too big to hold twice: fill writes it to a local path."""
        with in_words(self, "write"):
            if self.is_local:
                atomic.fill_file_atomically(self._path(name), fill)
                return
            # Through a local file: an upload cut short by an error in fill would become visible.
            with tempfile.TemporaryDirectory(prefix="maskcls-") as folder:
                file = Path(folder) / "file"
                fill(file)
                store, path = self._store(name)
                put_file(store, path, file)

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file to be read by people; ValueError for NaN and infinity."""
        self.write_bytes(name, json_bytes(value))

    def delete(self, name: str) -> None:
        """Delete a file, or a folder with all it holds; missing is fine."""
        with in_words(self, "delete"):
            if self.is_local:
                atomic.remove(self._path(name))
                return
            store, path = self._store(name)
            # pyarrow has one call for each kind, and either fails for a missing name.
            match self._info(name).type.name:
                case "File":
                    store.delete_file(path)
                case "Directory":
                    store.delete_dir(path)

    def staging(self, hint: str) -> Path:
        """A new and empty local folder to be filled for `publish`; its name contains `hint`."""
        hint = _checked(hint).replace("/", "-")
        with in_words(self, "write"):
            if not self.is_local:
                return Path(tempfile.mkdtemp(prefix=f"maskcls-{hint}-"))
            # Inside this folder, since publish is a rename within one file system.
            folder = self.local_path / f"{atomic.STAGING}{hint}-{secrets.token_hex(4)}"
            atomic.make_folders(folder)
            return folder

    def publish(
        self, staged: Path, name: str, last: str = "manifest.json",
        before: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """Make the local folder `staged` appear as the folder `name`, replacing one of that name.

        Local disk: flushed, then one rename; `staged` is on the same file system. Object store:
        file by file, the file `last` at the end, so that a folder without it is not valid.
        `staged` is gone afterwards. before: called once more before each change that is seen; what it
        raises ends the publishing.
        """
        with in_words(self, "write"):
            if self.is_local:
                atomic.rename_into_place(staged, self._path(name), before)
                return
            store, path = self._store(name)
            files = [entry.name for entry in scan(staged, recursive=True) if entry.is_file]
            # An object store has no rename. The old folder becomes invalid before anything else
            # changes, and the new one valid with its last file: a reader never sees a mixture.
            self.delete(f"{name}/{last}")
            for old in self.list(name, recursive=True):
                # Files of the same name are overwritten below; only the others must be deleted.
                if old.is_file and old.name not in files:
                    self.delete(f"{name}/{old.name}")
            for file in sorted(files, key=lambda file: (file == last, file)):
                before()
                put_file(store, f"{path}/{file}", staged / file)
            atomic.remove(staged)

    def sweep(self) -> None:
        """Delete what killed commands left half-written in this folder (not in its subfolders).

        Call it only while holding the run's lease: otherwise another command may be writing these.
        """
        for entry in self.list():
            if entry.name.startswith((atomic.TEMPORARY, atomic.STAGING)):
                self.delete(entry.name)

    def free_bytes(self) -> int | None:
        """Free space for this user on the folder's disk [bytes]; None on an object store."""
        return _free_bytes(self.local_path) if self.is_local else None

    def _path(self, name: str) -> Path:
        path = Path(self.location, _checked(name))
        # ASCII has one Unicode form only, so that the common case needs no look at the disk.
        return path if name.isascii() else as_on_disk(path)

    def _store(self, name: str) -> tuple[Any, str]:
        uri = Uri.parse(self.location).below(_checked(name))
        # By URI each time, and not kept: a Folder is sent to other processes, a client cannot be.
        store, bucket = open_store(uri.root, endpoint())
        inside = unquote(uri.path).strip("/")
        return store, f"{bucket}/{inside}" if inside else bucket

    def _info(self, name: str) -> Any:
        store, path = self._store(name)
        return store.get_file_info(path)


def json_bytes(value: Any) -> bytes:
    """`value` as indented UTF-8 JSON with a newline at the end; ValueError for NaN and infinity."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


@contextlib.contextmanager
def in_words(folder: Folder, verb: str) -> Iterator[None]:
    """Turn the errors of disk or store that a user can fix into UserError; others pass.

    A full disk or quota becomes a StorageError: another program may have filled it, and may free it.
    """
    try:
        yield
    except OSError as error:
        sentence = _in_words(folder, verb, error)
        if sentence is None:
            raise
        # Space may be free at the next attempt, a permission will not change: only the former is
        # retried.
        kind = StorageError if error.errno in (errno.ENOSPC, errno.EDQUOT) else UserError
        raise kind(f"{folder.shown}: {sentence}") from error


def _in_words(folder: Folder, verb: str, error: OSError) -> str | None:
    match error.errno:
        case errno.ENOSPC:
            # With an object store it is the disk of the temporary folder, where uploads are prepared.
            free = _free_bytes(folder.local_path) if folder.is_local else None
            free = _free_bytes(Path(tempfile.gettempdir())) if free is None else free
            where = "the disk" if folder.is_local else f"the disk of {tempfile.gettempdir()}"
            return (
                f"{where} is full ({free / 2**30:.1f} GiB free); free some space and run the same "
                "command again."
            )
        case errno.EFBIG:
            return (
                "a file of this size may not be written; raise the limit with ulimit -f unlimited."
            )
        case errno.EDQUOT:
            return "your quota is used up; free some space and run the same command again."
        case errno.EACCES | errno.EPERM:
            what = f" ({error.filename})" if error.filename else ""
            return f"no permission to {verb} here{what}; change it, or choose another folder."
        case errno.EBUSY:
            return "something is mounted on the file itself; mount its folder instead."
        case errno.EROFS:
            return "the disk is read-only; choose another folder."
        case errno.ENOTDIR | errno.EEXIST:
            return f"a file is in the place of a folder ({error.filename}); choose another name."
    if folder.is_local:
        return None
    # pyarrow reports the store's answer as text only, without a code.
    if "NO_SUCH_BUCKET" in str(error):
        return "there is no such bucket; create it, or correct its name."
    if re.search(
        "ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE_DOES_NOT_MATCH|HTTP_?40[13]", str(error)
    ):
        return f"the store gives no permission to {verb} here; check the credentials."
    return None


def absolute_path(text: str) -> Path:
    """A local path made absolute, ~ expanded; UserError when there is no such home folder."""
    # absolute, not resolve: links stay as typed, and a missing folder is fine.
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise UserError(f"{text}: there is no such home folder; give its full path.") from error


def _free_bytes(folder: Path) -> int:
    # Imported here: it is needed for one message, and brings compression modules with it.
    import shutil

    # A folder that does not exist yet will lie on its parent's disk.
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _checked(name: str) -> str:
    # A name from a damaged manifest or a typed fold must not lead out of the folder.
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"not a name below the folder: {name!r}")
    return "" if str(path) == "." else str(path)
