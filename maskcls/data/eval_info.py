"""eval/: the images without labels, in the order of info.csv, which is that of the submission."""

from array import array
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from maskcls.core.errors import UserError
from maskcls.core.names import IMAGE_EXTENSIONS, is_junk, is_plain, nfc, some, split_extension
from maskcls.data.csv_file import CsvFile, row_named, text_series
from maskcls.data.findings import Faults, Findings
from maskcls.store.folder import Folder
from maskcls.store.listing import Entry

INFO = "eval/info.csv"
IMAGES = "eval/images"


@dataclass(frozen=True)
class EvalRows:
    """The good rows of info.csv, in its order; row_of: row number by ImageID, as in row_named.

    image_id: as written, since the submission repeats it.
    """

    image_id: list[str] = field(default_factory=list)
    line: "array[int]" = field(default_factory=lambda: array("q"))
    row_of: dict[str, int] = field(default_factory=dict)


def read_info(data: Folder, faults: Faults, findings: Findings) -> EvalRows | None:
    """Read eval/info.csv (ImageID, and `ans`, which is ignored).

    None when there is no eval/. Rows with a fault go to `faults`; raises UserError when only one
    of info.csv and images/ is there, or the file as a whole cannot be read.
    """
    has_info, has_images = data.exists(INFO), data.is_dir(IMAGES)
    if not has_info and not has_images:
        if data.exists("eval"):
            findings.add("eval_empty", "eval", "neither info.csv nor images/; read without eval")
        return None
    if not has_info:
        raise UserError(f"{data.shown}: {IMAGES} is there but {INFO} is not; add it or remove eval")
    if not has_images:
        raise UserError(f"{data.shown}: {INFO} is there but {IMAGES} is not; add it or remove eval")

    file = CsvFile(data.read_bytes(INFO), INFO)
    file.need("ImageID")
    extra = [name for name in file.header if name not in ("", "ImageID", "ans")]
    if extra:
        findings.add("columns", file.header_at, f"columns not used: {', '.join(extra)}")
    rows = EvalRows()
    num_rows = 0
    for line, (image_id,) in file.rows(["ImageID"], faults):
        num_rows += 1
        at = f"{INFO} line {line}"
        if not is_plain(image_id.strip()):
            text = (
                f"ImageID {image_id!r} is not the name of a file in {IMAGES}; give the name alone"
            )
            faults.add(at, text)
            continue
        first = rows.row_of.setdefault(nfc(image_id.strip()), len(rows.image_id))
        if first < len(rows.image_id):
            text = f"ImageID {image_id!r} is in line {rows.line[first]}, too; delete one of them"
            faults.add(at, text)
            continue
        rows.image_id.append(image_id)
        rows.line.append(line)
    if not num_rows:
        # Rows of the wrong length are faults already, and "no rows" would be wrong then.
        faults.raise_if_any()
        faults.add(INFO, "has a header line but no rows; it needs a row for each image")
    return rows


def read_eval_images(
    data: Folder, rows: EvalRows, findings: Findings, needed: bool = True
) -> pd.DataFrame:
    """Match info.csv with eval/images; the frame `eval_images` as `Table` describes it.

    Raises UserError when more than half of the images are missing, if they are needed: the
    submission would be useless, which is better known before the training.
    """
    entry_of, others = _by_name(data, rows, findings)
    others = _by_stem(rows, entry_of, others)
    for entry in others:
        findings.skip_unread(f"{IMAGES}/{entry.name}")
    extra = sorted(entry.name for entry in others)
    if extra:
        text = f"not in info.csv, not used, {len(extra)} in all: {some(extra)}"
        findings.add("eval_extra", IMAGES, text)
    _report_missing(rows, entry_of, extra, findings, needed)
    entries = [entry_of.get(row) for row in range(len(rows.image_id))]
    # They are nearly always equal: one string instead of two saves memory.
    pairs = zip(rows.image_id, entries, strict=True)
    paths = (
        "" if e is None else image_id if image_id == e.name else e.name for image_id, e in pairs
    )
    return pd.DataFrame(
        {
            "image": text_series(rows.image_id),
            "found": np.array([entry is not None for entry in entries], np.bool_),
            "path": text_series(paths),
            "size_bytes": np.array(
                [entry.size_bytes if entry else 0 for entry in entries], np.int64
            ),
            "mtime_ns": np.array([entry.mtime_ns if entry else 0 for entry in entries], np.int64),
        },
        copy=False,
    )


def _by_name(
    data: Folder, rows: EvalRows, findings: Findings
) -> tuple[dict[int, Entry], list[Entry]]:
    """The files that rows name, by row; and the other entries, without junk."""
    entry_of: dict[int, Entry] = {}
    others: list[Entry] = []
    for entry in data.list(IMAGES):
        row = row_named(rows.row_of, entry.name)
        if row is not None and entry.is_file:
            if row in entry_of:
                raise UserError(
                    f"{IMAGES}: {entry_of[row].name!a} and {entry.name!a} are the same name, except for "
                    f"blanks around it or composed and decomposed letters (NFC, NFD); delete or "
                    f"rename one of the two files"
                )
            entry_of[row] = entry
        # After the rows: a hidden file that info.csv names is an image.
        elif is_junk(entry.name):
            findings.skip_hidden(f"{IMAGES}/{entry.name}")
        else:
            others.append(entry)
    return entry_of, others


def _by_stem(rows: EvalRows, entry_of: dict[int, Entry], others: list[Entry]) -> list[Entry]:
    """Add to entry_of the images whose rows lack the extension; returns the remaining others.

    Raises UserError when two images have one such name.
    """
    left: list[Entry] = []
    found: dict[int, Entry] = {}
    for entry in others:
        stem, extension = split_extension(entry.name)
        row = row_named(rows.row_of, stem)
        if row is None or row in entry_of or not entry.is_file or extension not in IMAGE_EXTENSIONS:
            left.append(entry)
        elif row in found:
            first, second = sorted((found[row].name, entry.name))
            raise UserError(
                f"{INFO} line {rows.line[row]}: ImageID {rows.image_id[row]!r} may be {first} or "
                f"{second} in {IMAGES}; write the extension, or delete one of the two files"
            )
        else:
            found[row] = entry
    # At the end: entry_of decides above whether a row has its file by the full name.
    entry_of |= found
    return left


def _report_missing(
    rows: EvalRows, entry_of: dict[int, Entry], extra: list[str], findings: Findings, needed: bool
) -> None:
    num_rows, num_missing = len(rows.image_id), len(rows.image_id) - len(entry_of)
    if not num_missing:
        return
    # By line, so that the user finds the rows in the file.
    missing = [row for row in range(num_rows) if row not in entry_of]
    lines = [f"{rows.image_id[row]} (line {rows.line[row]})" for row in missing[:3]]
    text = f"not in {IMAGES}, {num_missing} of {num_rows} in all: {some(lines, num_missing)}"
    # A few missing images get a default answer; more than half mean a wrong folder.
    if needed and 2 * num_missing > num_rows:
        there = f" (files there that {INFO} does not name: {some(extra)})" if extra else ""
        raise UserError(
            f"{INFO}: {text}{there}; add the images, correct the names, or remove eval to train "
            f"without a submission"
        )
    findings.add("eval_missing", INFO, text)
