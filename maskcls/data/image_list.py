"""New images for `predict`: all those of a folder, or those that a CSV file names."""

import pandas as pd

from maskcls.core.errors import UserError
from maskcls.core.names import IMAGE_EXTENSIONS, is_junk, nfc, printable, split_extension
from maskcls.data.csv_file import CsvFile, text_series
from maskcls.data.findings import Faults, Findings
from maskcls.store.folder import Folder


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


def images_from_csv(data: bytes, where: str) -> list[str]:
    """The paths that a CSV file names, in its order.

    data: the file, with a column `path` or `ImageID` (relative paths with "/"); where: its name
    for messages. Raises UserError for no such column or both, no rows, a path that is empty,
    absolute, leads upwards or occurs twice.
    """
    file = CsvFile(data, where)
    columns = [name for name in ("path", "ImageID") if name in file.header]
    if len(columns) != 1:
        what = "both a column path and ImageID" if columns else "no column path or ImageID"
        raise UserError(
            f"{file.header_at}: {what}, one of the two is needed; "
            f"the header line found is {','.join(file.header)!r}"
        )
    faults = Faults()
    line_of: dict[str, int] = {}
    for line, (value,) in file.rows(columns, faults):
        path = value.strip()
        if not path or "\\" in path or path.startswith("/") or ".." in path.split("/"):
            text = f"{columns[0]} {path!r} is not a path within the folder of the images"
            faults.add(f"{where} line {line}", text + "; write it relative to it, with '/'")
        elif path in line_of:
            text = f"{columns[0]} {path!r} is in line {line_of[path]}, too; delete one of them"
            faults.add(f"{where} line {line}", text)
        else:
            line_of[path] = line
    faults.raise_if_any()
    if not line_of:
        raise UserError(f"{where} has a header line but no rows; it needs a row for each image")
    return list(line_of)
