"""eval/: the images without labels, in the order of info.csv, which the submission keeps."""

from array import array
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from maskcls.core.errors import UserError
from maskcls.core.names import is_junk, is_plain, nfc, some
from maskcls.data.csv_file import CsvFile, text_series
from maskcls.data.findings import Faults, Findings
from maskcls.data.folder import DataFolder

INFO = "eval/info.csv"
IMAGES = "eval/images"


@dataclass(frozen=True)
class EvalRows:
    """The good rows of info.csv, in its order; row_of: row number by the NFC form of ImageID."""

    image_id: list[str] = field(default_factory=list)
    line: "array[int]" = field(default_factory=lambda: array("q"))
    row_of: dict[str, int] = field(default_factory=dict)


def read_info(data: DataFolder, faults: Faults, findings: Findings) -> EvalRows | None:
    """Read eval/info.csv (ImageID, and `ans`, which is not looked at).

    None when there is no eval/. Rows with a fault go to `faults`; raises UserError when only one
    of info.csv and images/ is there, or the file as a whole cannot be read.
    """
    has_info, has_images = data.exists(INFO), data.is_dir(IMAGES)
    if not has_info and not has_images:
        if data.exists("eval"):
            findings.add("eval_empty", "eval", "neither info.csv nor images/; goes on without eval")
        return None
    if not has_info:
        raise UserError(f"{data.shown}: {IMAGES} is there but {INFO} is not; add it or remove eval")
    if not has_images:
        raise UserError(f"{data.shown}: {INFO} is there but {IMAGES} is not; add it or remove eval")

    file = CsvFile(data.read_bytes(INFO), INFO)
    file.need("ImageID")
    extra = [name for name in file.header if name not in ("ImageID", "ans")]
    if extra:
        findings.add("columns", file.header_at, f"columns not used: {', '.join(extra)}")
    rows = EvalRows()
    num_rows = 0
    for line, (image_id,) in file.rows(["ImageID"], faults):
        num_rows += 1
        at = f"{INFO} line {line}"
        if not is_plain(image_id):
            text = (
                f"ImageID {image_id!r} is not the name of a file in {IMAGES}; give the name alone"
            )
            faults.add(at, text)
            continue
        first = rows.row_of.setdefault(nfc(image_id), len(rows.image_id))
        if first < len(rows.image_id):
            text = f"ImageID {image_id!r} stands in line {rows.line[first]} too; delete one of them"
            faults.add(at, text)
            continue
        rows.image_id.append(image_id)
        rows.line.append(line)
    if not num_rows:
        faults.raise_if_any()
        faults.add(INFO, "has a header line but no rows; it needs a row for each image")
    return rows


def read_eval_images(data: DataFolder, rows: EvalRows, findings: Findings) -> pd.DataFrame:
    """Match info.csv with eval/images; the frame `eval_images` as `Table` describes it."""
    num_rows = len(rows.image_id)
    path = [""] * num_rows
    size_bytes, mtime_ns = np.zeros(num_rows, np.int64), np.zeros(num_rows, np.int64)
    found = np.zeros(num_rows, np.bool_)
    extra: list[str] = []
    for entry in data.list(IMAGES):
        row = rows.row_of.get(nfc(entry.name))
        if row is not None and entry.is_file:
            if found[row]:
                raise UserError(
                    f"{IMAGES}: {path[row]!a} and {entry.name!a} are the same name in composed and "
                    f"in decomposed letters (NFC, NFD); delete or rename one of the two files"
                )
            path[row] = image_id if (image_id := rows.image_id[row]) == entry.name else entry.name
            size_bytes[row], mtime_ns[row], found[row] = entry.size_bytes, entry.mtime_ns, True
        elif is_junk(entry.name):
            findings.skip_hidden(f"{IMAGES}/{entry.name}")
        else:
            extra.append(entry.name)
    if extra:
        text = f"not in info.csv, not used, {len(extra)} in all: {some(sorted(extra))}"
        findings.add("eval_extra", IMAGES, text)
    missing = np.flatnonzero(~found)
    if len(missing):
        lines = [f"{rows.image_id[row]} (line {rows.line[row]})" for row in missing[:3]]
        text = f"not in {IMAGES}, {len(missing)} of {num_rows} in all: {some(lines, len(missing))}"
        findings.add("eval_missing", INFO, text)
    return pd.DataFrame(
        {
            "ImageID": text_series(rows.image_id),
            "found": found,
            "path": text_series(path),
            "size_bytes": size_bytes,
            "mtime_ns": mtime_ns,
        },
        copy=False,
    )
