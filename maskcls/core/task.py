"""The task: what a label is made of, how predictions are scored, what an answer looks like.

A task is data. It is resolved once, when the data is read (data/), written into the run as task.json
and into every checkpoint, and handed to whoever needs it as an argument.

    class = the parts' values as digits of a number, the first part the most significant;
            a task of one part: class = value
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product, zip_longest
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from maskcls.core.plain import from_plain, to_plain

MAX_CLASSES = 1000
"""The out-of-fold table has a float32 for each class and row, and LDAM a matrix for each batch."""

MetricName = Literal[
    "macro_f1", "accuracy", "balanced_accuracy", "quadratic_kappa", "auc", "log_loss"
]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """One attribute of an image, with a fixed list of values.

    values: names, in the order of their codes 0, 1, ... borders: where the part is read from a number,
    the first number of each value after the first; () otherwise. numbers: smallest and largest number
    that are told apart. scale: mean and standard deviation of the numbers, for regression.
    """

    name: str
    values: tuple[str, ...]
    borders: tuple[int, ...] = ()
    numbers: tuple[int, int] | None = None
    scale: tuple[float, float] | None = None

    def code_of(self, number: int) -> int:
        """Code of the value that a number falls into."""
        return sum(number >= border for border in self.borders)


@dataclass(frozen=True)
class Answers:
    """The form of a submission.

    columns: its header: the image's column, then the answer's (for "probabilities": all classes).
    values: "value" (the class's name), "class" (its number), "probability:VALUE", "probabilities".
    like: a sample submission within DATA, whose rows and order the answer has.
    """

    columns: tuple[str, ...] = ("image", "label")
    values: str = "value"
    like: str | None = None


@dataclass(frozen=True)
class Places:
    """Where in DATA the images are: folders below it, "" for itself.

    eval: None without images to predict. probe: a file that stands for DATA where machines check whether
    they reach it.
    """

    images: str = ""
    eval: str | None = None
    probe: str = ""


@dataclass(frozen=True)
class Task:
    """A resolved task.

    metric: ranks epochs, trials and runs; also: further metrics to compute. absent: a class that occurs
    neither among the labels nor among the predictions counts as 0 in macro F1, or is left out of the
    mean. strata: parts on whose values folds of groups are stratified; (): on the classes' shares.
    has_groups: whether the data names groups; otherwise each image is its own. group: what names that of
    a new image, as a task file writes it (a column, stem, folder or path:REGEX); "" where unknown.
    """

    name: str
    parts: tuple[Part, ...]
    metric: MetricName = "macro_f1"
    also: tuple[MetricName, ...] = ("accuracy",)
    absent: Literal["zero", "skip"] = "skip"
    strata: tuple[str, ...] = ()
    has_groups: bool = False
    group: str = ""
    answers: Answers = field(default_factory=Answers)
    places: Places = field(default_factory=Places)

    @property
    def is_mask(self) -> bool:
        """Whether it is the mask task or an edited copy: some settings belong to it alone."""
        names = tuple(part.name for part in self.parts)
        return names == ("mask", "gender", "age") and self.numbered == self.parts[2]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each part."""
        return tuple(len(part.values) for part in self.parts)

    @property
    def num_classes(self) -> int:
        """Number of classes, at most MAX_CLASSES."""
        return len(self.classes)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers, such as "worn, female, 30-59"."""
        return tuple(", ".join(values) for values in product(*(p.values for p in self.parts)))

    @property
    def metrics(self) -> tuple[MetricName, ...]:
        """All metrics that are computed: the ranking one, those asked for, and the two that everybody
        asks for."""
        return tuple(dict.fromkeys((self.metric, *self.also, "macro_f1", "accuracy")))

    @property
    def numbered(self) -> Part | None:
        """The part that is read from numbers (the age of the mask task), if any."""
        return next((part for part in self.parts if part.borders), None)

    def part(self, name: str) -> Part:
        """A part by its name; KeyError without it."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(name)

    def class_of(self, codes: Mapping[str, npt.ArrayLike]) -> Int64:
        """Classes, int64 [N]; codes: integers [N] of each part, by name."""
        arrays = [np.asarray(codes[part.name], dtype=np.int64) for part in self.parts]
        return np.asarray(np.ravel_multi_index(tuple(arrays), self.sizes), dtype=np.int64)

    def codes_of(self, classes: npt.ArrayLike) -> dict[str, Int64]:
        """The parts' codes of each class, {name: int64 [N]}; classes: integers [N]."""
        codes = np.unravel_index(np.asarray(classes, dtype=np.int64), self.sizes)
        return {part.name: found for part, found in zip(self.parts, codes, strict=True)}

    def stratum_of(self, codes: Mapping[str, npt.ArrayLike]) -> Int64:
        """Number of the stratum, int64 [N]; codes: integers [N] of each of `strata`, by name."""
        sizes = tuple(len(self.part(name).values) for name in self.strata)
        arrays = tuple(np.asarray(codes[name], dtype=np.int64) for name in self.strata)
        return np.asarray(np.ravel_multi_index(arrays, sizes), dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """The content of task.json: the fields, and the names of the classes."""
        values: dict[str, Any] = to_plain(self)
        return {"name": self.name, "classes": list(self.classes)} | values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read to_json back."""
        return from_plain(cls, {name: value for name, value in values.items() if name != "classes"})


def differences(old: Task, new: Task) -> list[str]:
    """Each difference of two tasks in words: "metric: macro_f1 there, auc now"."""
    there, now = to_plain(old), to_plain(new)
    # It says how to name the groups of new images; those of the data are compared themselves.
    there["group"] = now["group"]
    return [f"{n}: {there[n]} there, {now[n]} now" for n in there if there[n] != now[n]]


def differences_of_parts(old: Task, new: Task) -> str:
    """What two tasks call their classes, where they differ; "" if a class's number means the same."""
    if old.parts == new.parts:
        return ""
    if old.classes == new.classes:
        return next(d for d in differences(old, new) if d.startswith("parts:"))
    pairs = enumerate(zip_longest(old.classes, new.classes, fillvalue="none"))
    number, (there, now) = next(found for found in pairs if found[1][0] != found[1][1])
    return f"class {number}: {there} there, {now} now"


def in_class_order(values: Sequence[str]) -> tuple[str, ...]:
    """Distinct values in the order of classes: whole numbers as numbers, then others by their text."""
    return tuple(sorted(set(values), key=_class_order))


def _class_order(value: str) -> tuple[bool, int, str]:
    # Of a bounded length: Python refuses to convert thousands of digits.
    is_number = re.fullmatch("-?[0-9]{1,100}", value) is not None
    return not is_number, int(value) if is_number else 0, value
