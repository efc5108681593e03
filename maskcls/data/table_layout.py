"""A CSV in DATA with the columns image (or file_name) and label, and if there group and fold."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from maskcls.core.errors import UserError
from maskcls.core.names import IMAGE_EXTENSIONS, nfc, some
from maskcls.core.task import MAX_CLASSES
from maskcls.data.csv_file import CsvFile
from maskcls.data.findings import Faults
from maskcls.data.image_rows import is_inside, with_suffix
from maskcls.data.task_file import TASK_FILE, EvalFile, PartFile, Source, TaskFile
from maskcls.data.walk import below
from maskcls.data.what_is_there import are_amounts, has_images, labels_in_cells
from maskcls.store.folder import Folder

IMAGE_COLUMNS = ("image", "file_name")
_TEST = "test"
_NUM_SAMPLE = 20


def task_of_table(data: Folder, name: str, table: CsvFile) -> TaskFile | None:
    """The task that a CSV implies; None without the columns image and label.

    name: its name in DATA; table: opened. Raises UserError for labels of a kind that is refused, and
    when its images are not found.
    """
    columns = _Columns.of(table.header)
    return None if columns is None else _of_table(data, name, table, columns)


def refuse_table(data: Folder, table: CsvFile) -> str:
    """The sentence that refuses a CSV with other columns: what it has, and how to go on."""
    header = [name for name in table.header if name]
    if len(header) == 1 and (found := re.search("[;\t|]", header[0])):
        return (
            f"{table.where}: the header line found is {header[0]!r}; its columns seem to be separated by"
            f" {found[0]!r}, save it with commas"
        )
    if "labels" in header and "label" not in header:
        cells = {values[0].strip(): None for _, values in table.rows(("labels",), Faults())}
        if cell := labels_in_cells(list(cells), "|;, "):
            return (
                f"{table.where}: column labels holds several labels in a cell ({cell!r}); one label an"
                " image is supported. Write a column label with the most important one, or with each"
                " combination as a class of its own"
            )
    missing = [
        word
        for word, there in (
            ("image", _column(header, *IMAGE_COLUMNS)), ("label", _column(header, "label"))
        ) if there is None
    ]  # fmt: skip
    return (
        f"{table.where} has no column {' and no column '.join(missing)}; it has {', '.join(header)}."
        f" Write {data.shown}/{TASK_FILE}; maskcls check {data.shown} --propose writes a first one, in"
        " which each line says why it is there"
    )


@dataclass(frozen=True)
class _Columns:
    """A CSV's columns that are used, as spelled in its header."""

    image: str
    label: str
    group: str | None
    fold: str | None

    @classmethod
    def of(cls, header: Sequence[str]) -> "_Columns | None":
        """None unless image and label are there, in upper or lower case."""
        image = _column(header, *IMAGE_COLUMNS)
        label = _column(header, "label")
        if image is None or label is None:
            return None
        return cls(image, label, _column(header, "group"), _column(header, "fold"))

    def in_words(self) -> str:
        return ", ".join(filter(None, (self.image, self.label, self.group, self.fold)))


def _column(header: Sequence[str], *names: str) -> str | None:
    """The first of the names in the header: as it is, else the only one that differs in case alone."""
    for name in names:
        if name in header:
            return name
        alike = [column for column in header if column.lower() == name]
        if len(alike) == 1:
            return alike[0]
    return None


def _of_table(data: Folder, name: str, table: CsvFile, columns: _Columns) -> TaskFile:
    images: list[str] = []
    labels: dict[str, None] = {}
    # Faults are found again, and reported, when the table is read.
    for _, (image, label) in table.rows((columns.image, columns.label), Faults()):
        images.append(image.strip())
        labels.setdefault(nfc(label.strip()))
    if refusal := _refuse_labels(f"{table.where}: column {columns.label}", list(labels)):
        raise UserError(refusal)
    folder, suffix = _place_of(data, table, columns, images)
    return TaskFile(
        origin=f"{data.shown}/{name}",
        how=f"{name} with the columns {columns.in_words()}",
        name="task",
        images=folder,
        parts=(PartFile("label", Source("column", columns.label)),),
        table=name,
        image=columns.image,
        suffix=suffix,
        group=None if columns.group is None else Source("column", columns.group),
        fold=None if columns.fold is None else Source("column", columns.fold),
        eval=_test_of(data, folder, images),
    )


def _refuse_labels(where: str, labels: Sequence[str]) -> str | None:
    labels = [label for label in labels if label]  # empty ones are faults of their lines
    if are_amounts(labels, MAX_CLASSES):
        return (
            f"{where} has numbers only, {len(labels):,} different ones: to predict an amount"
            " (regression) is not supported. Write a column of a few classes instead, such as low"
            " and high"
        )
    if cell := labels_in_cells(labels, "|;,"):
        return (
            f"{where} seems to hold several labels in a cell ({cell!r}); one label an image is"
            f" supported. Keep the most important one; if these are names of classes, write {TASK_FILE}"
            " (maskcls check DATA --propose writes a first one)"
        )
    return None


def _place_of(
    data: Folder, table: CsvFile, columns: _Columns, images: Sequence[str]
) -> tuple[str, str]:
    """The folder in DATA that holds the images of a sample of rows, and the suffix of their names.

    Images may be missing: the folder with most of them counts. Raises UserError when none has any.
    """
    step = max(1, len(images) // _NUM_SAMPLE)
    sample = [name for name in images[::step][:_NUM_SAMPLE] if is_inside(name)]
    for suffix in ("", *IMAGE_EXTENSIONS):
        names = [with_suffix(name, suffix) for name in sample]
        counts = {
            folder: sum(data.exists(below(folder, name)) for name in names)
            for folder in ("", "images", "train")
        }
        folder = max(counts, key=lambda one: counts[one])
        if counts[folder]:
            return folder, suffix
    raise UserError(
        f"{table.where}: no image of column {columns.image} was found, such as {some(sample) or 'none'};"
        " they may lie in DATA, DATA/images or DATA/train."
        f" For another place write {TASK_FILE}; maskcls check DATA --propose writes a first one"
    )


def _test_of(data: Folder, folder: str, images: Sequence[str]) -> EvalFile | None:
    """DATA/test, unless the table's own images lie in it."""
    if not data.is_dir(_TEST) or not has_images(data, _TEST):
        return None
    if not folder and any(name.startswith(f"{_TEST}/") for name in images):
        return None
    return EvalFile(_TEST)
