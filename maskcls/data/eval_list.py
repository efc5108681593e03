"""Images to predict of any task but the mask layout: those of a CSV in its order, or all of a folder."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maskcls.core.errors import UserError
from maskcls.core.names import is_junk, nfc, some
from maskcls.data.csv_file import text_series
from maskcls.data.fields import Field, columns_of, group_field, in_path
from maskcls.data.findings import Faults, Findings
from maskcls.data.image_rows import ImageRows, read_rows
from maskcls.data.task_file import EvalFile
from maskcls.data.walk import is_image, is_readable, walk
from maskcls.data.what_is_there import is_file
from maskcls.store.folder import Folder
from maskcls.store.listing import Entry


def read_eval(
    data: Folder, file: EvalFile, faults: Faults, findings: Findings, needed: bool, alone: bool
) -> pd.DataFrame | None:
    """The frame `eval_images` as `Table` describes it; None where the folder holds no image.

    needed: whether most images must be there; alone: whether the folder holds nothing else, so that
    other images in it are worth a word. Faults of the CSV go to `faults`; raises UserError when folder
    or CSV are missing, two files have one name (NFC), or more than half of the images are missing.
    """
    if not data.is_dir(file.images):
        raise UserError(
            f"{data.shown}: no folder {file.images!r}, which [eval] names as images; add it, or delete"
            " [eval] from the task"
        )
    group = None if file.group is None else group_field(file.group)
    if file.table is None:
        return _all_of_folder(data, file, group, faults, findings)
    if not is_file(data, file.table):
        raise UserError(
            f"{data.shown}: no file {file.table!r}, which [eval] names as its table; correct the name"
        )
    assert file.image is not None
    in_columns = [group] if group is not None and columns_of(group.source) else []
    rows = read_rows(
        data.read_bytes(file.table), file.table, file.image, file.suffix, in_columns, faults, findings
    )  # fmt: skip
    # Now, since listing the images of an object store may take minutes.
    faults.raise_if_any()
    return _of_rows(data, file, rows, group, faults, findings, needed, alone)


def _all_of_folder(
    data: Folder, file: EvalFile, group: Field | None, faults: Faults, findings: Findings
) -> pd.DataFrame | None:
    found: list[tuple[str, Entry]] = []
    for path, entry in walk(data, file.images):
        if is_image(path):
            if is_readable(file.images, path, faults):
                found.append((path, entry))
        elif is_junk(path.rpartition("/")[2]):
            findings.skip_hidden(f"{file.images}/{path}")
        else:
            findings.skip_unread(f"{file.images}/{path}")
    if not found:
        findings.add("eval_empty", file.images, "no image that is read; read without it")
        return None
    names = [path for path, _ in found]
    groups = None if group is None else _groups_in_paths(file, group, names, faults)
    return _frame(names, list(found), groups)


def _of_rows(
    data: Folder, file: EvalFile, rows: ImageRows, group: Field | None, faults: Faults,
    findings: Findings, needed: bool, alone: bool,
) -> pd.DataFrame:  # fmt: skip
    of_row: list[tuple[str, Entry] | None] = [None] * len(rows.path)
    extra = []
    for path, entry in walk(data, file.images):
        row = rows.row(path)
        if row is None:
            if is_image(path):
                extra.append(path)
        elif not is_image(path):
            findings.skip_unread(f"{file.images}/{path}")
        elif of_row[row] is not None:
            raise UserError(
                f"{file.images}: {path!a} has the name of another file, except for blanks around it or"
                " composed and decomposed letters (NFC, NFD); delete or rename one of the two"
            )
        elif is_readable(file.images, path, faults):
            of_row[row] = (path, entry)
    if extra and alone:
        text = f"not in {file.table}, not used, {len(extra):,} in all: {some(extra)}"
        findings.add("eval_extra", file.images, text)
    missing = [row for row, found in enumerate(of_row) if found is None]
    if missing:
        text = rows.missing_text(missing, file.images)
        if needed and 2 * len(missing) > len(of_row):
            there = f" (images there: {some(extra)})" if extra else ""
            raise UserError(
                f"{rows.where}: {text}{there}; add the images, correct the names, or delete [eval] to"
                " train without a submission"
            )
        findings.add("eval_missing", rows.where, text)
    groups: Sequence[str] | None = None
    if group is not None:
        if group.name in rows.codes:
            groups = [group.values[code] for code in rows.codes[group.name]]
        else:
            groups = _groups_in_paths(file, group, rows.path, faults)
    return _frame(rows.name, of_row, groups)


def _groups_in_paths(
    file: EvalFile, group: Field, paths: Sequence[str], faults: Faults
) -> list[str]:
    groups = []
    for path in paths:
        raw = in_path(group.source, nfc(path))
        at = f"{file.images}/{path}"
        if raw is None:
            text = f"[eval] group: {group.source.text or group.source.kind!r} is not in this path"
            faults.add(at, text + "; it must be in every one")
        elif (code := group.code(raw, at, faults)) >= 0:
            groups.append(group.values[code])
    faults.raise_if_any()
    return groups


def _frame(
    names: Sequence[str], found: Sequence[tuple[str, Entry] | None], groups: Sequence[str] | None
) -> pd.DataFrame:
    columns = {
        "image": text_series(names),
        "found": np.array([one is not None for one in found], np.bool_),
        "path": text_series("" if one is None else one[0] for one in found),
        "size_bytes": np.array([one[1].size_bytes if one else 0 for one in found], np.int64),
        "mtime_ns": np.array([one[1].mtime_ns if one else 0 for one in found], np.int64),
    }
    if groups is not None:
        columns["group"] = text_series(groups)
    return pd.DataFrame(columns, copy=False)
