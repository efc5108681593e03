"""Notes and tags that users give a run: a line of JSON each, in a file of their own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from maskcls.core.errors import UserError
from maskcls.core.plain import from_plain, to_plain
from maskcls.store.folder import Folder


@dataclass(frozen=True)
class Note:
    """A note; time: UTC, ISO 8601. text may be empty where there are tags, and the reverse."""

    time: str
    text: str
    tags: tuple[str, ...] = ()


def read_notes(folder: Folder, name: str) -> list[Note]:
    """The notes, oldest first; none without the file. Raises UserError for a damaged file."""
    if not folder.exists(name):
        return []
    try:
        # Not splitlines, which would also break a line at U+2028 within a text.
        lines = folder.read_text(name).split("\n")
        return [from_plain(Note, json.loads(line)) for line in lines if line.strip()]
    except (ValueError, KeyError, TypeError) as e:
        raise UserError(f"{folder}/{name}: not a note per line; restore or delete the file.") from e


def write_notes(folder: Folder, name: str, notes: Sequence[Note]) -> None:
    """Replace the file, whole and atomically: an object store has no appending."""
    folder.write_bytes(name, b"".join(_line(to_plain(note)) for note in notes))


def _line(values: object) -> bytes:
    text = json.dumps(values, ensure_ascii=False) + "\n"
    try:
        return text.encode()
    except UnicodeEncodeError:  # bytes of an argument that are no text have no place in UTF-8
        return (json.dumps(values) + "\n").encode()
