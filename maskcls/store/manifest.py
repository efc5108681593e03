"""The manifest of a published folder: which files it holds, and whether they are still whole.

    NAME/
        weights.safetensors, ...   any files, in folders too
        manifest.json              written last: {"format": 1, "files": {name: {"bytes", "sha256"}}}

A folder whose manifest is missing, cut short or disagrees with a file counts as not there.
"""

import errno
import hashlib
import json
from pathlib import Path
from typing import Any

from maskcls.store import atomic
from maskcls.store.paths import Folder, json_bytes

MANIFEST = "manifest.json"
FORMAT = 1
"""Raised when the folder's files change their meaning; a newer format is refused by name."""


def write_manifest(folder: Path, extra: dict[str, Any]) -> dict[str, Any]:
    """Write manifest.json for all files below the local folder, after they are complete.

    extra: what else the manifest says (JSON values; not the keys "format" and "files").
    Returns the manifest.
    """
    if taken := {"format", "files"} & extra.keys():
        raise ValueError(f"the manifest sets {sorted(taken)} itself")
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MANIFEST:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            files[name] = {"bytes": path.stat().st_size, "sha256": digest}
    manifest = {"format": FORMAT, "files": files, **extra}
    atomic.write_file_atomically(folder / MANIFEST, json_bytes(manifest))
    return manifest


def verify(folder: Folder, name: str) -> dict[str, Any] | None:
    """The manifest of the folder `name` when all its files are whole, else None.

    Reads every file. Damage never raises; a store that cannot be reached does (OSError), since
    that says nothing about the files.
    """
    manifest = _check(folder, name)
    return manifest if isinstance(manifest, dict) else None


def read_whole(folder: Folder, name: str) -> dict[str, Any]:
    """The manifest of a folder that is known to be whole."""
    manifest: dict[str, Any] = folder.read_json(f"{name}/{MANIFEST}")
    return manifest


def why_invalid(folder: Folder, name: str) -> str | None:
    """What is wrong with the folder `name`, as a part of a sentence; None when it is whole."""
    manifest = _check(folder, name)
    return manifest if isinstance(manifest, str) else None


def _check(folder: Folder, name: str) -> dict[str, Any] | str:
    manifest = _read(folder, name)
    if isinstance(manifest, str):
        return manifest
    # Sizes first: they cost one listing and find most damage.
    sizes = {
        entry.name: entry.size_bytes for entry in folder.list(name, recursive=True) if entry.is_file
    }
    for file, told in manifest["files"].items():
        if file not in sizes:
            return f"{file} is missing"
        if sizes[file] != told["bytes"]:
            return f"{file} has {sizes[file]} bytes instead of {told['bytes']}"
    for file, told in manifest["files"].items():
        try:
            digest = hashlib.sha256()
            for chunk in folder.read_chunks(f"{name}/{file}"):
                digest.update(chunk)
        except OSError as error:
            if not _is_damage(folder, error):
                raise
            return f"{file} cannot be read ({error.strerror})"
        if digest.hexdigest() != told["sha256"]:
            return f"{file} has another checksum than when it was written"
    return manifest


def _read(folder: Folder, name: str) -> dict[str, Any] | str:
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
    except (ValueError, RecursionError):
        return f"{MANIFEST} is not valid JSON"
    if not data.endswith(b"\n"):
        return f"{MANIFEST} is cut short"
    if not isinstance(manifest, dict) or type(manifest.get("format")) is not int:
        return f"{MANIFEST} names no format"
    if manifest["format"] > FORMAT:
        return f"it is of format {manifest['format']}, written by a newer maskcls"
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(map(_is_told, files.values())):
        return f"{MANIFEST} lists no files"
    return manifest


def _is_told(file: Any) -> bool:
    return isinstance(file, dict) and {"bytes", "sha256"} <= file.keys()


# What a network file system or a busy machine answers for files that may well be whole.
_AWAY = frozenset({
    errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN,
    errno.EINTR, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH,
    errno.ECONNRESET, errno.ENOTCONN, errno.ENOLINK, errno.EREMOTEIO,
})  # fmt: skip


def _is_damage(folder: Folder, error: OSError) -> bool:
    if folder.is_local:
        return error.errno not in _AWAY
    return isinstance(error, (FileNotFoundError, IsADirectoryError))
