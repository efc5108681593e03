"""The form of a task's answers: the header of the file, and what each row has.

value               the name of the class           class          its number
probability:VALUE   the probability of one class    probabilities  of each class, a column each
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskcls.core.errors import UserError
from maskcls.core.names import nfc, some
from maskcls.core.task import Task
from maskcls.store.results import Sample

Float64 = npt.NDArray[np.float64]
Values = npt.NDArray[np.int64] | Float64


@dataclass(frozen=True)
class AnswerForm:
    """How answers are written.

    header: of the file. image: the place in it of the column that names the image (or group).
    probabilities: the classes whose probabilities the other columns have, in their order; (): one other
    column has the class. names: what that one says of each class.
    """

    header: tuple[str, ...]
    image: int
    probabilities: tuple[int, ...]
    names: tuple[str, ...]

    def values(self, classes: npt.NDArray[np.int64], probs: Float64 | None) -> Values:
        """What the rows say, as numbers that can be put into another order.

        classes: int64 [N]. probs: float64 [N, K], needed where `probabilities` are. Returns the classes,
        or float64 [N, columns].
        """
        if not self.probabilities:
            return classes
        assert probs is not None
        return probs[:, list(self.probabilities)]

    def rows(self, images: Sequence[str], values: Values) -> Iterator[list[str | float]]:
        """The rows of the CSV file; values: as `values` returns them.

        Probabilities are floats, which Python writes with as many digits as tell them apart.
        """
        for image, value in zip(images, values.tolist(), strict=True):
            row = [self.names[value]] if not self.probabilities else value
            yield [*row[: self.image], image, *row[self.image :]]


def form_of(task: Task, sample: Sample | None = None) -> AnswerForm:
    """The form that the task's `answers` name; the header is the sample's, if there is one.

    Raises UserError where a column or VALUE is none of the classes, or the sample has other columns.
    """
    header = answer_columns(task)
    if sample is not None:
        _check_header(sample.where, sample.columns, header)
        header, image = sample.columns, sample.columns.index(sample.image)
    else:
        image = 0
    others = [name for place, name in enumerate(header) if place != image]
    values = task.answers.values
    probabilities: tuple[int, ...] = ()
    if values == "probabilities":
        number = {nfc(name): k for k, name in enumerate(task.classes)}
        probabilities = tuple(number[nfc(name)] for name in others)
    elif values.startswith("probability:"):
        probabilities = (class_named(task, values.removeprefix("probability:")),)
    return AnswerForm(header, image, probabilities, class_texts(task))


def class_texts(task: Task) -> tuple[str, ...]:
    """What stands for each class where an answer is a class: its number or its name."""
    if task.answers.values == "class":
        return tuple(map(str, range(task.num_classes)))
    return task.classes


def class_named(task: Task, value: str) -> int:
    """The number of a class; UserError for a name that is none."""
    for number, name in enumerate(task.classes):
        if nfc(name) == nfc(value):
            return number
    raise UserError(
        f"[answers] values = {task.answers.values!r}: {value!r} is none of the classes, which are"
        f" {some(task.classes)}; correct it in task.toml"
    )


def answer_columns(task: Task) -> tuple[str, ...]:
    """The header without a sample: the column of the image, then the answer's.

    With a probability for each class these are the classes, in their own order or in that which the
    task names. UserError for columns that are not the classes.
    """
    columns = task.answers.columns
    if task.answers.values != "probabilities":
        return columns[:2]
    named = columns[1:]
    # The default of one column "label" says nothing of the classes.
    if named in ((), ("label",)):
        return (columns[0], *task.classes)
    if sorted(map(nfc, named)) != sorted(map(nfc, task.classes)):
        raise UserError(
            f"[answers] columns: {', '.join(named)} are not the classes, which are"
            f" {', '.join(task.classes)}; name each of them once, or the image's column alone"
        )
    return columns


def _check_header(where: str, found: Sequence[str], wanted: Sequence[str]) -> None:
    """UserError unless both have the same columns, in whatever order."""
    have, need = {nfc(name) for name in found}, {nfc(name) for name in wanted}
    lacking = [name for name in wanted if nfc(name) not in have]
    unknown = [name for name in found if nfc(name) not in need]
    if not lacking and not unknown:
        return
    parts = [f"it lacks {some(lacking)}"] if lacking else []
    parts += [f"it has {some(unknown)}, which is no answer"] if unknown else []
    raise UserError(
        f"{where}: its columns are not those of the answers, {some(wanted)}: {', and '.join(parts)};"
        " correct [answers] columns and values in task.toml"
    )


def prediction_header(task: Task) -> tuple[str, ...]:
    """The columns of `predict` after the image's: the answer, and a probability per class.

    The answer's column is the task's where that has a class, else "label"; it has `class_texts`.
    Probabilities are headed by what stands for the class: p0, p1, ... or the names ("p:NAME" where a
    class is called as another column).
    """
    values = task.answers.values
    if values == "class":
        return (task.answers.columns[1], *(f"p{k}" for k in range(task.num_classes)))
    answer = task.answers.columns[1] if values == "value" else "label"
    if {"path", "group", answer} & set(task.classes):
        return (answer, *(f"p:{name}" for name in task.classes))
    return (answer, *task.classes)
