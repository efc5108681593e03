"""Read a file of answers: a submission in the form that the task names, or the true labels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError
from maskcls.core.names import nfc, some
from maskcls.core.task import Task
from maskcls.data.answers import answer_columns, class_named
from maskcls.data.csv_file import CsvFile
from maskcls.data.findings import Faults

Float64 = npt.NDArray[np.float64]

_SUM_WITHIN = 0.01
"""How far from 1 the probabilities of an image may add up: files are often written with few digits."""


@dataclass(frozen=True)
class FileOfAnswers:
    """What a file says of each image, in its order.

    images: names. classes: int64 [N], where there are probabilities the likeliest. probs: float64
    [N, K], each row of sum 1; None where the file has classes. groups: of each image, where the file
    of the truth has a column group.
    """

    images: tuple[str, ...]
    classes: npt.NDArray[np.int64]
    probs: Float64 | None
    groups: tuple[str, ...] | None = None

    def of(self, images: Sequence[str]) -> "FileOfAnswers":
        """The same of these images, in their order; all must be there."""
        place = {name: row for row, name in enumerate(self.images)}
        rows = [place[name] for name in images]
        probs = None if self.probs is None else self.probs[rows]
        return FileOfAnswers(tuple(images), self.classes[rows], probs)


def read_answers(data: bytes, where: str, task: Task) -> FileOfAnswers:
    """A submission; where: the file's name in messages.

    Raises UserError for missing columns, empty or double names, and answers that are none.
    """
    file = CsvFile(data, where)
    image, *columns = answer_columns(task)
    _need(file, task, image, *columns)
    values = task.answers.values
    if values == "probabilities":
        return _read_probabilities(file, image, columns, task)
    if values.startswith("probability:"):
        return _read_one_probability(file, image, columns[0], task)
    return _read_classes(file, image, columns[0], task)


def read_truth(data: bytes, where: str, task: Task) -> FileOfAnswers:
    """The true labels: the image's column, one with the class by its name or number, and group, if any.

    That column is called as the answer's, or label (not where answers are numbers); with a probability
    for each class it may also be a column per class, of which the true one is 1. Errors as in
    read_answers.
    """
    found = _read_labels(CsvFile(data, where), task)
    file, image = CsvFile(data, where), answer_columns(task)[0]
    if "group" not in file.header or image == "group":
        return found
    # Again, as rows are read once; whatever is wrong with them has been raised.
    rows = _rows(file, image, ["group"], Faults())
    return replace(found, groups=tuple(group for _, (group,) in rows.values()))


def _read_labels(file: CsvFile, task: Task) -> FileOfAnswers:
    image, *columns = answer_columns(task)
    each = task.answers.values == "probabilities"
    if each and all(name in file.header for name in (image, *columns)):
        return _read_probabilities(file, image, columns, task)
    label = "label" if each else columns[0]
    if label not in file.header and "label" in file.header and task.answers.values != "class":
        label = "label"
    _need(file, task, image, label)
    return _read_classes(file, image, label, task)


def _need(file: CsvFile, task: Task, *columns: str) -> None:
    if task.is_mask and "path" in file.header and columns[0] not in file.header:
        # The most likely confusion gets its own sentence.
        raise UserError(
            f"{file.header_at}: this looks like train.csv (header {','.join(file.header)!r}); "
            f"a file with the columns {','.join(columns)} is needed"
        )
    file.need(*columns)


def _read_classes(file: CsvFile, image: str, column: str, task: Task) -> FileOfAnswers:
    faults = Faults()
    rows = _rows(file, image, [column], faults)
    texts = [nfc(text) for _, (text,) in rows.values()]
    number_of = _number_of(task, texts)
    for line, (text,) in rows.values():
        if nfc(text) not in number_of:
            faults.add(
                f"{file.where} line {line}",
                f"{column} {text!r} is not {_expected(task)}; correct it",
            )
    _raise_if_any(faults, file, rows)
    classes = np.array([number_of[text] for text in texts], dtype=np.int64)
    return FileOfAnswers(tuple(rows), classes, None)


def _number_of(task: Task, texts: Sequence[str]) -> Mapping[str, int]:
    """The class that each text stands for: by the names of all, else by their numbers.

    Which of the two is decided for the whole file: the names may be numbers, too. An answer by number
    is one, whatever the names are.
    """
    numbers = {str(number): number for number in range(task.num_classes)}
    # As people write two digits.
    numbers |= {f"{number:02d}": number for number in range(min(task.num_classes, 10))}
    names = {nfc(name): number for number, name in enumerate(task.classes)}
    if task.answers.values == "class":
        return numbers
    return numbers if not set(texts) <= names.keys() and set(texts) <= numbers.keys() else names


def _expected(task: Task) -> str:
    if task.answers.values == "class":
        return f"a whole number from 0 to {task.num_classes - 1}"
    return f"one of the classes {some(task.classes)}"


def _read_one_probability(file: CsvFile, image: str, column: str, task: Task) -> FileOfAnswers:
    if task.num_classes != 2:
        raise UserError(
            f"{file.where}: the probability of one of {task.num_classes} classes cannot be scored, only"
            " of one of two"
        )
    place = class_named(task, task.answers.values.removeprefix("probability:"))
    found = _read_numbers(file, image, [column])
    probs = np.empty((len(found), 2))
    probs[:, place] = np.array(list(found.values()))[:, 0]
    probs[:, 1 - place] = 1 - probs[:, place]
    return FileOfAnswers(tuple(found), probs.argmax(axis=1), probs)


def _read_probabilities(
    file: CsvFile, image: str, columns: Sequence[str], task: Task
) -> FileOfAnswers:
    found = _read_numbers(file, image, columns, adding_up=True)
    number = {nfc(name): k for k, name in enumerate(task.classes)}
    probs = np.empty((len(found), len(columns)))
    probs[:, [number[nfc(name)] for name in columns]] = np.array(list(found.values()))
    probs /= probs.sum(axis=1, keepdims=True)
    return FileOfAnswers(tuple(found), probs.argmax(axis=1), probs)


def _read_numbers(
    file: CsvFile, image: str, columns: Sequence[str], adding_up: bool = False
) -> dict[str, list[float]]:
    """Numbers from 0 to 1 by image; adding_up: to 1."""
    faults = Faults()
    found: dict[str, list[float]] = {}
    rows = _rows(file, image, columns, faults)
    for name, (line, texts) in rows.items():
        numbers = [_number(text) for text in texts]
        for column, text, number in zip(columns, texts, numbers, strict=True):
            if not 0 <= number <= 1:
                faults.add(
                    f"{file.where} line {line}",
                    f"{column} {text!r} is not a number from 0 to 1; correct it",
                )
        total = sum(numbers)
        if adding_up and all(0 <= n <= 1 for n in numbers) and abs(total - 1) > _SUM_WITHIN:
            faults.add(
                f"{file.where} line {line}",
                f"the probabilities of {name!r} add up to {total:.4g}, not to 1; correct them",
            )
        found[name] = numbers
    _raise_if_any(faults, file, rows)
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _rows(
    file: CsvFile, image: str, columns: Sequence[str], faults: Faults
) -> dict[str, tuple[int, list[str]]]:
    """Line number and values by image, blanks around them removed."""
    rows: dict[str, tuple[int, list[str]]] = {}
    for line, values in file.rows([image, *columns], faults):
        name, *texts = (value.strip() for value in values)
        at = f"{file.where} line {line}"
        if not name:
            faults.add(at, f"{image} is empty; every row needs one")
        elif name in rows:
            faults.add(at, f"{image} {name!r} is in line {rows[name][0]}, too; delete one of them")
        else:
            rows[name] = line, texts
    return rows


def _raise_if_any(faults: Faults, file: CsvFile, rows: Mapping[str, object]) -> None:
    # Faults first: rows that are all wrong would otherwise be reported as no rows.
    faults.raise_if_any()
    if not rows:
        raise UserError(
            f"{file.where} has a header line but no rows; it needs a row for each image"
        )
