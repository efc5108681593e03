"""The manifest of a published folder: which files it has, and whether they are still intact.

    NAME/
        weights.safetensors, ...   any files, in folders too
        manifest.json              written last: {"format": 1, "files": {name: {"bytes", "sha256"}}}

A folder whose manifest is missing, truncated or contradicts a file counts as not there.
"""

import errno
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from maskcls.store import atomic
from maskcls.store.folder import Folder, json_bytes

MANIFEST = "manifest.json"
FORMAT = 1
"""Increased when the folder's files change their meaning; a newer format is refused by name."""


class FileEntry(TypedDict):
    """Size and checksum of one file."""

    bytes: int
    sha256: str


class Manifest(TypedDict):
    """The content of manifest.json, without what `extra` added; files: by path in the folder."""

    format: int
    files: dict[str, FileEntry]


def write_manifest(folder: Path, extra: Mapping[str, object]) -> None:
    """Write manifest.json for all files below the local folder, after they are complete.

    extra: further content (JSON values; not the keys "format" and "files").
    """
    if taken := {"format", "files"} & extra.keys():
        raise ValueError(f"the manifest sets {sorted(taken)} itself")
    files: dict[str, FileEntry] = {}
    # Sorted, so that the same files give the same manifest.
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MANIFEST:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            files[name] = {"bytes": path.stat().st_size, "sha256": digest}
    manifest = {"format": FORMAT, "files": files, **extra}
    atomic.write_file_atomically(folder / MANIFEST, json_bytes(manifest))


def read_whole(folder: Folder, name: str) -> Manifest:
    """The manifest of a folder that is known to be intact."""
    manifest: Manifest = folder.read_json(f"{name}/{MANIFEST}")
    return manifest


def why_invalid(folder: Folder, name: str) -> str | None:
    """What is wrong with the folder `name`, as a part of a sentence; None when it is intact.

    Reads every file. Damage never raises; a store that cannot be reached does (OSError), since
    that says nothing about the files.
    """
    manifest = _read(folder, name)
    if isinstance(manifest, str):
        return manifest
    # Sizes first: they cost one listing and find most damage.
    sizes = {
        entry.name: entry.size_bytes for entry in folder.list(name, recursive=True) if entry.is_file
    }
    for file, recorded in manifest["files"].items():
        if file not in sizes:
            return f"{file} is missing"
        if sizes[file] != recorded["bytes"]:
            return f"{file} has {sizes[file]} bytes instead of {recorded['bytes']}"
    for file, recorded in manifest["files"].items():
        try:
            digest = hashlib.sha256()
            for chunk in folder.read_chunks(f"{name}/{file}"):
                digest.update(chunk)
        except OSError as error:
            if not _is_damage(folder, error):
                raise
            return f"{file} cannot be read ({error.strerror})"
        if digest.hexdigest() != recorded["sha256"]:
            return f"{file} has another checksum than when it was written"
    return None


def _read(folder: Folder, name: str) -> Manifest | str:
    """The manifest, or what is wrong with it."""
    try:
        data = folder.read_bytes(f"{name}/{MANIFEST}")
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except OSError as error:
        if not _is_damage(folder, error):
            raise
        return f"{MANIFEST} cannot be read ({error.strerror})"
    try:
        manifest = json.loads(data)
    # UnicodeDecodeError is a ValueError; deep nesting is damage as well.
    except (ValueError, RecursionError):
        return f"{MANIFEST} is not valid JSON"
    # What json_bytes ends with; JSON without its last newline parses nevertheless.
    if not data.endswith(b"\n"):
        return f"{MANIFEST} is cut short"
    # type, not isinstance: True is an int, too.
    if not isinstance(manifest, dict) or type(manifest.get("format")) is not int:
        return f"{MANIFEST} names no format"
    if manifest["format"] > FORMAT:
        return f"it is of format {manifest['format']}, written by a newer maskcls"
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(map(_is_entry, files.values())):
        return f"{MANIFEST} lists no files"
    checked: Manifest = manifest  # type: ignore[assignment]  # as checked above
    return checked


def _is_entry(file: Any) -> bool:
    return isinstance(file, dict) and {"bytes", "sha256"} <= file.keys()


# What a network file system or a busy machine answers for files that may well be whole.
_AWAY = frozenset({
    errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN,
    errno.EINTR, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH,
    errno.ECONNRESET, errno.ENOTCONN, errno.ENOLINK, errno.EREMOTEIO,
})  # fmt: skip


def _is_damage(folder: Folder, error: OSError) -> bool:
    # That a store does not answer says nothing of the files: to delete a good checkpoint for it would
    # be worse than a failed command. A local disk's own errors are damage.
    if folder.is_local:
        return error.errno not in _AWAY
    return isinstance(error, (FileNotFoundError, IsADirectoryError))
