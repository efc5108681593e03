"""CSV files as text: bytes to rows with their line numbers, values untouched.

Nothing is converted: ids with leading zeros stay as written. Only column names are stripped of blanks;
for values, readers decide, since a name on disk may begin or end with some.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from maskcls.core.errors import UserError
from maskcls.core.names import nfc
from maskcls.data.findings import Faults

SAVE_AS = 'save it as UTF-8 (in Excel: "CSV UTF-8")'


class CsvFile:
    """An opened CSV file: its header, and its rows once.

    data: UTF-8 with or without a byte order mark; LF, CRLF or CR; fields may be quoted.
    where: the file's name for messages.
    Raises UserError when the bytes are not UTF-8, the file is empty or a column occurs twice.
    """

    def __init__(self, data: bytes, where: str) -> None:
        # First, since the csv module would fail in the middle, without a line number.
        _check_encoding(data, where)
        self.where = where
        # Decoded as it is read: a StringIO would hold four bytes for each character.
        text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
        self._reader = csv.reader(text, strict=True)
        self.header: tuple[str, ...] = ()
        try:
            self.header = tuple(name.strip() for name in next(filter(None, self._reader), ()))
        except csv.Error as error:
            raise UserError(f"{where} line {self._reader.line_num}: {error}") from error
        if not self.header:
            raise UserError(f"{where} is empty; it needs a header line and rows")
        self.header_at = f"{where} line {self._reader.line_num}"
        # Several empty names are fine: commas at the end of each line.
        double = sorted({name for name in self.header if name and self.header.count(name) > 1})
        if double:
            raise UserError(f"{self.header_at}: column {double[0]!r} occurs twice; rename one")

    def need(self, *columns: str) -> None:
        """UserError naming the columns that the header lacks, and the header found."""
        missing = [name for name in columns if name not in self.header]
        if missing:
            raise UserError(
                f"{self.header_at}: no column {', '.join(missing)}; "
                f"the header line found is {','.join(self.header)!r}"
            )

    def rows(self, columns: Sequence[str], faults: Faults) -> Iterator[tuple[int, list[str]]]:
        """Yield (line number from 1, the values of `columns`) for each row that is not empty.

        A row with too few or too many fields goes to `faults` and is left out; after quotes
        that do not close, reading ends, since nothing behind them can be trusted.
        """
        places = [self.header.index(name) for name in columns]
        # Before each row, to name its first line: a quoted field may have line breaks.
        line = self._reader.line_num + 1
        try:
            for values in self._reader:
                if len(values) == len(self.header):
                    yield line, [values[place] for place in places]
                elif values:
                    faults.add(
                        f"{self.where} line {line}",
                        f"{len(values)} fields where the header has {len(self.header)}",
                    )
                line = self._reader.line_num + 1
        except csv.Error as error:
            faults.add(f"{self.where} line {line}", f"cannot be read as CSV ({error})")


def _check_encoding(data: bytes, where: str) -> None:
    # What Excel saves as "Unicode text"; the general message below would name a byte only.
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError(f"{where} is UTF-16, not UTF-8; {SAVE_AS}")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise UserError(f"{where} line {line}: byte 0x{byte:02x} is not UTF-8; {SAVE_AS}") from None
    # NUL is valid UTF-8, but in text it means UTF-16 without a byte order mark.
    nul = data.find(b"\0")
    if nul >= 0:
        line = data.count(b"\n", 0, nul) + 1
        raise UserError(f"{where} line {line}: a NUL byte, perhaps UTF-16 text; {SAVE_AS}")


def row_named(row_of: Mapping[str, int], name: str) -> int | None:
    """The row of a file or folder, None without one.

    row_of: row number by name, NFC and without blanks around it; name: as on disk.
    """
    key = nfc(name)
    row = row_of.get(key)
    return row_of.get(key.strip()) if row is None else row


_CHUNK_ROWS = 1024


class TextColumn:
    """Append strings, then take them as one pandas column.

    A list of 179,000 paths would hold 100 bytes for each, this the text and 8. Chunks are small, as
    Arrow keeps what it used for one: 4,096 rows instead of 1,024 cost 4 MB more at the peak of
    reading 179,000 images (pyarrow 26, 2 cores, November 2026).
    """

    # pandas' own str type keeps text in Arrow, without a Python object for each value.
    def __init__(self) -> None:
        self._done: list[pd.Series[str]] = []
        self._open: list[str] = []

    def append(self, text: str) -> None:
        """Add one string at the end."""
        self._open.append(text)
        if len(self._open) == _CHUNK_ROWS:
            self._close()

    def series(self) -> "pd.Series[str]":
        """All strings so far, dtype str, numbered from 0."""
        if self._open or not self._done:
            self._close()
        return pd.concat(self._done, ignore_index=True)

    def _close(self) -> None:
        self._done.append(pd.Series(self._open, dtype="str"))
        self._open = []


def text_series(texts: Iterable[str]) -> "pd.Series[str]":
    """The strings as one pandas column, dtype str, built in chunks.

    Arrow's allocator grows a buffer by doubling and keeps the smaller ones: built at once, 25,000
    names left 4 MB allocated (pyarrow 26, mimalloc).
    """
    column = TextColumn()
    for text in texts:
        column.append(text)
    return column.series()
