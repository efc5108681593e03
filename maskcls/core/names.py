"""File names: one Unicode form for comparing, which files to ignore, how a message shows a name."""

import contextlib
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""Extensions that are read, in upper or lower case; .jfif: JPEG, as some Windows programs name it.
What a file holds decides how it is decoded, whatever its extension."""
JUNK = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
"""What file managers and archivers leave behind, in lower case."""


def nfc(name: str) -> str:
    """The composed form: names made on a Mac arrive decomposed and must compare equal."""
    return unicodedata.normalize("NFC", name)


def as_on_disk(path: Path) -> Path:
    """`path` with each missing part replaced by the name on disk that reads the same, if any."""
    # As typed goes first: both forms may exist as different files on Linux.
    if os.path.lexists(path):
        return path
    found = Path(path.anchor)
    for part in path.parts[1:]:
        if not part.isascii() and not os.path.lexists(found / part):
            wanted = nfc(part)
            # A folder that cannot be listed: the caller then fails with the name as typed.
            with contextlib.suppress(OSError):
                names = (entry.name for entry in found.iterdir())
                part = next((name for name in names if nfc(name) == wanted), part)
        found /= part
    return found


def is_junk(name: str) -> bool:
    """Whether one part of a path is hidden (starts with ".") or a file manager's leftover."""
    return name.startswith(".") or name.lower() in JUNK


def split_extension(name: str) -> tuple[str, str]:
    """Stem and lower-case extension: ("mask1", ".jpg") of "mask1.JPG"; ("x", "") without one."""
    stem, dot, extension = name.rpartition(".")
    return (stem, "." + extension.lower()) if dot else (name, "")


def is_plain(name: str) -> bool:
    """Whether a name is one part of a path, so that it cannot lead out of its folder."""
    return bool(name) and not any(part in name for part in ("/", "\\", "..", "\0")) and name != "."


def some(names: Sequence[str], num: int | None = None) -> str:
    """The first three names, and how many there are beyond: "a, b, c and 4 more".

    num: how many there are in all, where `names` holds only the first of them.
    """
    num = len(names) if num is None else num
    text = ", ".join(names[:3])
    return text if num <= 3 else f"{text} and {num - 3} more"


def printable(text: str) -> str:
    """The text with lone surrogates (file names that are not UTF-8) written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


_BEFORE_AT = re.compile(r"([A-Za-z]*)://([^/\s@]+)@")


def without_credentials(text: str) -> str:
    """The text with user:secret@ taken out of every URI in it; for logs, records and screens."""
    return _BEFORE_AT.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    scheme, before = found.groups()
    # On Azure a word without a colon is the container's name, and no secret.
    is_container = scheme.lower() in ("abfs", "abfss") and ":" not in before
    return found.group() if is_container else f"{scheme}://"
