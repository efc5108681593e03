"""The columns of a CSV at a glance: their distinct values, for a proposal of what they may mean."""

from collections import Counter
from dataclasses import dataclass, field

from maskcls.core.names import nfc
from maskcls.data.csv_file import CsvFile
from maskcls.data.findings import Faults

MAX_COUNTED = 200_000
"""Distinct values of a column that are counted; beyond, a column names single images."""


@dataclass
class Column:
    """A column; place: from 0. counts: distinct values but for empty ones. sample: the first rows."""

    name: str
    place: int
    counts: Counter[str] = field(default_factory=Counter)
    sample: list[str] = field(default_factory=list)
    num_rows: int = 0
    num_empty: int = 0

    @property
    def num_values(self) -> int:
        """Number of distinct values."""
        return len(self.counts)

    def add(self, text: str) -> None:
        """One more row."""
        self.num_rows += 1
        if not text:
            self.num_empty += 1
        elif text in self.counts or len(self.counts) < MAX_COUNTED:
            self.counts[text] += 1
        if len(self.sample) < 1000:
            self.sample.append(text)


def read_columns(data: bytes, where: str) -> list[Column]:
    """Read all named columns of a CSV; rows with a fault are left out.

    Raises UserError when the file as a whole cannot be read.
    """
    file = CsvFile(data, where)
    names = [name for name in file.header if name]
    columns = [Column(name, place) for place, name in enumerate(names)]
    for _, values in file.rows(names, Faults()):
        for column, text in zip(columns, values, strict=True):
            column.add(nfc(text.strip()))
    return columns
