"""The rows of a task's CSV, each about one image: its path and the codes of its values."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from maskcls.core.names import IMAGE_EXTENSIONS, nfc, some, split_extension
from maskcls.data.csv_file import CsvFile, row_named
from maskcls.data.fields import Field, columns_of, group_digest, in_row
from maskcls.data.findings import Faults, Findings


@dataclass(frozen=True)
class ImageRows:
    """The good rows of a CSV, in its order.

    where: the file's name. name: the image as written. path: relative to the image folder, with the
    suffix added. line: from 1. codes: of each field that a column has, by its name; int [N].
    row_of: row number by the NFC form of path. group_digest: of each row's group, where a column has it.
    """

    where: str
    name: list[str] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    line: "array[int]" = field(default_factory=lambda: array("i"))
    codes: dict[str, "array[int]"] = field(default_factory=dict)
    row_of: dict[str, int] = field(default_factory=dict)
    group_digest: "array[int]" = field(default_factory=lambda: array("Q"))

    @property
    def are_names(self) -> bool:
        """Whether no row has a folder in its path."""
        return not any("/" in path for path in self.path)

    def row(self, path: str) -> int | None:
        """The row of an image, by its path as on disk; None without one."""
        return row_named(self.row_of, path)

    def missing_text(self, rows: Sequence[int], folder: str) -> str:
        """In words, that rows have no image in a folder."""
        names = [f"{self.name[row]} (line {self.line[row]})" for row in rows[:3]]
        shown = some(names, len(rows))
        return f"not in {folder or 'DATA'}, {len(rows)} of {len(self.path)} in all: {shown}"


def read_rows(
    data: bytes, where: str, image: str, suffix: str, fields: Sequence[Field],
    faults: Faults, findings: Findings, ignored: Sequence[str] = (),
) -> ImageRows:  # fmt: skip
    """Read a CSV with a row for each image.

    data: the file; where: its name for messages; image: the column that names the image; fields:
    those whose sources are columns of this file; ignored: columns that are known and not used. Rows with
    a fault go to `faults`, not to the result; raises UserError when the file as a whole cannot be read.
    """
    file = CsvFile(data, where)
    columns = tuple(dict.fromkeys((image, *columns_of(*(one.source for one in fields)))))
    file.need(*columns)
    extra = [name for name in file.header if name and name not in (*columns, *ignored)]
    if extra:
        findings.add("columns", file.header_at, f"columns not used: {', '.join(extra)}")
    rows = ImageRows(where, codes={one.name: array("i") for one in fields})
    num_rows = 0
    for line, values in file.rows(columns, faults):
        num_rows += 1
        written = values[0]
        path = _path(written, suffix)
        if path is None:
            text = f"{image} {written!r} is not a path within the folder of the images"
            faults.add(f"{where} line {line}", text + "; write it relative to it, with '/'")
            continue
        row = dict(zip(columns, values, strict=True))
        codes = [_code(one, row, f"{where} line {line}", faults) for one in fields]
        if -1 in codes:
            continue
        first = rows.row_of.setdefault(nfc(path), len(rows.path))
        if first < len(rows.path):
            text = f"{image} {written!r} is in line {rows.line[first]}, too; delete one of them"
            faults.add(f"{where} line {line}", text)
            continue
        rows.path.append(path)
        # The same string, where it is the same text: half the memory of the names.
        rows.name.append(path if written == path else written)
        rows.line.append(line)
        for one, code in zip(fields, codes, strict=True):
            rows.codes[one.name].append(code)
            if one.name == "group":
                rows.group_digest.append(group_digest(in_row(one.source, row)))
    if not num_rows:
        # Rows of the wrong length are faults already, and "no rows" would be wrong then.
        faults.raise_if_any()
        faults.add(where, "has a header line but no rows; it needs a row for each image")
    return rows


def _code(one: Field, row: dict[str, str], at: str, faults: Faults) -> int:
    try:
        raw = in_row(one.source, row)
    except ValueError as error:
        faults.add(at, str(error))
        return -1
    return one.code(raw, at, faults)


def _path(written: str, suffix: str) -> str | None:
    """The path that a CSV names, with its suffix; None for one that is empty or leads outside."""
    path = written.strip().removeprefix("./")
    return with_suffix(path, suffix) if is_inside(path) else None


def is_inside(path: str) -> bool:
    """Whether a path is that of a file below the folder that it is relative to."""
    if not path or "\\" in path or "\0" in path:
        return False
    return all(part not in ("", ".", "..") for part in path.split("/"))


def with_suffix(path: str, suffix: str) -> str:
    """The path with the suffix added, unless an image's extension or the suffix is there already.

    A dot alone is no sign of one: "scan.v2" is a name without extension.
    """
    extension = split_extension(path.rpartition("/")[2])[1]
    there = extension in IMAGE_EXTENSIONS or path.lower().endswith(suffix.lower())
    return path if not suffix or there else path + suffix
