"""What is in a folder, on local disk or on an object store."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Entry:
    """A file or folder found by `Folder.list`."""

    name: str
    """Path relative to the folder listed, with / between its parts."""
    size_bytes: int
    """0 for a folder."""
    mtime_ns: int
    """Last change [ns since 1970]; 0 for a folder on an object store."""
    is_file: bool


def scan(folder: Path, recursive: bool) -> list[Entry]:
    """What is in a local folder, sorted by name; none when it is missing. Raises OSError."""
    return sorted(_scan(folder, recursive), key=_by_name)


def _by_name(entry: Entry) -> str:
    return entry.name


def _scan(folder: Path, recursive: bool) -> Iterator[Entry]:
    # A list instead of recursion, since folders may be nested deeper than Python's stack. The last of
    # the three: folders entered on the way there, against links that form a cycle.
    pending: list[tuple[str, str, tuple[Path, ...]]] = [("", str(folder), ())]
    while pending:
        prefix, path, above = pending.pop()
        try:
            entries = os.scandir(path)
        except FileNotFoundError:  # another command deleted it after it was listed
            continue
        with entries:
            for entry in entries:
                name = prefix + entry.name
                try:
                    stat = entry.stat()
                except OSError as error:
                    # A dangling link, one to itself, or a file deleted since scandir: listed as no
                    # file, since one such name must not hide all the others.
                    if error.errno not in (errno.ENOENT, errno.ELOOP):
                        raise
                    yield Entry(name, 0, 0, is_file=False)
                    continue
                if not entry.is_dir():
                    yield Entry(name, stat.st_size, stat.st_mtime_ns, is_file=entry.is_file())
                    continue
                yield Entry(name, 0, stat.st_mtime_ns, is_file=False)
                if not recursive:
                    continue
                inside = above
                if entry.is_symlink():
                    target = Path(entry.path).resolve()
                    inside = (*above, Path(path).resolve(), target)
                    if any(entered.is_relative_to(target) for entered in inside[:-1]):
                        continue
                pending.append((f"{name}/", entry.path, inside))


def scan_store(store: Any, path: str, recursive: bool) -> list[Entry]:
    """What is in a folder of an object store, sorted by name; none when it is missing.

    store: pyarrow's file system; path: bucket and folder.
    """
    from pyarrow.fs import FileSelector

    found = store.get_file_info(FileSelector(path, allow_not_found=True, recursive=recursive))
    entries = [
        Entry(
            name=info.path.removeprefix(path).strip("/"),
            size_bytes=info.size or 0,
            mtime_ns=info.mtime_ns or 0,
            is_file=info.is_file,
        )
        for info in found
    ]
    return sorted(entries, key=_by_name)
