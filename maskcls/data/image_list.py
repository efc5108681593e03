"""Lists of images and their groups: from a folder, from a CSV file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from maskcls.core.errors import UserError
from maskcls.core.names import IMAGE_EXTENSIONS, is_junk, nfc, printable, split_extension
from maskcls.data.csv_file import CsvFile, text_series
from maskcls.data.fields import in_path
from maskcls.data.findings import Faults, Findings
from maskcls.data.task_toml import Source
from maskcls.store.folder import Folder

CSV_COLUMNS = ("path", "image", "ImageID", "file_name")
"""Names of the column of a CSV file that names its images, of which it has one."""


def list_images(folder: Folder, findings: Findings) -> pd.DataFrame:
    """All images in a folder and its subfolders; hidden files and other kinds of file are skipped.

    findings: gets the other kinds, counted by extension.
    Returns path (str, relative to `folder`, as on disk), size_bytes and mtime_ns (int64), sorted
    by the NFC form of path. Raises UserError when there is none, or a name is not UTF-8.
    """
    faults = Faults()
    images = []
    for entry in folder.list("", recursive=True):
        # Every part of the path: a hidden folder, such as .git, may have images in it.
        if not entry.is_file or any(map(is_junk, entry.name.split("/"))):
            continue
        if split_extension(entry.name)[1] not in IMAGE_EXTENSIONS:
            findings.skip_unread(entry.name)
            continue
        # The answers are written to a UTF-8 file, which cannot name it.
        if printable(entry.name) != entry.name:
            faults.add(f"{folder.shown}: {entry.name}", "the name is not UTF-8; rename the file")
        images.append(entry)
    faults.raise_if_any()
    if not images:
        extensions = ", ".join(IMAGE_EXTENSIONS)
        # Images of another format are the likely reason: name what was there.
        others = "".join(f"; {one.text}" for one in findings.collected())
        raise UserError(
            f"{folder.shown}: no image found ({extensions}); name a folder with images{others}"
        )
    # The NFC form first: the order, and with it the answers, is the same on a Mac. Then the name, since
    # two names may have one NFC form.
    images.sort(key=lambda entry: (nfc(entry.name), entry.name))
    return pd.DataFrame(
        {
            "path": text_series(entry.name for entry in images),
            "size_bytes": pd.Series([entry.size_bytes for entry in images], dtype="int64"),
            "mtime_ns": pd.Series([entry.mtime_ns for entry in images], dtype="int64"),
        }
    )


@dataclass(frozen=True)
class Listed:
    """What a CSV file names, in its order.

    groups: of each image; group_column: where they are from; None both where no column has them.
    """

    paths: list[str]
    groups: list[str] | None = None
    group_column: str | None = None


def images_from_csv(
    data: bytes, where: str, columns: Sequence[str] = CSV_COLUMNS,
    group_columns: Sequence[str] = (),
) -> Listed:  # fmt: skip
    """The images that a CSV file names.

    data: the file, with one of `columns` (relative paths with "/"); where: its name for messages.
    group_columns: the first of them that there is names each image's group. Raises UserError for no
    such column or several, no rows, a path that is empty, absolute, leads upwards or occurs twice, an
    empty group.
    """
    file = CsvFile(data, where)
    found = [name for name in columns if name in file.header]
    if len(found) != 1:
        several = f"several columns that may name the image, {', '.join(found)}"
        raise UserError(
            f"{file.header_at}: {several if found else f'no column {_either(columns)}'}, one of them"
            f" is needed; the header line found is {','.join(file.header)!r}"
        )
    column, faults = found[0], Faults()
    among = (name for name in group_columns if name and name in file.header and name != column)
    group_column = next(among, None)
    line_of: dict[str, int] = {}
    groups: list[str] = []
    for line, (value, *rest) in file.rows(
        [column, group_column] if group_column else [column], faults
    ):
        path = value.strip()
        if not path or "\\" in path or path.startswith("/") or ".." in path.split("/"):
            text = f"{column} {path!r} is not a path within the folder of the images"
            faults.add(f"{where} line {line}", text + "; write it relative to it, with '/'")
        elif path in line_of:
            text = f"{column} {path!r} is in line {line_of[path]}, too; delete one of them"
            faults.add(f"{where} line {line}", text)
        elif rest and not rest[0].strip():
            faults.add(
                f"{where} line {line}", f"{group_column} is empty; name the group of each image"
            )
        else:
            line_of[path] = line
            groups += [group.strip() for group in rest]
    faults.raise_if_any()
    if not line_of:
        raise UserError(f"{where} has a header line but no rows; it needs a row for each image")
    return Listed(list(line_of), groups if group_column else None, group_column)


def with_extensions(paths: Sequence[str], folder: Folder, where: str) -> list[str]:
    """The paths, where a name without an image's extension stands for the one image of that name.

    folder: that the paths are relative to; where: the CSV's name. A name without any file stays. Raises
    UserError with a line for each name of two images.
    """
    faults, found = Faults(), list[str]()
    inside: dict[str, dict[str, list[str]]] = {}
    for path in paths:
        place, slash, name = path.rpartition("/")
        if split_extension(name)[1] in IMAGE_EXTENSIONS:
            found.append(path)
            continue
        if place not in inside:
            inside[place] = _by_stem(folder, place)
        names = inside[place].get(nfc(name), [])
        if len(names) > 1:
            faults.add(
                where, f"{path!r} names two images, {names[0]} and {names[1]}; add the extension"
            )
        found.append(f"{place}{slash}{names[0]}" if names else path)
    first: dict[str, str] = {}
    for path, file in zip(paths, found, strict=True):
        if (other := first.setdefault(file, path)) != path:
            faults.add(where, f"{other!r} and {path!r} name one image, {file}; delete one of them")
    faults.raise_if_any()
    return found


def _by_stem(folder: Folder, place: str) -> dict[str, list[str]]:
    """Names of the images in a folder, by the NFC form without extension."""
    found: dict[str, list[str]] = {}
    entries = folder.list(place) if folder.is_dir(place) else []
    for entry in sorted(entries, key=lambda one: one.name):
        stem, extension = split_extension(entry.name)
        if entry.is_file and extension in IMAGE_EXTENSIONS:
            found.setdefault(nfc(stem), []).append(entry.name)
    return found


def _either(columns: Sequence[str]) -> str:
    return f"{', '.join(columns[:-1])} or {columns[-1]}"


def groups_in_paths(paths: Iterable[str], where: str, source: Source) -> list[str]:
    """The group of each image by its path.

    source: of kind path, stem or folder. Raises UserError for a path that names none.
    """
    found = []
    for path in paths:
        if not (group := in_path(source, nfc(path))):
            if source.kind == "folder":
                why, way = "in no folder", "put the images of each group into a folder of its name"
            else:
                why = f"not named as {source.written!r} says"
                way = "rename the images so that each name has its group"
            raise UserError(
                f"{where}: {path} is {why}, so that its group is unknown; {way}, or name the groups in a"
                " CSV file's column group"
            )
        found.append(group)
    return found
