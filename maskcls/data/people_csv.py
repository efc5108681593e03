"""train.csv: the people. A person is identified by the folder in column `path`, never by the id.

Ids repeat (one is of two people), some end in "-1", and tools that read them as numbers strip their
zeros, so they are used for a finding only. The folder's name repeats gender and age; where the two
differ, the columns decide and a finding names both.
"""

import re
from array import array
from dataclasses import dataclass, field
from itertools import pairwise

from maskcls.core.mask import GENDERS
from maskcls.core.names import is_plain, nfc
from maskcls.data.csv_file import CsvFile
from maskcls.data.findings import Faults, Findings

NEEDED = ("gender", "age", "path")
USUAL = ("id", "race")
MAX_AGE = 120
_AGE = re.compile(r"[0-9]{1,3}")
_FOLDER = re.compile(r".+_(?P<gender>male|female)_[^_]+_(?P<age>[0-9]{1,3})")


@dataclass(frozen=True)
class PeopleRows:
    """The good rows of train.csv, in its order; columns, since a row object would cost 10 times.

    folder: str [N] as written, without blanks around it; line: from 1; gender: place in GENDERS; age: in
    years.
    row_of: row number by the NFC form of the folder.
    """

    folder: list[str] = field(default_factory=list)
    line: "array[int]" = field(default_factory=lambda: array("q"))
    gender: "array[int]" = field(default_factory=lambda: array("b"))
    age: "array[int]" = field(default_factory=lambda: array("h"))
    row_of: dict[str, int] = field(default_factory=dict)


def read_people(data: bytes, where: str, faults: Faults, findings: Findings) -> PeopleRows:
    """Read train.csv.

    data: the file; where: its name for messages. Rows with a fault go to `faults`, not to the
    result; raises UserError at once when the file as a whole cannot be read.
    """
    file = CsvFile(data, where)
    file.need(*NEEDED)
    _report_columns(file, findings)
    has_id = "id" in file.header
    people = PeopleRows()
    ids: list[str] = []
    # Counted apart, since people lacks the rows with a fault.
    num_rows = 0
    for line, values in file.rows((*NEEDED, "id") if has_id else NEEDED, faults):
        num_rows += 1
        gender, age, folder = (value.strip() for value in values[:3])
        at = f"{where} line {line}"
        if not _is_good(gender, age, folder, at, faults):
            continue
        # A Mac writes decomposed names: two spellings of one name are one person.
        key = nfc(folder)
        first = people.row_of.setdefault(key, len(people.folder))
        if first < len(people.folder):
            faults.add(
                at,
                f"path {folder!r} is in line {people.line[first]}, too; "
                f"a person is one folder and one row, delete one of the two",
            )
            continue
        people.folder.append(folder)
        people.line.append(line)
        people.gender.append(GENDERS.index(gender))
        people.age.append(int(age))
        _report_contradiction(gender, int(age), folder, at, findings)
        if has_id:
            ids.append(values[3].strip())
    if not num_rows:
        # Rows of the wrong length are faults already, and "no rows" would be wrong then.
        faults.raise_if_any()
        faults.add(where, "has a header line but no rows; it needs a row for each person")
    if has_id:
        _report_double_ids(ids, people, where, findings)
    return people


def _is_good(gender: str, age: str, folder: str, at: str, faults: Faults) -> bool:
    """Whether the three values can be used; each one that cannot be is a fault."""
    # Not only the first: the user corrects a line once.
    good = True
    if gender not in GENDERS:
        faults.add(at, f"gender {gender!r} is neither male nor female; write one of the two")
        good = False
    if not _AGE.fullmatch(age) or int(age) > MAX_AGE:
        faults.add(at, f"age {age!r} is not a whole number from 0 to {MAX_AGE}; correct it")
        good = False
    if not is_plain(folder):
        faults.add(
            at,
            f"path {folder!r} is not the name of a folder in train/images; "
            f"give the name alone, without '/', '\\' and '..'",
        )
        good = False
    return good


def _report_columns(file: CsvFile, findings: Findings) -> None:
    # An empty name comes from a comma at the end of each line.
    extra = [name for name in file.header if name and name not in NEEDED + USUAL]
    if extra:
        findings.add("columns", file.header_at, f"columns not used: {', '.join(extra)}")
    missing = [name for name in USUAL if name not in file.header]
    if missing:
        text = f"no column {', '.join(missing)}; not needed"
        findings.add("columns", file.header_at, text)


def _report_double_ids(ids: list[str], people: PeopleRows, where: str, findings: Findings) -> None:
    # Sorted, since a dict of all ids would be one of the largest objects in memory here.
    in_order = sorted(ids)
    double = {one for one, next_one in pairwise(in_order) if one == next_one and one}
    # Only repeated ids get a list: they are few.
    lines_of: dict[str, list[int]] = {}
    for row, one in enumerate(ids):
        if one in double:
            lines_of.setdefault(one, []).append(people.line[row])
    for one, lines in lines_of.items():
        text = f"id {one!r} is in lines {', '.join(map(str, lines))}; "
        text += f"they count as {len(lines)} people, as their folders differ"
        findings.add("double_id", f"{where} line {lines[-1]}", text)


def _report_contradiction(gender: str, age: int, folder: str, at: str, findings: Findings) -> None:
    match = _FOLDER.fullmatch(folder)
    if match is None:
        return  # other naming schemes are allowed
    if match["gender"] != gender:
        text = f"gender is {gender}, in the folder's name {folder!r} it is {match['gender']}"
        findings.add("contradiction", at, text + "; train.csv decides")
    if int(match["age"]) != age:
        text = f"age is {age}, in the folder's name {folder!r} it is {match['age']}"
        findings.add("contradiction", at, text + "; train.csv decides")
