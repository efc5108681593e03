"""Atomic, durable changes to local files: complete or absent, also after a power failure.

Every local write of the program goes through these functions: a new file is written under another
name, flushed to the disk, renamed, and the rename is flushed too. A process killed in the middle
leaves at most a hidden `.tmp-*` file or `.staging-*` folder, which no command reads.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

TEMPORARY = ".tmp-"
"""What the name of a file being written begins with."""
STAGING = ".staging-"
"""What the name of a folder being filled (or being thrown away) begins with."""

Data = bytes | bytearray | memoryview


def write_file_atomically(path: Path, data: Data) -> None:
    """Replace or create the file `path`; on any failure the old content stays as it was.

    Missing parent folders are created. Raises OSError.
    """
    with _replacing(path) as temporary:
        # 0o666 less the umask, where `tempfile` would make a file that only its owner can read.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            _write_all(descriptor, data)
            # Before the rename, or after a power failure the new name may have an empty file.
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def fill_file_atomically(path: Path, fill: Callable[[Path], None]) -> None:
    """As write_file_atomically, for content too big to hold twice: fill writes it to a path.

    Raises OSError, and whatever fill raises.
    """
    with _replacing(path) as temporary:
        fill(temporary)
        _fsync(temporary, os.O_RDONLY)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write and flush; then renamed to path, or deleted on any failure."""
    make_folders(path.parent)
    # Beside the target, since a rename is atomic within one file system only; not named after it,
    # since its name may already have the longest length allowed.
    temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:  # Ctrl-C too
        # The error that led here is the one to report, not that of tidying up.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Flush the names in `folder` to the disk: a rename is durable only after that."""
    _fsync(folder, os.O_RDONLY | os.O_DIRECTORY)


def rename_into_place(
    staged: Path, target: Path, before: Callable[[], None] = lambda: None
) -> None:
    """Make the folder `staged`, flushed with all it holds, appear as `target` by one rename.

    Both lie on one file system. A folder that is `target` already is first renamed to a hidden one
    beside it and deleted at the end; if the process is killed in between, neither is visible. before:
    called when all is flushed, just before the renames; what it raises ends it. Raises OSError.
    """
    make_folders(target.parent)
    # All content before the name: a folder that is visible must be whole.
    _fsync_tree(staged)
    before()
    old: Path | None = None
    # A rename cannot replace a folder with files in it. lexists: a dangling link is in the way, too.
    if os.path.lexists(target):
        old = target.parent / f"{STAGING}old-{secrets.token_hex(8)}"
        target.rename(old)
    try:
        staged.rename(target)
    except BaseException:
        if old is not None:
            old.rename(target)  # the new folder is not there, so the old one stays valid
        raise
    fsync_folder(target.parent)
    # The rename changed two folders: without this, a power failure may bring the old name back.
    if staged.parent != target.parent:
        fsync_folder(staged.parent)
    # Deleting may take long or fail; by now it no longer matters to readers.
    if old is not None:
        remove(old)


def make_folders(folder: Path) -> None:
    """Create `folder` and its missing parents, flushed to disk. Raises OSError."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)  # several workers of a run make the same folder
        # A flushed file is lost with its folder when the folder's own name was not flushed.
        fsync_folder(new.parent)


def remove(path: Path) -> None:
    """Delete a file, a link (not what it points to) or a folder with all it holds; missing is fine.

    Raises OSError.
    """
    # Imported here: it brings five compression modules with it, at every start of the program.
    import shutil

    with contextlib.suppress(FileNotFoundError):
        # rmtree refuses a link, and its target is not ours to delete.
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _write_all(descriptor: int, data: Data) -> None:
    # One call of write() accepts 2 GiB at most, and less when the disk is nearly full. As bytes: an
    # array's memoryview would be sliced by elements.
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _fsync_tree(folder: Path) -> None:
    for parent, _, files in os.walk(folder):
        for name in files:
            _fsync(Path(parent, name), os.O_RDONLY)  # Linux flushes through any descriptor
        fsync_folder(Path(parent))


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and FUSE file systems cannot flush a folder; nothing more can be done there.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
