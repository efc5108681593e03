"""A sample submission: which rows the answers have, and in which order.

It is read and checked before training, and stored in the run, as DATA may be gone when the answers are
written.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError
from maskcls.core.names import IMAGE_EXTENSIONS, nfc, split_extension
from maskcls.core.task import Task
from maskcls.data.answers import answer_columns, form_of
from maskcls.data.csv_file import CsvFile
from maskcls.data.findings import Faults
from maskcls.data.table import Table
from maskcls.store.folder import Folder
from maskcls.store.results import Sample


def sample_for(data: Folder, table: Table) -> Sample | None:
    """The sample submission of a table that was read, where it has images to predict.

    Raises UserError as read_sample does; without such images for columns of answers alone. Also where it
    is only checked, since answers are written after training.
    """
    answer_columns(table.task)
    evals = table.eval_images
    if evals is None:
        return None
    return read_sample(data, table.task, evals["image"], evals.get("group"))


def read_sample(
    data: Folder, task: Task, images: Iterable[str], groups: Iterable[str] | None = None
) -> Sample | None:
    """Read and check the sample submission that `task.answers.like` names; None where it names none.

    images: names of the eval images, as answers repeat them. groups: names of their groups, which
    the rows may name instead (`ensemble --by-group`). Raises UserError for no such file, columns that
    are not the answers', rows that are empty or double, or that name no eval image; also, with or
    without a sample, for a form of answers that the classes do not allow.
    """
    like = task.answers.like
    # Here, so that a VALUE or column that is no class is refused before training, too.
    form_of(task)
    if like is None:
        return None
    where = f"{data.shown}/{like}"
    if like.startswith("/") or ".." in like.split("/"):
        raise UserError(f"[answers] like = {like!r}: name a file within {data.shown}")
    try:
        file = CsvFile(data.read_bytes(like), where)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(
            f"{where}: there is no such file; [answers] like in task.toml names it"
        ) from error
    image = answer_columns(task)[0]
    # The header as a whole first: its message says more than that of the one column.
    form_of(task, Sample(where, file.header, image, ()) if image in file.header else None)
    file.need(image)
    sample = Sample(where, file.header, image, _names(file, image))
    try:
        rows_of_sample(sample, images, "eval image")
    except UserError:
        if groups is None:
            raise
        # Rows that name neither get the sentence about images, as most samples name these.
        if not _match(sample, dict.fromkeys(groups), Faults(), "group"):
            raise
    return sample


def refuse_unanswerable(
    sample: Sample | None, images: Iterable[str], groups: Iterable[str] | None, by_group: bool
) -> None:
    """UserError where the answers of a run of this data could not be written: before it trains.

    images, groups: of the images to predict, groups None where the task names none. by_group: whether
    an answer is of a group.
    """
    if by_group and groups is None:
        raise UserError(
            "--by-group: the images to predict have no groups; name them in task.toml, such as [eval]"
            ' group = "patient_id"'
        )
    if sample is None:
        return
    if by_group:
        rows_of_sample(sample, dict.fromkeys(groups or ()), "group of eval images")
        return
    try:
        rows_of_sample(sample, images, "eval image")
    except UserError as error:
        if groups is None or not _match(sample, dict.fromkeys(groups), Faults(), "group"):
            raise
        raise UserError(
            f"{sample.where}: its rows name groups of images, not images; add --by-group"
        ) from error


def _names(file: CsvFile, image: str) -> tuple[str, ...]:
    faults = Faults()
    line_of: dict[str, int] = {}
    for line, (value,) in file.rows([image], faults):
        name, at = value.strip(), f"{file.where} line {line}"
        if not name:
            faults.add(at, f"{image} is empty; every row needs one")
        elif name in line_of:
            faults.add(at, f"{image} {name!r} is in line {line_of[name]}, too; delete one of them")
        line_of.setdefault(name, line)
    faults.raise_if_any()
    if not line_of:
        raise UserError(
            f"{file.where} has a header line but no rows; it needs a row for each image"
        )
    return tuple(line_of)


def rows_of_sample(sample: Sample, names: Iterable[str], what: str) -> npt.NDArray[np.int64]:
    """For each of the sample's rows the place of its image (or group) in names, int64 [rows].

    names: without doubles; compared by NFC, with or without the extension of an image. what: a name's
    kind in messages. UserError for a row that has none, two, or the one that another row has.
    """
    faults = Faults()
    rows = _match(sample, names, faults, what)
    faults.raise_if_any()
    return np.array(rows, dtype=np.int64)


def _match(sample: Sample, names: Iterable[str], faults: Faults, what: str) -> Sequence[int]:
    """The places; [] where any is missing."""
    exact: dict[str, int] = {}
    by_stem: dict[str, int] = {}
    for number, name in enumerate(names):
        exact[nfc(name)] = number
        # -1: a.jpg and a.png are two images, of which "a" names neither.
        by_stem[_stem(name)] = -1 if _stem(name) in by_stem else number
    rows: list[int] = []
    taken: dict[int, str] = {}
    complete = True
    for name in sample.images:
        row = exact.get(nfc(name), by_stem.get(_stem(name)))
        if row is None:
            problem = f"names no {what}"
        elif row < 0:
            problem = f"names two {what}s, which differ in their extensions"
        elif row in taken:
            problem = f"names the same {what} as {taken[row]!r}"
        else:
            taken[row] = name
            rows.append(row)
            continue
        complete = False
        faults.add(sample.where, f"{sample.image} {name!r} {problem}; correct it or delete the row")
    return rows if complete else []


def _stem(name: str) -> str:
    stem, extension = split_extension(nfc(name))
    # An id may have a dot in it: only what is an image's extension is none of the name.
    return stem if extension in IMAGE_EXTENSIONS else nfc(name)
