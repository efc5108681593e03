"""All files of an image folder in the order of their NFC paths, a first-level folder at a time."""

from collections.abc import Iterator

from maskcls.core.names import IMAGE_EXTENSIONS, is_junk, nfc, printable, split_extension
from maskcls.data.findings import Faults
from maskcls.store.folder import Folder
from maskcls.store.listing import Entry


def below(folder: str, name: str) -> str:
    """The path of a name in a folder, either of which may be ""."""
    return f"{folder}/{name}" if folder and name else folder or name


def walk(data: Folder, folder: str, without: str | None = None) -> Iterator[tuple[str, Entry]]:
    """Yield (path relative to `folder`, entry) for each file, sorted by the NFC form of the path.

    without: a folder in DATA to leave out. What lies in hidden or junk folders is left out, too; such
    files elsewhere are not. Only the entries of one folder of the first level are in memory.
    """
    for entry in _in_order(data.list(folder)):
        if without is not None and below(folder, entry.name) == without:
            continue
        if entry.is_file:
            yield entry.name, entry
        elif not is_junk(entry.name):
            yield from _inside(data, folder, entry.name, without)


def _inside(
    data: Folder, folder: str, name: str, without: str | None
) -> Iterator[tuple[str, Entry]]:
    place = below(folder, name)
    is_below = without is not None and without.startswith(f"{place}/")
    inside = f"{without}/".removeprefix(f"{place}/") if is_below else None
    for entry in _in_order(data.list(place, recursive=True)):
        hidden = any(map(is_junk, entry.name.split("/")[:-1]))
        left_out = inside is not None and entry.name.startswith(inside)
        if entry.is_file and not hidden and not left_out:
            yield f"{name}/{entry.name}", entry


def _in_order(entries: list[Entry]) -> list[Entry]:
    # By name first, since two names may have one NFC form; a key of both would be a tuple for each.
    entries.sort(key=lambda entry: entry.name)
    # With "/" appended, folders are in the order of their files' paths ("a-1/" before "a/").
    entries.sort(key=lambda entry: nfc(entry.name) if entry.is_file else nfc(entry.name) + "/")
    return entries


def is_readable(where: str, path: str, faults: Faults) -> bool:
    """Whether a path is UTF-8, as tables need; else a fault."""
    if printable(path) == path:
        return True
    faults.add(f"{where}: {path}", "the name is not UTF-8; rename the file")
    return False


def is_image(path: str) -> bool:
    """Whether a file is read as an image: by its extension, and neither hidden nor junk."""
    name = path.rpartition("/")[2]
    return split_extension(name)[1] in IMAGE_EXTENSIONS and not is_junk(name)
