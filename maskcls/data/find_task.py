"""Which task a data folder is: named, written in it, or implied by its layout. The first that fits.

    1. --task FILE, or the name of a built-in task
    2. DATA/task.toml
    3. the mask competition: DATA/train/train.csv (gender, age, path) beside DATA/train/images
    4. DATA/train.csv, metadata.csv or labels.csv with the columns image (or file_name) and label
    5. two or more folders with images in DATA/train or DATA: they are the classes

Nothing is guessed beyond it: other data is refused, with what is there and how to go on.
"""

import re

from maskcls.core.errors import UserError
from maskcls.core.names import split_extension, without_credentials
from maskcls.data.csv_file import CsvFile
from maskcls.data.folder_layout import task_of_folders
from maskcls.data.table_layout import refuse_table, task_of_table
from maskcls.data.task_file import BUILT_IN, TASK_FILE, TaskFile, built_in, parse_task
from maskcls.data.what_is_there import folders_in, is_file
from maskcls.store.folder import Folder

TABLES = ("train.csv", "metadata.csv", "labels.csv")
_MASK_TABLE, _MASK_IMAGES, _MASK_COLUMNS = (
    "train/train.csv",
    "train/images",
    ("gender", "age", "path"),
)
_MASK_LAYOUT = "DATA/train/train.csv and DATA/train/images/PERSON/mask1.jpg ... normal.jpg"


def find_task(data: Folder, asked: str | None = None) -> TaskFile:
    """The task of a data folder; asked: a task file's path, or the name of a built-in task.

    Raises UserError when the task file is faulty or missing, and when no layout fits.
    """
    if not data.exists():
        raise UserError(f"{data.shown}: no such folder; name the folder that holds the images")
    if not data.is_dir():
        raise UserError(
            f"{data.shown}: a file, not a folder; name the folder that holds the images"
        )
    if asked is not None:
        return _named(asked)
    if is_file(data, TASK_FILE):
        return parse_task(data.read_bytes(TASK_FILE), f"{data.shown}/{TASK_FILE}")
    return implied_task(data)


def implied_task(data: Folder) -> TaskFile:
    """The task that the layout implies, whether there is a task file or not; else UserError."""
    if is_mask_layout(data):
        return built_in("mask")
    others: list[CsvFile] = []
    for name in TABLES:
        if is_file(data, name):
            table = CsvFile(data.read_bytes(name), f"{data.shown}/{name}")
            if (found := task_of_table(data, name, table)) is not None:
                return found
            others.append(table)
    _refuse_half_of_mask(data, others)
    # A CSV of other columns is about the images: folders beside it need not be the classes.
    if others:
        raise UserError(refuse_table(data, others[0]))
    return task_of_folders(data)


def is_mask_layout(data: Folder) -> bool:
    """Whether it is the mask competition's layout; with columns missing, too, so that its own reader
    says which."""
    if not is_file(data, _MASK_TABLE) or not data.is_dir(_MASK_IMAGES):
        return False
    return _has_people(data) or _is_mask_table(data)


def _named(asked: str) -> TaskFile:
    if asked in BUILT_IN:
        return built_in(asked)
    shown = without_credentials(asked)
    folder, name = Folder.of_file(asked)
    try:
        content = folder.read_bytes(name)
    except FileNotFoundError:
        raise UserError(
            f"{shown}: no such task file; built-in tasks are {', '.join(BUILT_IN)}"
        ) from None
    return parse_task(content, shown)


def _refuse_half_of_mask(data: Folder, tables: list[CsvFile]) -> None:
    for table in tables:
        if set(_MASK_COLUMNS) <= set(table.header) and data.is_dir("images"):
            raise UserError(
                f"{table.where}: the mask competition's train.csv lies in its folder train; did you mean"
                " the parent folder?"
            )
    if tables:
        return
    # Either the table or the images are there; both are known by what is in them, since other data may
    # have the same names.
    missing = None
    if is_file(data, _MASK_TABLE):
        missing = f"folder {_MASK_IMAGES}" if _is_mask_table(data) else None
    elif _has_people(data):
        missing = _MASK_TABLE
    if missing:
        raise UserError(
            f"{data.shown}: the mask competition's layout, but no {missing} in it; it should hold"
            f" {_MASK_LAYOUT}"
        )


def _has_people(data: Folder) -> bool:
    people = folders_in(data, _MASK_IMAGES)[:1]
    files = [entry.name for name in people for entry in data.list(f"{_MASK_IMAGES}/{name}")]
    return any(split_extension(name)[0] in ("normal", "incorrect_mask") for name in files)


def _is_mask_table(data: Folder) -> bool:
    # With other separators, too: the reader then says that these are no commas.
    header = ",".join(CsvFile(data.read_bytes(_MASK_TABLE), _MASK_TABLE).header)
    names = re.split(r"[,;|\t]", header)
    return sum(name in names for name in _MASK_COLUMNS) >= 2
