"""DATA as one checked table: people, images, labels, and what is odd about them.

    DATA/train/train.csv             id,gender,race,age,path     a row for each person
    DATA/train/images/PATH/SHOT.EXT  mask1..mask5, incorrect_mask, normal; jpg, jpeg, jfif, png
    DATA/eval/info.csv               ImageID,ans                 optional, as is eval/images
    DATA/eval/images/ImageID         ImageID may lack the extension if it is unambiguous

Data is accepted or refused, never guessed; no image is opened here.
"""

from dataclasses import dataclass

import pandas as pd

from maskcls.core.errors import UserError
from maskcls.data.eval_info import read_eval_images, read_info
from maskcls.data.findings import Faults, Finding, Findings
from maskcls.data.images import IMAGES, read_images
from maskcls.data.people_csv import read_people
from maskcls.store.folder import Folder

TRAIN_CSV = "train/train.csv"
LAYOUT = "DATA/train/train.csv and DATA/train/images/PERSON/mask1.jpg ... normal.jpg"


@dataclass(frozen=True)
class Table:
    """The result of `read_data`.

    images: a row for each training image, sorted by the NFC form of path; the index 0.. is the
        row number by which pixels and logits are addressed. Columns:
        path (str, relative to train/images, as on disk), person (categorical of str, as in
        train.csv's path; the code is the row number in `people`), shot (categorical), mask int8,
        gender int8, age int16 [years], age_group int8, label int8 (0..17), size_bytes int64,
        mtime_ns int64.
    people: a row for each person who has images, sorted by the NFC form of person. Columns:
        person (str), gender int8, age int16 [years], age_group int8, num_images int8 (1..7).
    eval_images: in the order of info.csv; None without eval/. Columns:
        ImageID (str), found (bool), path (str, the name in eval/images as on disk, "" if missing),
        size_bytes int64, mtime_ns int64 (both 0 if missing).
    findings: what is odd but stops nothing.
    """

    images: pd.DataFrame
    people: pd.DataFrame
    eval_images: pd.DataFrame | None
    findings: tuple[Finding, ...]


def read_data(data: Folder, needs_eval: bool = True) -> Table:
    """Read DATA (see the layout above).

    Raises UserError with a line for each fault (the first ten): layout, encoding, columns, values,
    double rows, two files for one shot, no image at all, most of eval missing (unless only the
    training images are wanted). All CSV faults are reported before the images are listed.
    """
    _check_layout(data)
    faults, findings = Faults(), Findings()
    rows = read_people(data.read_bytes(TRAIN_CSV), TRAIN_CSV, faults, findings)
    eval_rows = read_info(data, faults, findings)
    # Now, since listing the images of an object store may take minutes.
    faults.raise_if_any()
    images, people = read_images(data, rows, faults, findings)
    faults.raise_if_any()
    eval_images = None
    if eval_rows is not None:
        eval_images = read_eval_images(data, eval_rows, findings, needs_eval)
    return Table(images, people, eval_images, findings.collected())


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
