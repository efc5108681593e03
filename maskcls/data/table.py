"""DATA as one checked table: groups, images, labels, and what is odd about them.

Of any task as data/any_table.py reads it, or of the mask competition:

    DATA/train/train.csv             id,gender,race,age,path     a row for each person
    DATA/train/images/PATH/SHOT.EXT  mask1..mask5, incorrect_mask, normal; see IMAGE_EXTENSIONS
    DATA/eval/info.csv               ImageID,ans                 optional, as is eval/images
    DATA/eval/images/ImageID         ImageID may lack the extension if it is unambiguous

Data is accepted or refused, never guessed; no image is opened here.
"""

import re
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pandas as pd

from maskcls.core.errors import UserError
from maskcls.core.task import Part, Task
from maskcls.data.answers import form_of
from maskcls.data.any_table import read_any
from maskcls.data.eval_info import read_eval_images, read_info
from maskcls.data.find_task import find_task
from maskcls.data.findings import Faults, Finding, Findings
from maskcls.data.images import IMAGES, read_images
from maskcls.data.people_csv import read_people
from maskcls.data.task_file import TaskFile
from maskcls.store.folder import Folder

TRAIN_CSV = "train/train.csv"
LAYOUT = "DATA/train/train.csv and DATA/train/images/PERSON/mask1.jpg ... normal.jpg"


@dataclass(frozen=True)
class Table:
    """The result of `read_data`.

    task: what is to be learned, with the classes found.
    images: a row for each training image, sorted by the NFC form of path; the index 0.. is the
        row number by which pixels and logits are addressed. Columns:
        path (str, relative to the folder of the images, as on disk), group (categorical of str; the
        code is the row number in `groups`), label int16 (the class), size_bytes int64, mtime_ns
        int64; with given folds: fold int16 (-1: never held out); with groups named: group_digest
        uint64, of the text that names the group, made before the codes (see folds/rows.py); of the
        mask task: shot (categorical), age int16 [years].
    groups: a row for each group with images, sorted by the NFC form of group. Columns:
        group (str), num_images int32, and a code int16 for each stratum, named by the part.
    eval_images: in the order of the answers; None without images to predict. Columns:
        image (str, as the answers name it), found (bool), path (str, as on disk, "" if missing),
        size_bytes int64, mtime_ns int64 (both 0 if missing), group (str) where the task names it.
    findings: what is odd but stops nothing. missing: path of each row of a
        table whose image is not there or not read, with the reason; such a row is left out.
    """

    task: Task
    images: pd.DataFrame
    groups: pd.DataFrame
    eval_images: pd.DataFrame | None
    findings: tuple[Finding, ...]
    missing: dict[str, str] = field(default_factory=dict)


def read_data(data: Folder, file: TaskFile | None = None, needs_eval: bool = True) -> Table:
    """Read DATA as its task file describes it; file: None for the one that DATA implies.

    Raises UserError with a line for each fault (the first ten): layout, encoding, columns, values,
    double rows, no image at all, most of eval missing (unless only the training images are wanted). All
    CSV faults are reported before the images are listed.
    """
    file = file or find_task(data, None)
    if file.checks == "mask":
        return _read_mask(data, file, needs_eval)
    faults, findings = Faults(), Findings()
    found = read_any(data, file, faults, findings, needs_eval)
    # After the labels: what is wrong with both is told of the data first, with its line.
    form_of(found.task)
    # Where no table stands for DATA, its first image does.
    first = "/".join(part for part in (file.images, found.images["path"].iloc[0]) if part)
    task = replace(found.task, places=file.places(first))
    return Table(
        task, found.images, found.groups, found.eval_images, findings.collected(), found.missing
    )


def _read_mask(data: Folder, file: TaskFile, needs_eval: bool) -> Table:
    """The layout of the mask competition, see above."""
    task = file.task()
    _check_layout(data)
    faults, findings = Faults(), Findings()
    _report_names(file, task.part("age"), findings)
    rows = read_people(data.read_bytes(TRAIN_CSV), TRAIN_CSV, faults, findings)
    # A copy of the task without [eval] predicts nothing.
    eval_rows = None if file.eval is None else read_info(data, faults, findings)
    # Now, since listing the images of an object store may take minutes.
    faults.raise_if_any()
    images, groups = read_images(data, rows, task, file.parts[0].of, faults, findings)
    faults.raise_if_any()
    eval_images = None
    if eval_rows is not None:
        eval_images = read_eval_images(data, eval_rows, findings, needs_eval)
    return Table(task, images, groups, eval_images, findings.collected())


def _report_names(file: TaskFile, age: Part, findings: Findings) -> None:
    """A finding where the age groups are named after other borders: names are only names."""
    first, last = age.borders[0], age.borders[-1]
    inner = [f"{low}-{high - 1}" for low, high in pairwise(age.borders)]
    names = (f"<{first}", *inner, f"{last}+")
    as_ages = all(re.fullmatch(r"<\d+|\d+-\d+|\d+\+", name) for name in age.values)
    if as_ages and age.values != names:
        text = (
            f"part age has the borders {', '.join(map(str, age.borders))}, and its values are named"
        )
        text += f" {', '.join(age.values)}; name them {', '.join(names)}"
        findings.add("value_names", file.origin, text)


def _check_layout(data: Folder) -> None:
    if not data.exists():
        raise UserError(f"{data.shown}: no such folder; it should hold {LAYOUT}")
    if not data.is_dir():
        raise UserError(f"{data.shown}: a file, not a folder; it should hold {LAYOUT}")
    if not data.exists(TRAIN_CSV):
        # DATA/train was given instead of DATA.
        if data.exists("train.csv"):
            raise UserError(
                f"{data.shown}: train.csv is in it, not in a folder train; "
                f"did you mean its parent? DATA should hold {LAYOUT}"
            )
        raise UserError(f"{data.shown}: no {TRAIN_CSV} in it; it should hold {LAYOUT}")
    if not data.is_dir(IMAGES):
        raise UserError(f"{data.shown}: no folder {IMAGES} in it; it should hold {LAYOUT}")
