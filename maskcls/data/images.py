"""train/images: the person and shot of each image, by its path. Nothing is opened or decoded.

Listed folder by folder, so that only one person's entries are in memory at a time.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskcls.core.errors import UserError
from maskcls.core.mask import GENDERS, MASK_OF_SHOT, MASKS, SHOTS
from maskcls.core.names import IMAGE_EXTENSIONS, is_junk, nfc, some, split_extension
from maskcls.core.task import Task
from maskcls.data.csv_file import TextColumn, row_named, text_series
from maskcls.data.findings import Faults, Findings
from maskcls.data.people_csv import PeopleRows
from maskcls.store.folder import Folder
from maskcls.store.listing import Entry

IMAGES = "train/images"
_SHOT_NUMBER = {shot: number for number, shot in enumerate(SHOTS)}


@dataclass(frozen=True)
class _Columns:
    """The images' own columns, in order; what belongs to the person is repeated at the end."""

    path: TextColumn = field(default_factory=TextColumn)
    shot: "array[int]" = field(default_factory=lambda: array("b"))
    label: "array[int]" = field(default_factory=lambda: array("h"))
    size_bytes: "array[int]" = field(default_factory=lambda: array("q"))
    mtime_ns: "array[int]" = field(default_factory=lambda: array("q"))


def read_images(
    data: Folder, people: PeopleRows, task: Task, of: Mapping[str, str], faults: Faults,
    findings: Findings,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """List the images of all people in train.csv.

    of: the mask's value by shot; of a shot that is not in it, as in the competition.
    Returns the frames `images` and `groups` as `Table` describes them. Two files for one shot go
    to `faults`; raises UserError when there is no image at all, or two folders have one name.
    """
    folder_on_disk = _match_folders(data, people, findings)
    columns, age_part, classes = _Columns(), task.part("age"), _classes(task, of)
    # Arrays, since a list of Python integers would hold four times as much.
    used, num_images = array("q"), array("b")
    # With "/" appended, folders are in the order of their files' paths ("a-1/" before "a/").
    for row in sorted(range(len(people.folder)), key=lambda row: nfc(people.folder[row]) + "/"):
        folder = folder_on_disk[row]
        if folder is None:
            _report_no_images(people, row, "does not exist", findings)
            continue
        shots = _shots_in(data, folder, faults, findings)
        if not shots:
            _report_no_images(people, row, "has no images", findings)
            continue
        missing = [name for name in SHOTS if name not in shots]
        if missing:
            text = f"no image {', '.join(missing)}; the others are used"
            findings.add("missing_shots", f"{IMAGES}/{folder}", text)
        used.append(row)
        num_images.append(len(shots))
        gender, age_group = people.gender[row], age_part.code_of(people.age[row])
        for shot, entry in sorted(shots.items(), key=lambda item: nfc(item[1].name)):
            columns.path.append(f"{folder}/{entry.name}")
            columns.shot.append(_SHOT_NUMBER[shot])
            columns.label.append(classes[_SHOT_NUMBER[shot]][gender][age_group])
            columns.size_bytes.append(entry.size_bytes)
            columns.mtime_ns.append(entry.mtime_ns)
    if not used:
        faults.raise_if_any()  # they may be the reason, and say more
        raise UserError(
            f"{data.shown}: no image found in {IMAGES} for any person in train.csv; each person needs "
            f"a folder named as in column path, with mask1.jpg ... normal.jpg in it"
        )
    return _frames(people, task, _numbers(used), _numbers(num_images), columns)


def _classes(task: Task, of: Mapping[str, str]) -> list[list[list[int]]]:
    """The class of [shot][gender, as train.csv's reader numbers it][age group].

    A table, since there are many images and few classes. By name: a copy of the task may have its
    values in another order.
    """
    state_of = {shot: of.get(shot, MASKS[MASK_OF_SHOT[shot]]) for shot in SHOTS}
    mask = [task.part("mask").values.index(state_of[shot]) for shot in SHOTS]
    age = np.arange(len(task.part("age").values))
    codes = np.meshgrid(mask, _gender_codes(task), age, indexing="ij")
    classes = task.class_of(dict(zip(("mask", "gender", "age"), codes, strict=True)))
    found: list[list[list[int]]] = classes.tolist()
    return found


def _gender_codes(task: Task) -> list[int]:
    """The task's code of each of GENDERS."""
    return [task.part("gender").values.index(name) for name in GENDERS]


def _match_folders(data: Folder, people: PeopleRows, findings: Findings) -> list[str | None]:
    """The folder's name on disk for each row of train.csv; other folders become findings."""
    found: list[str | None] = [None] * len(people.folder)
    stray: list[str] = []
    for entry in data.list(IMAGES):
        name = entry.name
        if is_junk(name):
            findings.skip_hidden(f"{IMAGES}/{name}")
        elif entry.is_file:
            stray.append(name)
            findings.skip_unread(f"{IMAGES}/{name}")
        elif (row := row_named(people.row_of, name)) is None:
            findings.add("no_row", f"{IMAGES}/{name}", "no row in train.csv; not used")
        elif found[row] is not None:
            raise UserError(
                f"{IMAGES}: {found[row]!a} and {name!a} are the same name, except for blanks around it "
                f"or composed and decomposed letters (NFC, NFD); delete or rename one of the two "
                f"folders"
            )
        else:
            # They are nearly always equal: one string instead of two saves memory.
            found[row] = people.folder[row] if name == people.folder[row] else name
    if stray:
        text = f"files outside of a person's folder, not used: {some(sorted(stray))}"
        findings.add("unknown_files", IMAGES, text)
    return found


def _report_no_images(people: PeopleRows, row: int, what: str, findings: Findings) -> None:
    findings.add(
        "no_images",
        f"train/train.csv line {people.line[row]}",
        f"folder {IMAGES}/{people.folder[row]} {what}; this person is not used",
    )


def _shots_in(data: Folder, folder: str, faults: Faults, findings: Findings) -> dict[str, Entry]:
    """One person's images by shot."""
    shots: dict[str, Entry] = {}
    unknown: list[str] = []
    for entry in data.list(f"{IMAGES}/{folder}"):
        stem, extension = split_extension(entry.name)
        # Junk first: "._mask1.jpg", which a Mac writes, would be an unknown file for every image.
        if is_junk(entry.name):
            findings.skip_hidden(f"{IMAGES}/{folder}/{entry.name}")
        elif not entry.is_file or stem not in MASK_OF_SHOT or extension not in IMAGE_EXTENSIONS:
            unknown.append(entry.name)
            if entry.is_file:
                findings.skip_unread(f"{IMAGES}/{folder}/{entry.name}")
        elif stem in shots:
            # Sorted, since a listing may be in any order, and messages should not change with it.
            first, second = sorted((shots[stem].name, entry.name))
            text = f"{first} and {second} are both the shot {stem}; delete one of the two"
            faults.add(f"{IMAGES}/{folder}", text)
        else:
            shots[stem] = entry
    if unknown:
        text = f"not a known shot or extension, not used: {some(sorted(unknown))}"
        findings.add("unknown_files", f"{IMAGES}/{folder}", text)
    return shots


def _numbers(values: "array[int]") -> npt.NDArray[Any]:
    """The array's memory as NumPy, without a copy."""
    return np.frombuffer(values, dtype=values.typecode)


def _frames(
    rows: PeopleRows, task: Task, used: npt.NDArray[Any], num_images: npt.NDArray[Any],
    columns: _Columns,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """images and groups.

    used: the rows of train.csv with images, in the order of the images' paths; num_images: of each.
    """
    folders = [rows.folder[row] for row in used]
    # People are in the order of their names alone, images in that of their paths.
    by_name = sorted(range(len(used)), key=lambda place: nfc(folders[place]))
    gender = np.array(_gender_codes(task), np.int16)[_numbers(rows.gender)[used]]
    age, age_part = _numbers(rows.age)[used], task.part("age")
    age_group = np.array([age_part.code_of(years) for years in age], dtype=np.int16)
    groups = pd.DataFrame(
        {
            "group": text_series(folders[place] for place in by_name),
            "num_images": num_images[by_name].astype(np.int32),
            "gender": gender[by_name],
            "age": age_group[by_name],
        }
    )
    # The row number in `groups` is the code of the category.
    code = np.empty(len(used), dtype=np.int32)
    code[by_name] = np.arange(len(used), dtype=np.int32)
    group = pd.CategoricalDtype(pd.Index(groups["group"]))
    shot = pd.CategoricalDtype(pd.Index(SHOTS, dtype="str"))
    images = pd.DataFrame(
        {
            "path": columns.path.series(),
            "group": pd.Categorical.from_codes(np.repeat(code, num_images), dtype=group),
            "label": _numbers(columns.label),
            "shot": pd.Categorical.from_codes(_numbers(columns.shot), dtype=shot),
            "age": np.repeat(age, num_images),
            "size_bytes": _numbers(columns.size_bytes),
            "mtime_ns": _numbers(columns.mtime_ns),
        },
        copy=False,  # pandas would gather the columns into blocks, with all in memory twice
    )
    return images, groups
