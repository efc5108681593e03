"""Files that the user names for results (--out): links are followed, devices and pipes written to.

Files of a run are replaced by a rename, whatever has their name (`maskcls.store.atomic`). A name
that the user typed means what it means to other programs: the file that a link leads to, the device,
the reader of a pipe, this process's own stdout.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from maskcls.core.errors import RunFailed, UserError
from maskcls.core.names import without_credentials
from maskcls.store import atomic
from maskcls.store.folder import Folder, in_words

_MAX_LINKS = 40  # as Linux: more links than this are taken for a cycle


@dataclass(frozen=True)
class OutputFile:
    """A file to be written with results, whether it exists yet or not."""

    folder: Folder
    name: str

    @classmethod
    def at(cls, location: str) -> Self:
        """The file at a local path or URI, checked before the work that will fill it.

        Raises UserError when it is a folder, or nothing can be written there.
        """
        folder, name = Folder.of_file(location)
        output = cls(folder, name)
        if folder.is_local and (why := _why_refused(output._path)):
            raise UserError(f"{without_credentials(location)}: {why}; name another file.")
        return output

    @property
    def is_stream(self) -> bool:
        """Whether nothing is kept there: a device, a pipe, or an open descriptor such as stdout."""
        return self.folder.is_local and _is_stream(self._path)

    def write(self, data: atomic.Data) -> None:
        """Write the content; atomically, unless it is a stream."""
        if self.is_stream:
            with self._stream() as file:
                file.write(data)
        else:
            folder, name = self._target()
            folder.write_bytes(name, data)

    def fill(self, fill: Callable[[Path], None]) -> None:
        """As write, for content too big to hold: fill writes it to a local path."""
        if not self.is_stream:
            folder, name = self._target()
            folder.fill_file(name, fill)
            return
        # fill may seek, as parquet and zip writers do, and a pipe cannot.
        with tempfile.TemporaryDirectory(prefix="maskcls-") as temporary:
            filled = Path(temporary) / "file"
            fill(filled)
            with filled.open("rb") as source, self._stream() as file:
                shutil.copyfileobj(source, file)

    @property
    def _path(self) -> Path:
        return self.folder.local_path / self.name

    def _target(self) -> tuple[Folder, str]:
        """Where a link leads, so that the link stays and the rename happens beside its target."""
        if self.folder.is_local and self._path.is_symlink():
            real = Path(os.path.realpath(self._path))
            return Folder.at(real.parent), real.name
        return self.folder, self.name

    @contextlib.contextmanager
    def _stream(self) -> Iterator[IO[bytes]]:
        path = self._path
        descriptor = _own_descriptor(path)
        try:
            with in_words(self.folder, "write"):
                if descriptor is None:  # opening a pipe waits for a reader, as in other programs
                    # O_NOCTTY: writing to a terminal must not make it the controlling one.
                    opened = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
                else:
                    # A file that stdout is redirected to would, opened again, be overwritten from its
                    # start; a duplicate continues after what was printed, once that is flushed.
                    if sys.stdout is not None:
                        sys.stdout.flush()
                    opened = os.dup(descriptor)
                with os.fdopen(opened, "wb") as file:
                    yield file
        except BrokenPipeError as e:
            raise RunFailed(f"{path}: its reader has gone before all was written.") from e


def is_stdout(location: str) -> bool:
    """Whether a location names this process's stdout, by any of its names."""
    return "://" not in location and _own_descriptor(Path(location).absolute()) == 1


def _is_stream(path: Path) -> bool:
    if _own_descriptor(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except OSError:  # not there yet: it will be a regular file
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


def _why_refused(path: Path) -> str:
    """Why nothing can be written there, "" when something can."""
    descriptor = _own_descriptor(path)
    if descriptor is not None:
        try:
            mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
        except OSError:
            return f"descriptor {descriptor} is not open"
        return f"descriptor {descriptor} is open for reading only" if mode == os.O_RDONLY else ""
    try:
        mode = path.stat().st_mode
    except OSError as e:
        return "the link is part of a cycle" if e.errno == errno.ELOOP else ""
    # Writing to a disk's device would destroy its file system; a rename would replace the device file.
    if stat.S_ISBLK(mode):
        return "this is a disk"
    if stat.S_ISSOCK(mode):
        return "this is a socket"
    return ""


def _own_descriptor(path: Path) -> int | None:
    """N of /proc/self/fd/N, /dev/fd/N, /dev/stdout and links to them; None for any other path."""
    own = (f"/proc/{os.getpid()}/fd", "/dev/fd")  # the second where there is no /proc
    # Link by link: realpath would follow /proc/self/fd/1 further, to the file that it stands for.
    for _ in range(_MAX_LINKS):
        parent = os.path.realpath(path.parent)
        if parent in own:
            return int(path.name) if path.name.isdigit() else None
        if not path.is_symlink():
            return None
        path = Path(parent, os.readlink(path))  # noqa: PTH115  # a Path would drop what "." means
    return None
