"""Corrected labels for training rows, from a CSV file; validation rows keep their official labels.

    path,shot,field,value           or           id,shot,field,value
    000020_female_Asian_50,normal,mask,incorrect     an image's mask state (shot is needed)
    006359_female_Asian_18,,gender,male              a person's gender or age (shot stays empty)

`path` is the person's folder, `id` what its name begins with; further columns are ignored. Rows
for people who are not in the data are counted, not refused: one list serves many selections of people.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.core.errors import UserError
from maskcls.core.mask import GENDERS, MASKS, SHOTS
from maskcls.core.names import nfc
from maskcls.core.task import Task
from maskcls.data.csv_file import CsvFile
from maskcls.data.findings import Faults
from maskcls.data.people_csv import MAX_AGE

Int64 = npt.NDArray[np.int64]
_FIELDS = ("gender", "age", "mask")


@dataclass(frozen=True)
class Correction:
    """One row of the file.

    key: a person's folder or id; shot: "" for all of the person's images; value: place in GENDERS or
    MASKS, or the age [years].
    """

    line: int
    key: str
    shot: str
    field: str
    value: int


@dataclass(frozen=True)
class CorrectedLabels:
    """Class and age that each row of the table would train with, int64 [N]; what was corrected."""

    classes: Int64
    ages: Int64
    num_corrected: int
    num_unknown: int


def read_corrections(data: bytes, where: str) -> tuple[str, list[Correction]]:
    """Read the file; returns the key's column, "path" or "id", and its rows.

    Raises UserError with a line for each fault.
    """
    file, faults = CsvFile(data, where), Faults()
    key = "path" if "path" in file.header else "id"
    file.need(key, "shot", "field", "value")
    found: list[Correction] = []
    seen: dict[tuple[str, str, str], int] = {}
    # All faults of the file in one message, so that a long list is corrected once.
    for line, (name, shot, field, text) in file.rows((key, "shot", "field", "value"), faults):
        at, value = f"{where} line {line}", _value(field, text)
        if field not in _FIELDS:
            faults.add(at, f"field {field!r} is none of {', '.join(_FIELDS)}; correct it")
        elif value is None:
            faults.add(at, f"value {text!r} is no {field}; use {_expected(field)}")
        # The mask belongs to an image, gender and age to a person: a mask needs a shot, and
        # with a shot, one person could have two genders.
        elif (field == "mask") != bool(shot) or (shot and shot not in SHOTS):
            faults.add(at, f"shot {shot!r} does not fit; mask needs one of {', '.join(SHOTS)}")
        elif (again := (nfc(name), shot, field)) in seen:
            faults.add(at, f"{field} of {name} {shot} stands in line {seen[again]} too; delete one")
        else:
            seen[again] = line
            # In one Unicode form: macOS writes names decomposed, other systems composed.
            found.append(Correction(line, nfc(name), shot, field, value))
    faults.raise_if_any()
    return key, found


def _value(field: str, text: str) -> int | None:
    if field == "age":
        # isdecimal before int: int also takes signs, spaces and underscores.
        return int(text) if text.isdecimal() and int(text) <= MAX_AGE else None
    names = {"gender": GENDERS, "mask": MASKS}.get(field, ())
    return names.index(text) if text in names else None


def _expected(field: str) -> str:
    names = {"gender": GENDERS, "mask": MASKS}.get(field)
    return ", ".join(names) if names else f"a whole number from 0 to {MAX_AGE}"


def train_labels(
    images: pd.DataFrame, task: Task, key: str, corrections: list[Correction], where: str
) -> CorrectedLabels:
    """Labels to train with.

    images: columns group (categorical), label, and for the mask task shot (categorical) and age; a row
    per image. task: as it trains, see training_task. Raises UserError when two people have the same id.
    """
    label = images["label"].to_numpy().astype(np.int64)
    if not task.is_mask:
        return CorrectedLabels(label, np.zeros(len(label), np.int64), 0, 0)
    codes_of_part = task.codes_of(label)
    mask, gender = codes_of_part["mask"], codes_of_part["gender"]
    age = images["age"].to_numpy().astype(np.int64)
    # Kept to count what changes: a correction may repeat the official label.
    official = (mask.copy(), gender.copy(), age.copy())
    person, shot = images["group"].cat.codes.to_numpy(), images["shot"].astype("str").to_numpy()
    code_of = _codes(images, key)
    unknown = 0
    for row in corrections:
        codes = code_of.get(row.key, [])
        # Guessing among people of the same id would put wrong labels into training unnoticed.
        if len(codes) > 1:
            names = ", ".join(images["group"].cat.categories[code] for code in codes)
            raise UserError(
                f"{where} line {row.line}: id {row.key} is that of {names}; use the column path."
            )
        if not codes:
            unknown += 1
            continue
        rows = person == codes[0]
        if row.shot:
            rows &= shot == row.shot
        {"gender": gender, "age": age, "mask": mask}[row.field][rows] = _code(task, row)
    changed = np.zeros(len(mask), bool)
    for before, after in zip(official, (mask, gender, age), strict=True):
        changed |= before != after
    # After the corrections: a corrected age may belong to another group. The border of training may
    # differ from the official one, by which validation rows are scored.
    borders = task.part("age").borders
    group = sum((age >= border).astype(np.int64) for border in borders)
    group = np.asarray(group, np.int64)
    classes = task.class_of({"mask": mask, "gender": gender, "age": group})
    return CorrectedLabels(classes, age, int(changed.sum()), unknown)


def _code(task: Task, row: Correction) -> int:
    """The task's code of a gender or mask, by its name; an age as it is."""
    names = {"gender": GENDERS, "mask": MASKS}.get(row.field)
    return row.value if names is None else task.part(row.field).values.index(names[row.value])


def _codes(images: pd.DataFrame, key: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for code, name in enumerate(images["group"].cat.categories):
        text = nfc(name)
        found.setdefault(text if key == "path" else text.partition("_")[0], []).append(code)
    return found
