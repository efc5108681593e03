"""Changes to local files that are there whole or not at all, even when the power goes.

Every local write of the program goes through these functions: a new file is written under another
name, flushed to the disk, renamed, and the rename is flushed too. A process killed in the middle
leaves at most a hidden `.tmp-*` file or `.staging-*` folder, which nobody reads.
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
    """A temporary path to be written and flushed; renamed to path then, gone on any failure."""
    make_folders(path.parent)
    # Beside the target, since a rename is atomic within one file system only; not named after it,
    # since its name may already have the longest length allowed.
    temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Flush the names in `folder` to the disk: a rename is lasting only after that."""
    _fsync(folder, os.O_RDONLY | os.O_DIRECTORY)


def rename_into_place(
    staged: Path, target: Path, before: Callable[[], None] = lambda: None
) -> None:
    """Make the folder `staged`, flushed with all it holds, appear as `target` by one rename.

    Both lie on one file system. A folder that is `target` already is first renamed to a hidden one
    beside it and deleted at the end; killed in between, neither is visible. before: called when all
    is flushed, just before the renames; what it raises ends it. Raises OSError.
    """
    make_folders(target.parent)
    _fsync_tree(staged)
    before()
    old: Path | None = None
    if os.path.lexists(target):
        old = target.parent / f"{STAGING}old-{secrets.token_hex(8)}"
        target.rename(old)
    try:
        staged.rename(target)
    except BaseException:
        if old is not None:
            old.rename(target)
        raise
    fsync_folder(target.parent)
    if staged.parent != target.parent:
        fsync_folder(staged.parent)
    if old is not None:
        remove(old)


def make_folders(folder: Path) -> None:
    """Create `folder` and its missing parents, lastingly. Raises OSError."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        fsync_folder(new.parent)


def remove(path: Path) -> None:
    """Delete a file, a link (not what it points to) or a folder with all it holds; missing is fine.

    Raises OSError.
    """
    # Imported here: it brings five compression modules with it.
    import shutil

    with contextlib.suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _write_all(descriptor: int, data: Data) -> None:
    # One call of write() takes 2 GiB at most, and fewer when the disk fills up.
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _fsync_tree(folder: Path) -> None:
    for parent, _, files in os.walk(folder):
        for name in files:
            _fsync(Path(parent, name), os.O_RDONLY)
        fsync_folder(Path(parent))


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and FUSE file systems cannot flush a folder; there is no more to be done.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
